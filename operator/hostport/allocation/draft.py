"""Changes to leases that can still be taken back."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from hostport.allocation.state import State
from hostport.api.lease import Lease, LeaseKey
from hostport.ledger.book import Change, Place


class Draft:
    """Changes made to a state, remembered so that all of them can be undone. `kept` are places that stay wanted.

    As a context it undoes them whatever is raised in it.
    """

    __slots__ = ("_after", "_before", "_counts", "_cursors", "_state", "kept")

    def __init__(self, state: State) -> None:
        self._state = state
        self._before: dict[Place, Lease | None] = {}
        self._after: dict[Place, Lease | None] = {}
        self._cursors: dict[str, int] = {}
        self._counts = state.openings, state.changes
        self.kept: set[Place] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.undo()

    def put(self, pool: str, key: LeaseKey, lease: Lease | None) -> None:
        """Set a lease, in the state at once; raises `OverlappingLease` where somebody else has the number."""
        place = (pool, key)
        self._before.setdefault(place, self._state.book.get(pool, key))
        self._state.write(Change(pool, key, lease))
        self._after[place] = lease

    def restore(self, pool: str, key: LeaseKey) -> None:
        """A place as it was before the draft."""
        self._state.put(Change(pool, key, self._before.pop((pool, key))))
        self._after.pop((pool, key), None)

    def amend(self, pool: str, key: LeaseKey, lease: Lease) -> None:
        """Put other words into an active lease of this draft."""
        self._after[pool, key] = lease
        self._state.book.amend(pool, key, lease)

    def keep(self, pool: str, key: LeaseKey) -> None:
        """Note that a place stays wanted."""
        self.kept.add((pool, key))

    def turn(self, pool: str, port: int) -> None:
        """Let RoundRobin go on behind `port`."""
        self._cursors.setdefault(pool, self._state.cursors.get(pool))
        self._state.cursors.gave(pool, port)

    def undo(self) -> None:
        """The state as it was."""
        for (pool, key), lease in self._before.items():
            self._state.put(Change(pool, key, lease))
        for pool, port in self._cursors.items():
            self._state.cursors.reset(pool, port)
        self._state.openings, self._state.changes = self._counts
        self._before.clear()
        self._after.clear()
        self._cursors.clear()
        self.kept.clear()

    @property
    def changes(self) -> list[Change]:
        """What differs from before."""
        return [Change(pool, key, lease) for (pool, key), lease in self._after.items()]
