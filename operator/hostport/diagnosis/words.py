"""Lists as they are said."""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 3


def some(names: Iterable[str], what: str = "") -> str:
    """The first three of some names, in order, and how many more there are of `what`."""
    there = sorted(set(names))
    more = len(there) - _MOST
    return ", ".join(there[:_MOST]) + (f" and {more} more{f' {what}' if what else ''}" if more > 0 else "")
