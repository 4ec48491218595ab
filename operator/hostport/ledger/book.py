"""All leases in memory, by pool and by owner."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hostport.api.lease import Lease, LeaseKey

# The numbers whose leases stand together in one object.
BLOCK_SIZE = 256
# Leases per node put many entries on one number; an object with more of them than this is slow to write.
MOST_LEASES = 1000

Place = tuple[str, LeaseKey]


class Change(NamedTuple):
    """One entry of a pool's record set to `lease`, or taken out where that is None."""

    pool: str
    key: LeaseKey
    lease: Lease | None


class Book:
    """Pool → key → lease, and owner → the places of its leases. `leaving` are those that are releasing or resting."""

    def __init__(self) -> None:
        self._pools: dict[str, dict[LeaseKey, Lease]] = defaultdict(dict)
        self._owners: dict[str, dict[Place, Lease]] = {}
        self._held: dict[tuple[str, str], Counter[tuple[int, str]]] = defaultdict(Counter)
        self._blocks: Counter[tuple[str, int]] = Counter()
        self.leaving: dict[Place, Lease] = {}

    def set(self, change: Change) -> Lease | None:
        """Make the change; returns the lease that stood there."""
        pool, key, lease = change
        before = self._pools[pool].get(key)
        if before is not None and lease is not None and (before.owner, before.state) == (lease.owner, lease.state):
            return self._restate(pool, key, before, lease)
        if before is not None:
            self._forget(pool, key, before)
        if lease is not None:
            self._note(pool, key, lease)
        return before

    def amend(self, pool: str, key: LeaseKey, lease: Lease) -> None:
        """Put other words into an active lease, which stays its owner's."""
        self._pools[pool][key] = self._owners[lease.owner][pool, key] = lease

    def get(self, pool: str, key: LeaseKey) -> Lease | None:
        """The lease of `key` in `pool`."""
        return self._pools[pool].get(key)

    def of_pool(self, pool: str) -> Mapping[LeaseKey, Lease]:
        """Every lease of a pool."""
        return self._pools[pool]

    def of_owner(self, owner: str) -> Mapping[Place, Lease]:
        """Every lease of a workload, resting ones too."""
        return self._owners.get(owner) or {}

    def held(self, pool: str, namespace: str) -> int:
        """How many distinct (number, protocol) pairs a namespace has in a pool, resting ones not counted."""
        return len(self._held[pool, namespace])

    def holds(self, pool: str, namespace: str, port: int, protocol: str) -> bool:
        """Whether a namespace has that number already, resting ones not counted."""
        return (port, protocol) in self._held[pool, namespace]

    def in_block(self, pool: str, block: int) -> int:
        """How many leases the numbers of one block have; blocks are counted in steps of their size."""
        return self._blocks[pool, block]

    def owners(self) -> Iterator[str]:
        """Everyone who has a lease."""
        return iter(tuple(self._owners))

    def drop_pool(self, pool: str) -> None:
        """Forget a pool that is gone."""
        self._pools.pop(pool, None)

    def _restate(self, pool: str, key: LeaseKey, before: Lease, lease: Lease) -> Lease:
        self.amend(pool, key, lease)
        if (pool, key) in self.leaving:
            self.leaving[pool, key] = lease
        return before

    def _note(self, pool: str, key: LeaseKey, lease: Lease) -> None:
        self._pools[pool][key] = lease
        self._blocks[pool, key.port // BLOCK_SIZE] += 1
        self._owners.setdefault(lease.owner, {})[pool, key] = lease
        if lease.released or lease.releasing:
            self.leaving[pool, key] = lease
        if not lease.released:
            held, pair = self._held[pool, lease.namespace], (key.port, key.protocol)
            held[pair] = held.get(pair, 0) + 1

    def _forget(self, pool: str, key: LeaseKey, lease: Lease) -> None:
        del self._pools[pool][key]
        self._blocks[pool, key.port // BLOCK_SIZE] -= 1
        self.leaving.pop((pool, key), None)
        places = self._owners[lease.owner]
        del places[pool, key]
        if not places:
            del self._owners[lease.owner]
        if not lease.released:
            held, pair = self._held[pool, lease.namespace], (key.port, key.protocol)
            held[pair] -= 1
            if not held[pair]:
                del held[pair]
