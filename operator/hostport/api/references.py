"""References to objects as Kind/namespace/name, checked where they are made: what others write may be anything."""

from __future__ import annotations

import re

from hostport.api.workload import KINDS

_KIND = re.compile(r"[A-Za-z0-9]{1,63}")
# RFC 1123, as `IsDNS1123Label` and `IsDNS1123Subdomain` of Kubernetes have it, without the length.
_WORD = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_LABEL = re.compile(_WORD)
_SUBDOMAIN = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253


def key_of(kind: object, namespace: str, name: object) -> str | None:
    """The key of an object, or None where no object can be called that."""
    if not isinstance(kind, str) or not isinstance(name, str) or not _KIND.fullmatch(kind):
        return None
    return f"{kind}/{namespace}/{name}" if _is_label(namespace) and _is_name(name) else None


def is_workload(owner: str) -> bool:
    """Whether an owner spells Kind/namespace/name of a kind that there is here; a newer version may know more."""
    kind, *names = owner.split("/")
    return kind in KINDS and len(names) == 2 and key_of(kind, *names) is not None


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and bool(_LABEL.fullmatch(text))


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and bool(_SUBDOMAIN.fullmatch(text))
