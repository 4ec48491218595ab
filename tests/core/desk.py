"""An operator's desk over a store in memory: book, ledger, and what its watch delivers."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.state import State
from hostport.api.lease import Lease
from hostport.api.workload import Workload
from hostport.ledger.book import Change
from hostport.ledger.ledger import Ledger
from tests.core import build, truths
from tests.core.store import MemoryStore, Seen

_TIME = "2026-01-01T00:00:00Z"


def in_a_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine."""

    @functools.wraps(story)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(story(*args, **kwargs))

    return run


class Desk:
    """One operator. `outcomes` are the results of its writes, `news` the owners whom its watch has told of."""

    def __init__(self, store: MemoryStore, seed: int = 0) -> None:
        self.state = State()
        self.state.see_nodes(build.node(name) for name in ("n1", "n2"))
        self.outcomes: list[str] = []
        self.news: set[str] = set()
        self.ledger = Ledger(store, self.state.book, self.state.put, lambda result, _: self.outcomes.append(result))
        self._planner = Planner(self.state, Random(seed))

    def watch(self, store: MemoryStore) -> None:
        """Be told of every write at once, the own ones before their answer."""
        store.watchers.append(self.see)

    def see(self, seen: Seen) -> None:
        """One event of a watch."""
        self.news |= self.ledger.saw(seen.pool, seen.span, home=seen.home, stored=seen.stored)

    def intend(self, leases: dict[str, str | None], pool: str = "main") -> list[Change]:
        """Changes that a plan has made, in the book as such a plan leaves them: `{key: owner}`, None to take out."""
        changes = [
            Change(pool, truths.key(key), Lease(f"Deployment/default/{owner}", since=_TIME) if owner else None)
            for key, owner in leases.items()
        ]
        for change in changes:
            self.state.put(change)
        return changes

    async def commit(self, leases: dict[str, str | None], pool: str = "main") -> set[str]:
        """Plan and commit in one go; returns the names of those for whom it failed."""
        return {_name(owner) for owner in await self.ledger.commit(self.intend(leases, pool))}

    def plan(self, workload: Workload) -> Plan:
        """A real plan."""
        return self._planner.plan(workload, _TIME)

    def plan_gone(self, owner: str) -> list[Change]:
        """The real plan for a workload that is gone."""
        return self._planner.plan_gone(owner, _TIME)

    def book(self, pool: str = "main") -> dict[str, str]:
        """Key and owner of every lease in the book."""
        return {str(key): _name(lease.owner) for key, lease in self.state.book.of_pool(pool).items()}


def names(leases: dict[str, str]) -> dict[str, str]:
    """Owners by their bare names."""
    return {key: _name(owner) for key, owner in leases.items()}


def _name(owner: str) -> str:
    return owner.rpartition("/")[2]


def first(desk: Desk, leases: dict[str, str | None], pool: str = "main") -> Callable[[], Awaitable[None]]:
    """Somebody who gets through before another write does."""

    async def go() -> None:
        assert await desk.commit(leases, pool) == set()

    return go
