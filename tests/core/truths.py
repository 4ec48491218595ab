"""What must be true of a state at any time, computed the slow and obvious way from what was put into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from bitarray import bitarray

from hostport.allocation.occupancy import Taker, View, nodes_overlap
from hostport.allocation.state import State
from hostport.allocation.summary import summarize
from hostport.api.lease import Lease, LeaseKey
from hostport.api.placement import Placement
from hostport.api.pool import Pool
from hostport.api.ports import Protocol, ips_overlap
from hostport.ledger.book import Place

Leases = dict[Place, Lease]


def leases(state: State) -> Leases:
    """Every lease of every pool."""
    return {(pool, key): lease for pool in state.scopes for key, lease in state.book.of_pool(pool).items()}


@dataclass(frozen=True)
class Snapshot:
    """All that a refusal must leave as it was."""

    leases: Leases
    leaving: Leases
    owners: dict[str, Leases]
    cursors: dict[str, int]
    takers: dict[tuple[Protocol, int], int]
    openings: int
    changes: int
    free: dict[tuple[str, Placement], dict[Protocol, bitarray]]

    @classmethod
    def of(cls, state: State) -> Snapshot:
        """The state as it stands."""
        book = state.book
        return cls(
            leases(state),
            dict(book.leaving),
            {owner: dict(book.of_owner(owner)) for owner in book.owners()},
            {pool: state.cursors.get(pool) for pool in state.pools},
            {(protocol, port): len(takers) for protocol, port, takers in state.occupancy.taken_ports()},
            state.openings,
            state.changes,
            {place: {p: bits.copy() for p, bits in seen.view.free.items()} for place, seen in state._views.items()},
        )

    def assert_still(self, state: State) -> None:
        """Nothing has changed since; views may have been opened or closed."""
        now = Snapshot.of(state)
        assert replace(now, free={}) == replace(self, free={})
        for view in self.free.keys() & now.free.keys():
            assert self.free[view] == now.free[view]


def overlaps(state: State) -> set[frozenset[Place]]:
    """Pairs of leases that claim the same triple on the same node."""
    by_number: dict[tuple[Protocol, int], list[Place]] = {}
    for place in leases(state):
        by_number.setdefault((place[1].protocol, place[1].port), []).append(place)
    return {
        frozenset(pair)
        for places in by_number.values()
        for pair in combinations(places, 2)
        if ips_overlap(pair[0][1].ip, pair[1][1].ip) and nodes_overlap(state.nodes_of(pair[0]), state.nodes_of(pair[1]))
    }


def assert_books_agree(state: State) -> None:
    """Owners, pools and those leaving are three ways to look at the same leases."""
    everything = leases(state)
    by_owner: dict[str, Leases] = {}
    for place, lease in everything.items():
        by_owner.setdefault(lease.owner, {})[place] = lease
    assert {owner: dict(state.book.of_owner(owner)) for owner in state.book.owners()} == by_owner
    assert state.book.leaving == {place: lease for place, lease in everything.items() if lease.state != "active"}
    held: dict[tuple[str, str], set[tuple[int, str]]] = {}
    for (pool, key), lease in everything.items():
        if not lease.released:
            held.setdefault((pool, lease.namespace), set()).add((key.port, key.protocol))
    for (pool, namespace), pairs in held.items():
        assert state.book.held(pool, namespace) == len(pairs)


def assert_views_are_true(state: State) -> None:
    """The free bits of every view are those of a view made from nothing."""
    fresh = State()
    fresh.see_nodes(state.nodes.values())
    for pool in state.pools.values():
        fresh.see_pool(pool)
    for pool, placement, seen in _views(state):
        anew = fresh.view(pool, placement).view
        assert (seen.scope, seen.eligible, seen.valid) == (anew.scope, anew.eligible, anew.valid)
        assert seen.free.keys() == anew.free.keys(), f"{pool.name} is seen through a view that is kept no longer"
        for protocol, free in seen.free.items():
            valid = set(anew.valid[protocol].search(1))
            taken = {port for port in valid if _blocked(state, seen, protocol, port)}
            assert set(free.search(1)) == valid - taken, (pool.name, placement)


def assert_counts_add_up(state: State) -> None:
    """Capacity is what is allocated, cooling, foreign and free; no part of it is negative."""
    for pool in state.pools.values():
        summary = summarize(state, pool)
        for counts in (*summary.by_protocol.values(), summary.total):
            parts = (counts.allocated, counts.cooling, counts.foreign, counts.free)
            assert min(parts) >= 0
            assert sum(parts) == counts.capacity


def _views(state: State) -> Iterator[tuple[Pool, Placement, View]]:
    """All that plans are made with: every view that is kept, and those of every template that has been served."""
    for (pool, placement), kept in state._views.items():
        yield state.pools[pool], placement, kept.view
    for (pool, _), found in state._ways.items():
        for way in found:
            yield state.pools[pool], way.placement, way.view


def _blocked(state: State, view: View, protocol: Protocol, port: int) -> bool:
    return any(_meets(view, taker) for taker in state.occupancy.takers(protocol, port))


def _meets(view: View, taker: Taker) -> bool:
    nodes = view.scope if taker.lease else view.eligible
    return ips_overlap(view.ip, taker.ip) and (taker.nodes is None or bool(set(nodes) & set(taker.nodes)))


def key(text: str) -> LeaseKey:
    """A lease's key, which must be one."""
    parsed = LeaseKey.parse(text)
    assert parsed is not None, text
    return parsed
