"""Objects that can't be read: each is told of once and counted, and all the others go on.

Whatever comes in by list or watch passes here. What was known of an object before it could not be read any more stands.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hostport.api.errors import shown
from hostport.api.workload import KINDS
from hostport.cluster.errors import WentBack

logger = logging.getLogger(__name__)

_LONGEST_REASON = 200
_NAMES = {
    "pods": "Pod",
    "nodes": "Node",
    "services": "Service",
    "namespaces": "Namespace",
    "hostportpools": "HostPortPool",
    "hostportblocks": "HostPortBlock",
    "hostportnodes": "HostPortNode",
    **{kind.plural: kind.name for kind in KINDS.values()},
}


class Unread(NamedTuple):
    """An object that can't be read: what it is for people, the kind of error, and its text."""

    subject: str
    cause: str
    reason: str


class Unreadable:
    """The objects that can't be read now."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Unread] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Unread]:
        return iter(tuple(self._found.values()))

    @contextmanager
    def reading(self, path: str, raw: object) -> Iterator[None]:
        """Around whatever is done with one object of a collection: of all errors only `WentBack` gets out."""
        try:
            yield
        except WentBack:
            raise
        except Exception as error:  # noqa: BLE001 - one object that nobody thought of must not end all others
            self._note(path, raw, error)
        else:
            if self._found:
                self.forget(path, raw)

    def forget(self, path: str, raw: object) -> None:
        """An object can be read, or is gone."""
        self._found.pop((_plural(path), identity(raw)), None)

    def keep_only(self, path: str, there: Collection[str]) -> None:
        """A whole collection has been listed; `there` are the identities of its objects."""
        plural = _plural(path)
        for key in [key for key in self._found if key[0] == plural and key[1] not in there]:
            del self._found[key]

    def _note(self, path: str, raw: object, error: Exception) -> None:
        plural, cause = _plural(path), type(error).__name__
        subject = f"{_NAMES.get(plural, plural)} {_name(raw)}"
        known = self._found.get((plural, identity(raw)))
        found = Unread(subject, cause, shown(f"{cause}: {error}", _LONGEST_REASON))
        self._found[plural, identity(raw)] = found
        if known is None or known.cause != cause:
            logger.warning("%s can't be read (%s): %s", found.subject, found.reason, WAY_OUT)


WAY_OUT = (
    "what was known of it before still counts, and nothing else does; look at it with kubectl get -o yaml, "
    "mend or delete it, and report this"
)


def identity(raw: object) -> str:
    """What tells an object from all others of its collection, as far as it can be told."""
    return str(_meta(raw).get("uid") or _name(raw))


def _plural(path: str) -> str:
    return path.rpartition("/")[2]


def _name(raw: object) -> str:
    meta = _meta(raw)
    words = [str(meta[word]) for word in ("namespace", "name") if meta.get(word)]
    return shown("/".join(words), _LONGEST_REASON) or "without a name"


def _meta(raw: object) -> dict[str, Any]:
    meta = raw.get("metadata") if isinstance(raw, dict) else None
    return meta if isinstance(meta, dict) else {}
