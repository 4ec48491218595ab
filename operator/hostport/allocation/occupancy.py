"""Who takes which port on which nodes, and the ports that are free for a set of nodes.

The takers of every (protocol, port) are kept one by one; from them each `View` keeps its bits up to date, so that a
search never looks at takers or nodes: it costs the same with 5 nodes as with 5,000, empty as full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from bitarray import bitarray

from hostport.api.ports import Protocol, ips_overlap

Nodes = Set[str]


@dataclass(slots=True, eq=False)
class Taker:
    """Somebody on a port. `nodes` None is every node there is; a set given here may grow and shrink with its pool.

    `owner` is the workload (Kind/namespace/name) where there is one, else the object itself; `by` names it for people.
    """

    owner: str
    by: str
    nodes: Nodes | None = None
    ip: str = ""
    lease: bool = False

    def meets(self, ip: str, nodes: Nodes | None) -> bool:
        """Whether he is on the port at that address on one of these nodes: the one rule for who is in whose way."""
        return ips_overlap(self.ip, ip) and nodes_overlap(self.nodes, nodes)


def nodes_overlap(one: Nodes | None, other: Nodes | None) -> bool:
    """Whether two sets of nodes share one; None is every node."""
    if one is None or other is None or one is other:
        return True
    return not one.isdisjoint(other)


@dataclass(slots=True, eq=False)
class View:
    """The free ports for leases on `scope` whose Pods run on `eligible`.

    A lease in the way is one whose nodes meet `scope`; anybody else is in the way where Pods of ours could meet him.
    """

    scope: Nodes
    eligible: Nodes
    ip: str
    valid: dict[Protocol, bitarray]
    free: dict[Protocol, bitarray] = field(default_factory=dict)

    def blocked_by(self, taker: Taker) -> bool:
        """Whether `taker`, on some port, keeps this view's leases off it."""
        return taker.meets(self.ip, self.scope if taker.lease else self.eligible)

    def free_for(self, protocols: Iterable[Protocol]) -> bitarray:
        """The ports free for all of `protocols` at once; not to be changed."""
        first, *rest = protocols
        bits = self.free[first]
        for protocol in rest:
            bits = bits & self.free[protocol]
        return bits


class Occupancy:
    """Takers by (protocol, port), and the views that follow them."""

    def __init__(self) -> None:
        self._takers: dict[tuple[Protocol, int], list[Taker]] = {}
        self._views: list[View] = []

    def watch(self, view: View) -> View:
        """Fill a view and keep it true from now on."""
        view.free = {protocol: bits.copy() for protocol, bits in view.valid.items()}
        for (protocol, port), takers in self._takers.items():
            bits = view.free.get(protocol)
            if bits is not None and bits[port] and any(map(view.blocked_by, takers)):
                bits[port] = 0
        self._views.append(view)
        return view

    def forget(self, view: View) -> None:
        """Stop keeping a view true; whoever looks at it still finds nothing there, not what was free once."""
        self._views.remove(view)
        view.free = {}

    def forget_views(self) -> None:
        """Drop every view: the sets of nodes or the ranges behind them have changed."""
        for view in self._views:
            view.free = {}
        self._views.clear()

    def take(self, protocol: Protocol, port: int, taker: Taker) -> None:
        """Put a taker on a port. Nothing is refused here: what others do, and have written, is a fact."""
        self._takers.setdefault((protocol, port), []).append(taker)
        for view in self._views:
            if protocol in view.free and view.blocked_by(taker):
                view.free[protocol][port] = 0

    def give_back(self, protocol: Protocol, port: int, taker: Taker) -> bool:
        """Take a taker off a port; tells whether that made the port free in some view."""
        takers = self._takers[protocol, port]
        takers.remove(taker)
        if not takers:
            del self._takers[protocol, port]
        opened = False
        for view in self._views:
            valid = view.valid.get(protocol)
            if valid is not None and valid[port] and not any(map(view.blocked_by, takers)):
                view.free[protocol][port] = 1
                opened = True
        return opened

    def takers(self, protocol: Protocol, port: int) -> list[Taker]:
        """Everybody on a port, on any node."""
        return self._takers.get((protocol, port), [])

    def on(self, protocol: Protocol, port: int, ip: str, nodes: Nodes | None) -> Iterator[Taker]:
        """Everybody on a port at an address on one of these nodes, by lease or without."""
        return (taker for taker in self.takers(protocol, port) if taker.meets(ip, nodes))

    def in_the_way(self, view: View, protocol: Protocol, port: int, besides: str = "") -> Iterator[Taker]:
        """Those who keep `view` off a port, the owner `besides` not counted."""
        return (t for t in self.takers(protocol, port) if t.owner != besides and view.blocked_by(t))

    def taken_ports(self) -> Iterator[tuple[Protocol, int, list[Taker]]]:
        """Every taken port with its takers."""
        return ((protocol, port, takers) for (protocol, port), takers in self._takers.items())
