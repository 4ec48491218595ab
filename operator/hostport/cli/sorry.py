"""What a command could not do, said so that a person knows the way out; it ends with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from hostport.cluster.errors import Forbidden, NotFound, Unreachable

_MOST_NAMES = 10


class Sorry(Exception):
    """A sentence for the terminal."""


def known(what: str, name: str, names: Iterable[str]) -> str:
    """`name`, if it is one of `names`; else `Sorry`, with the nearest name and with those there are."""
    there = sorted(names)
    if name in there:
        return name
    near = get_close_matches(name, there, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    others = f"there are: {few(there)}" if there else "there is none at all"
    raise Sorry(f'there is no {what} "{name}"{meant}{" T" if near else "; t"}{others[1:]}')


def few(names: list[str]) -> str:
    """Names, for people: the first ten."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def sentence(error: Exception) -> str:
    """What is to be said of an error, and what can be done about it."""
    if isinstance(error, Unreachable):
        return f"the API server does not answer: {error.message}; is `kubectl cluster-info` any better?"
    if isinstance(error, Forbidden) and error.status == 401:
        return "the API server does not know you any more (401): log in again, or choose another --context"
    if isinstance(error, Forbidden):
        return f"{error.message}; ask for the ClusterRole hostport-viewer (manifests/rbac.yaml), bound cluster-wide"
    if isinstance(error, NotFound) and "/hostport.dev/" in error.request:
        return "HostPortPool is not installed in this cluster: kubectl apply -f crds/"
    return str(error)
