"""A pool's numbers node by node: which are leased, resting, used by others, free. Nodes that are alike share a lane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bitarray import bitarray
from bitarray.util import zeros

from hostport.allocation.occupancy import Taker
from hostport.allocation.scope import areas_of
from hostport.allocation.state import State
from hostport.api.pool import Pool
from hostport.api.ports import SPACE, PortSet, ips_overlap


class Use(StrEnum):
    """What has become of a number; of several things that are true the first."""

    LEASED = "leased"
    RESTING = "resting"
    FOREIGN = "foreign"
    FREE = "free"


Bits = Mapping[Use, bitarray]
_RANK = {use: rank for rank, use in enumerate(Use)}


@dataclass(frozen=True, slots=True)
class Lane:
    """Nodes with the same numbers in the same use, each number in one of the sets alone."""

    nodes: tuple[str, ...]
    numbers: Bits

    @property
    def taken(self) -> int:
        """How many numbers are not free."""
        return sum(bits.count() for use, bits in self.numbers.items() if use is not Use.FREE)


def lanes(state: State, pool: Pool) -> list[Lane]:
    """The lanes of a pool. A number in use for one of its protocols counts as in use."""
    everywhere, somewhere = _uses(state, pool)
    common = frozenset(everywhere.items())
    kept_back = list(state.withheld[pool.name].values())
    made = []
    for names, ports in areas_of(pool, state.scopes[pool.name], state.nodes):
        for withheld in kept_back:
            ports = ports - withheld
        alike: dict[frozenset[tuple[int, Use]], list[str]] = defaultdict(list)
        for name in names:
            alike[frozenset(somewhere.get(name, {}).items())].append(name)
        made += [Lane(tuple(sorted(nodes)), _drawn(ports, [*common, *own])) for own, nodes in alike.items()]
    return sorted(made, key=lambda lane: lane.nodes)


def together(found: list[Lane]) -> Lane:
    """All lanes as one: a number that is in use on one node is in use."""
    used = [(port, use) for lane in found for use, bits in lane.numbers.items() for port in bits.search(1)]
    valid = PortSet()
    for port, _ in used:
        valid.bits[port] = 1
    return Lane(tuple(sorted(name for lane in found for name in lane.nodes)), _drawn(valid, used))


def _uses(state: State, pool: Pool) -> tuple[dict[int, Use], dict[str, dict[int, Use]]]:
    """The numbers in use on every node of the pool; and by node those that are in a use that counts for more there."""
    scope, ports = state.scopes[pool.name], pool.all_ports
    everywhere: dict[int, Use] = {}
    somewhere: dict[str, dict[int, Use]] = defaultdict(dict)
    for protocol, port, takers in state.occupancy.taken_ports():
        if protocol in pool.protocols and port in ports:
            _sort_out(list(_told_apart(state, pool, port, takers)), scope, port, everywhere, somewhere)
    return everywhere, somewhere


def _sort_out(
    uses: list[tuple[Taker, Use]],
    scope: set[str],
    port: int,
    everywhere: dict[int, Use],
    somewhere: dict[str, dict[int, Use]],
) -> None:
    for taker, use in uses:
        if taker.nodes is None or scope <= taker.nodes:
            _note(everywhere, port, use)
    for taker, use in uses:
        if taker.nodes is not None and (port not in everywhere or _RANK[use] < _RANK[everywhere[port]]):
            for name in scope & taker.nodes:
                _note(somewhere[name], port, use)


def _note(uses: dict[int, Use], port: int, use: Use) -> None:
    if port not in uses or _RANK[use] < _RANK[uses[port]]:
        uses[port] = use


def _told_apart(state: State, pool: Pool, port: int, takers: list[Taker]) -> Iterator[tuple[Taker, Use]]:
    for taker in takers:
        if not ips_overlap(taker.ip, pool.host_ip):
            continue
        yield taker, Use.FOREIGN if not taker.lease else _lease_use(state, pool, port, taker)


def _lease_use(state: State, pool: Pool, port: int, taker: Taker) -> Use:
    """A lease of another pool is foreign to this one."""
    own = [
        lease
        for place, lease in state.book.of_owner(taker.owner).items()
        if (place[0], place[1].port) == (pool.name, port)
    ]
    if not own:
        return Use.FOREIGN
    return Use.RESTING if all(lease.released for lease in own) else Use.LEASED


def _drawn(valid: PortSet, used: Iterable[tuple[int, Use]]) -> Bits:
    bits = {use: zeros(SPACE) for use in Use}
    for port, use in used:
        bits[use][port] = 1
    left, made = valid.bits, {}
    for use in (Use.LEASED, Use.RESTING, Use.FOREIGN):
        made[use] = bits[use] & left
        left = left & ~bits[use]
    made[Use.FREE] = left
    return made
