"""The counts of a pool, as they stand in its status and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitarray import bitarray
from bitarray.util import zeros

from hostport.allocation.occupancy import nodes_overlap
from hostport.allocation.scope import areas_of, valid_somewhere
from hostport.allocation.state import State
from hostport.api.pool import Pool
from hostport.api.ports import SPACE, Protocol, ips_overlap


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


def summarize(state: State, pool: Pool) -> Summary:
    """Count a pool's numbers."""
    scope = state.scopes[pool.name]
    valid = valid_somewhere(pool, scope, state.nodes)
    for numbers in state.withheld[pool.name].values():
        valid = valid - numbers
    active, cooling = _leased(state, pool)
    foreign = _foreign(state, pool)
    leases = state.book.of_pool(pool.name)
    return Summary(
        {
            protocol: _count(valid.bits, active[protocol], cooling[protocol], foreign[protocol])
            for protocol in pool.protocols
        },
        len(leases),
        len(scope),
        sum(1 for key, lease in leases.items() if not lease.released and not valid.bits[key.port]),
    )


def _count(valid: bitarray, active: bitarray, cooling: bitarray, foreign: bitarray) -> Counts:
    allocated = valid & active
    resting = valid & cooling & ~active
    others = valid & foreign & ~(active | cooling)
    return Counts(valid.count(), allocated.count(), resting.count(), others.count())


def _leased(state: State, pool: Pool) -> tuple[dict[Protocol, bitarray], dict[Protocol, bitarray]]:
    active = {protocol: zeros(SPACE) for protocol in Protocol}
    cooling = {protocol: zeros(SPACE) for protocol in Protocol}
    for key, lease in state.book.of_pool(pool.name).items():
        (cooling if lease.released else active)[key.protocol][key.port] = 1
    return active, cooling


def _foreign(state: State, pool: Pool) -> dict[Protocol, bitarray]:
    """The numbers that somebody is on where they are valid."""
    areas = areas_of(pool, state.scopes[pool.name], state.nodes)
    found = {protocol: zeros(SPACE) for protocol in Protocol}
    for protocol, port, takers in state.occupancy.taken_ports():
        for nodes, ports in areas:
            if port in ports and any(ips_overlap(t.ip, pool.host_ip) and nodes_overlap(t.nodes, nodes) for t in takers):
                found[protocol][port] = 1
    return found
