"""Which nodes a pool is for, which of them a template may use, and which numbers are valid on all of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bitarray import bitarray

from hostport.allocation.occupancy import Nodes, View
from hostport.api.node import Node
from hostport.api.placement import Placement
from hostport.api.pool import Pool
from hostport.api.ports import PortSet, Protocol, ips_overlap

NodesByName = Mapping[str, Node]


def nodes_of(pool: Pool, nodes: NodesByName) -> set[str]:
    """The names of the nodes that a pool selects."""
    return {name for name, node in nodes.items() if pool.selector.matches(node.labels)}


def eligible(placement: Placement, nodes: NodesByName) -> set[str]:
    """The names of the nodes on which the scheduler may put such Pods."""
    return {name for name, node in nodes.items() if placement.admits(node)}


def rules_on(pool: Pool, names: Iterable[str], nodes: NodesByName) -> set[int]:
    """Which of the pool's ranges are in force on these nodes (-1: its own `ranges`)."""
    if not pool.rules:
        return {-1}
    return {pool.rule_for(nodes[name]) for name in names}


def areas_of(pool: Pool, names: Nodes, nodes: NodesByName) -> list[tuple[Nodes, PortSet]]:
    """Those of these nodes that have the same numbers, together with the numbers."""
    if not pool.rules:
        return [(names, pool.ports)]
    areas: dict[int, set[str]] = {}
    for name in names:
        areas.setdefault(pool.rule_for(nodes[name]), set()).add(name)
    return [(members, pool.ports_of(rule)) for rule, members in areas.items()]


def valid_everywhere(pool: Pool, names: Nodes, nodes: NodesByName) -> PortSet:
    """The numbers that a pool hands out on every one of these nodes."""
    common: PortSet | None = None
    for rule in rules_on(pool, names, nodes) if names else ():
        ports = pool.ports_of(rule)
        common = ports if common is None else common & ports
    return common if common is not None else PortSet()


def valid_somewhere(pool: Pool, names: Nodes, nodes: NodesByName) -> PortSet:
    """The numbers that a pool hands out on at least one of these nodes: its capacity."""
    total = PortSet()
    for rule in rules_on(pool, names, nodes) if names else ():
        total = total | pool.ports_of(rule)
    return total


def withheld(pool: Pool, elders: Iterable[Pool], scopes: Mapping[str, Nodes], nodes: NodesByName) -> dict[str, PortSet]:
    """By elder, the numbers that `pool` must not hand out: on a shared node they have another pool's lock."""
    taken: dict[str, PortSet] = {}
    for elder in elders:
        shared = scopes[pool.name] & scopes[elder.name]
        if not shared or not ips_overlap(pool.host_ip, elder.host_ip) or not set(pool.protocols) & set(elder.protocols):
            continue
        both = valid_somewhere(pool, shared, nodes) & valid_somewhere(elder, shared, nodes)
        if len(both):
            taken[elder.name] = both
    return taken


def make_view(
    pool: Pool, placement: Placement, scope: Nodes, kept_back: Iterable[PortSet], nodes: NodesByName
) -> tuple[View, Nodes]:
    """The numbers a template may get from a pool, not yet filled with takers; and the nodes outside the pool.

    `scope` is the pool's nodes. Where the template is pinned to a few nodes, leases are for those alone.
    """
    may_run = eligible(placement, nodes)
    inside = may_run & scope
    ports = valid_everywhere(pool, inside, nodes)
    for numbers in kept_back:
        ports = ports - numbers
    valid: dict[Protocol, bitarray] = dict.fromkeys(pool.protocols, ports.bits)
    lease_scope = inside if placement.pinned() is not None else scope
    return View(lease_scope, inside, pool.host_ip, valid), may_run - scope
