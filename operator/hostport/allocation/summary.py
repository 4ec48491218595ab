"""The counts of a pool, as they stand in its status and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitarray import bitarray
from bitarray.util import zeros

from hostport.allocation.occupancy import Nodes
from hostport.allocation.scope import areas_of, valid_somewhere
from hostport.allocation.state import State
from hostport.api.pool import Pool
from hostport.api.ports import SPACE, Protocol


@dataclass(frozen=True, slots=True)
class Counts:
    """Distinct numbers of one protocol; every number is counted once, and the four add up to `capacity`."""

    capacity: int = 0
    allocated: int = 0
    cooling: int = 0
    foreign: int = 0

    @property
    def free(self) -> int:
        """What is left."""
        return self.capacity - self.allocated - self.cooling - self.foreign

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.capacity + other.capacity,
            self.allocated + other.allocated,
            self.cooling + other.cooling,
            self.foreign + other.foreign,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """A pool in figures. `out_of_range`: leases on numbers that the pool does not hand out any more."""

    by_protocol: Mapping[Protocol, Counts]
    leases: int
    nodes: int
    out_of_range: int

    @property
    def total(self) -> Counts:
        """All protocols together: distinct (number, protocol) pairs."""
        return sum(self.by_protocol.values(), Counts())


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one protocol as bits: those handed out, and what has become of them; each is in one set alone."""

    valid: bitarray
    allocated: bitarray
    cooling: bitarray
    foreign: bitarray

    @property
    def free(self) -> bitarray:
        """What is left."""
        return self.valid & ~(self.allocated | self.cooling | self.foreign)

    @property
    def counts(self) -> Counts:
        """How many."""
        return Counts(self.valid.count(), self.allocated.count(), self.cooling.count(), self.foreign.count())


def summarize(state: State, pool: Pool) -> Summary:
    """Count a pool's numbers."""
    scope, leases = state.scopes[pool.name], state.book.of_pool(pool.name)
    valid = _valid(state, pool, scope)
    return Summary(
        {protocol: found.counts for protocol, found in numbers(state, pool, scope).items()},
        len(leases),
        len(scope),
        sum(1 for key, lease in leases.items() if not lease.released and not valid[key.port]),
    )


def numbers(state: State, pool: Pool, nodes: Nodes) -> dict[Protocol, Numbers]:
    """What has become of a pool's numbers on some of its nodes: taken on one of them is taken."""
    valid = _valid(state, pool, nodes)
    active, cooling = _leased(state, pool, nodes)
    foreign = _foreign(state, pool, nodes)
    return {
        protocol: _tell_apart(valid, active[protocol], cooling[protocol], foreign[protocol])
        for protocol in pool.protocols
    }


def _valid(state: State, pool: Pool, nodes: Nodes) -> bitarray:
    valid = valid_somewhere(pool, nodes, state.nodes)
    for kept_back in state.withheld[pool.name].values():
        valid = valid - kept_back
    return valid.bits


def _tell_apart(valid: bitarray, active: bitarray, cooling: bitarray, foreign: bitarray) -> Numbers:
    return Numbers(valid, valid & active, valid & cooling & ~active, valid & foreign & ~(active | cooling))


def _leased(state: State, pool: Pool, nodes: Nodes) -> tuple[dict[Protocol, bitarray], dict[Protocol, bitarray]]:
    active = {protocol: zeros(SPACE) for protocol in Protocol}
    cooling = {protocol: zeros(SPACE) for protocol in Protocol}
    whole = nodes is state.scopes[pool.name]
    for key, lease in state.book.of_pool(pool.name).items():
        if whole or not key.node or key.node in nodes:
            (cooling if lease.released else active)[key.protocol][key.port] = 1
    return active, cooling


def _foreign(state: State, pool: Pool, nodes: Nodes) -> dict[Protocol, bitarray]:
    """The numbers that somebody is on where they are valid."""
    areas = areas_of(pool, nodes, state.nodes)
    found = {protocol: zeros(SPACE) for protocol in Protocol}
    for protocol, port, takers in state.occupancy.taken_ports():
        for names, ports in areas:
            if port in ports and any(t.meets(pool.host_ip, names) for t in takers):
                found[protocol][port] = 1
    return found
