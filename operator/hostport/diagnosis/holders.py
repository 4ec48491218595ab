"""Who holds a port: every taker of a number, gathered by the workload, Pod or Service that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hostport.allocation.occupancy import Nodes, Taker, nodes_overlap
from hostport.allocation.state import State
from hostport.api.placement import Placement
from hostport.api.ports import Protocol

POD = "Pod "


@dataclass(slots=True)
class Holder:
    """Somebody on a number. `owner` is Kind/namespace/name; `nodes` None is every node.

    `how` says by what he holds it; `pods` are his Pods on it by node, `waiting` those that are on no node yet.
    """

    protocol: Protocol
    port: int
    owner: str
    ip: str = ""
    how: list[str] = field(default_factory=list)
    nodes: set[str] | None = field(default_factory=set)
    pods: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        """The namespace of the owner."""
        return self.owner.split("/")[1] if self.owner.count("/") == 2 else ""


def is_waiting(state: State, taker: Taker) -> bool:
    """Whether a taker is a Pod that no node has been found for: it wants the number, and holds it nowhere."""
    use = state.use_of(taker.by) if taker.by.startswith(POD) else None
    return use is not None and isinstance(use.nodes, Placement)


def holders(state: State, protocols: Iterable[Protocol], port: int, nodes: Nodes | None = None) -> list[Holder]:
    """Everybody on a number on some of these nodes, or on any."""
    found: dict[tuple[Protocol, str, str], Holder] = {}
    for protocol in protocols:
        for taker in state.occupancy.takers(protocol, port):
            if nodes_overlap(taker.nodes, nodes):
                key = (protocol, taker.owner, taker.ip)
                holder = found.setdefault(key, Holder(protocol, port, taker.owner, taker.ip))
                _add(state, holder, taker)
    return sorted(found.values(), key=lambda h: (h.protocol, not h.pods, h.owner, h.ip))


def _add(state: State, holder: Holder, taker: Taker) -> None:
    if is_waiting(state, taker):
        holder.waiting.append(taker.by.removeprefix(POD))
        return
    _add_nodes(holder, taker.nodes)
    if taker.by.startswith(POD):
        holder.pods[taker.by.removeprefix(POD)] = ", ".join(taker.nodes or ())
    holder.how = sorted({*holder.how, *_how(state, holder, taker)})


def _add_nodes(holder: Holder, nodes: Nodes | None) -> None:
    if nodes is None:
        holder.nodes = None
    elif holder.nodes is not None:
        holder.nodes.update(nodes)


def _how(state: State, holder: Holder, taker: Taker) -> Iterator[str]:
    if taker.lease:
        yield from _leases(state, holder)
    elif taker.by.startswith(POD):
        yield "hostPort"
    elif taker.by.endswith(")"):
        yield taker.by.rpartition("(")[2].removesuffix(")")
    else:
        yield taker.by


def _leases(state: State, holder: Holder) -> Iterator[str]:
    """The leases of the holder on the number, said once per pool and port."""
    for (pool, key), lease in state.book.of_owner(holder.owner).items():
        if (key.protocol, key.port, key.ip) != (holder.protocol, holder.port, holder.ip):
            continue
        if lease.released:
            rest = state.pools[pool].cooldown if pool in state.pools else 0
            yield f"resting in pool {pool} since {lease.released} ({rest} s)"
        elif lease.releasing:
            yield f"being given back to pool {pool} since {lease.releasing}"
        else:
            yield f"lease of pool {pool} for {lease.port}"
