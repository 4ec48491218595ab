"""Which nodes a pool is for, which of them a template may use, and which numbers are valid on all of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bitarray import bitarray

from hostport.allocation.occupancy import Nodes, View
from hostport.api.affinity import terms_of
from hostport.api.node import Node
from hostport.api.placement import Placement
from hostport.api.pool import Pool
from hostport.api.ports import PortSet, Protocol, ips_overlap

NodesByName = Mapping[str, Node]

_MOST_WAYS = 32


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
    return [(members, pool.ports_of(rule)) for rule, members in _by_rule(pool, names, nodes).items()]


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


def ways(pool: Pool, placement: Placement, scope: Nodes, nodes: NodesByName) -> tuple[Placement, ...]:
    """Where a template's Pods may run with numbers of a pool, the most nodes first.

    That is the placement itself where some number is valid wherever it admits; else, and besides, the placement
    narrowed to the nodes that have numbers in common. `scope` is the pool's nodes.
    """
    may_run = eligible(placement, nodes)
    areas = {rule: len(names) for rule, names in _by_rule(pool, may_run & scope, nodes).items()}
    covers = may_run <= scope
    if not areas:
        return ()
    if placement.node_name or (covers and len(areas) == 1):
        return (placement,)
    found = []
    for rules in sorted(_alike(pool, areas), key=lambda rules: (-sum(areas[r] for r in rules), sorted(rules))):
        terms = terms_of(pool, rules)
        if covers and len(rules) == len(areas):
            found.append(placement)
        elif terms is not None:
            found.append(placement.narrowed(terms))
    return tuple(found[:_MOST_WAYS]) if found or not covers else (placement,)


def _by_rule(pool: Pool, names: Iterable[str], nodes: NodesByName) -> dict[int, set[str]]:
    """These nodes by the entry of the pool's `nodes` that is in force there (-1: its own `ranges`)."""
    areas: dict[int, set[str]] = {}
    for name in names:
        areas.setdefault(pool.rule_for(nodes[name]), set()).add(name)
    return areas


def _alike(pool: Pool, rules: Iterable[int]) -> set[frozenset[int]]:
    """The sets of rules that have a number in common which no other rule has."""
    parts: list[tuple[frozenset[int], PortSet]] = [(frozenset(), pool.all_ports)]
    for rule in rules:
        ports = pool.ports_of(rule)
        split = [((names | {rule}, numbers & ports), (names, numbers - ports)) for names, numbers in parts]
        parts = [part for pair in split for part in pair if len(part[1])]
    return {names for names, _ in parts if names}


def make_view(pool: Pool, placement: Placement, scope: Nodes, kept_back: Iterable[PortSet], nodes: NodesByName) -> View:
    """The numbers a template may get from a pool, not yet filled with takers.

    `scope` is the pool's nodes. Where the template is pinned to a few nodes, leases are for those alone.
    """
    inside = eligible(placement, nodes) & scope
    ports = valid_everywhere(pool, inside, nodes)
    for numbers in kept_back:
        ports = ports - numbers
    valid: dict[Protocol, bitarray] = dict.fromkeys(pool.protocols, ports.bits)
    lease_scope = inside if placement.pinned() is not None else scope
    return View(lease_scope, inside, pool.host_ip, valid)
