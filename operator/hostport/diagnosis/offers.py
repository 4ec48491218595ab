"""Which numbers a pool has free, as its status counts them: on some nodes, or on all that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bitarray import bitarray

from hostport.allocation.occupancy import Nodes
from hostport.allocation.state import State
from hostport.allocation.summary import numbers
from hostport.api.pool import Pool
from hostport.api.ports import PortSet, Protocol


class Offer(NamedTuple):
    """The numbers of a pool that are free for all of these protocols at once."""

    pool: Pool
    protocols: tuple[Protocol, ...]
    free: bitarray

    def nearest(self, port: int) -> int | None:
        """The free number that is closest to `port`."""
        return PortSet(self.free).nearest(port)


def offers(state: State, protocols: Iterable[Protocol], nodes: Nodes | None = None) -> Iterator[Offer]:
    """What every pool has free for those of `protocols` that it hands out, the pools that are tried first in front."""
    wanted = tuple(protocols)
    for pool in sorted(state.pools.values(), key=lambda pool: (-pool.priority, pool.name)):
        served = tuple(protocol for protocol in pool.protocols if protocol in wanted)
        if served and not pool.terminating:
            yield Offer(pool, served, free_bits(state, pool, served, nodes))


def free_bits(state: State, pool: Pool, protocols: Iterable[Protocol], nodes: Nodes | None = None) -> bitarray:
    """The numbers of a pool free for all of `protocols` on those of `nodes` that it is for."""
    scope = state.scopes[pool.name]
    found = numbers(state, pool, scope if nodes is None else scope & nodes)
    first, *rest = (found[protocol].free for protocol in protocols)
    for bits in rest:
        first = first & bits
    return first
