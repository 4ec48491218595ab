"""Who holds what, the naive way: plain sets of nodes and numbers, looked through from one end to the other.

Nothing of the allocator is used here, so that it can be wrong without this being wrong in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from tests.core import build
from tests.core.build import Json

ANY = ""
LOCAL = "127.0.0.1"


Term = tuple[tuple[str, str, tuple[str, ...]], ...]


def _term(raw: Json) -> Term:
    return tuple((rule["key"], rule["operator"], tuple(rule["values"])) for rule in raw["matchExpressions"])


def _meets(labels: dict[str, str], key: str, operator: str, values: tuple[str, ...]) -> bool:
    assert operator in ("In", "NotIn")
    return (labels[key] in values) == (operator == "In")


@dataclass(frozen=True)
class Place:
    """Where a template's Pods may run: `zone` or `names` or anywhere, tainted nodes only if it `tolerates` them."""

    zone: str = ""
    names: tuple[str, ...] = ()
    fixed: bool = False
    tolerates: bool = False
    terms: tuple[Term, ...] | None = None

    def as_written(self, terms: list[Json] | None) -> Place:
        """The same with the required node affinity that stands in a template, whoever wrote it."""
        return replace(self, terms=None if terms is None else tuple(map(_term, terms)))

    def meets(self, name: str, zone: str) -> bool:
        """Whether the terms let a Pod run on a node."""
        labels = {"zone": zone, "kubernetes.io/hostname": name}
        return self.terms is None or any(all(_meets(labels, *rule) for rule in term) for term in self.terms)

    def spec(self) -> Json:
        """The same as a pod spec."""
        tolerations = {"tolerations": [{"operator": "Exists"}]} if self.tolerates else {}
        if self.fixed:
            return build.on_node(self.names[0])
        if self.names:
            return build.on_hosts(*self.names) | tolerations
        return (build.where(zone=self.zone) if self.zone else {}) | tolerations

    @property
    def pinned(self) -> bool:
        """Whether leases are for single nodes."""
        return bool(self.names)


@dataclass(frozen=True)
class Node:
    """A node in a zone."""

    zone: str
    tainted: bool


@dataclass(frozen=True)
class Pool:
    """A pool. `inner`: the numbers of its nodes in zone b, if these are others."""

    name: str
    numbers: frozenset[int]
    inner: frozenset[int] | None = None
    zone: str = ""
    ip: str = ANY
    protocols: tuple[str, ...] = ("TCP", "UDP")
    quota: int | None = None
    cooldown: int = 60
    default: bool = True
    age: int = 0

    def spec(self) -> Json:
        """The same as a manifest has it."""
        spec: Json = {
            "hostIP": self.ip,
            "protocols": list(self.protocols),
            "quotaPerNamespace": self.quota,
            "cooldownSeconds": self.cooldown,
            "default": self.default,
        }
        if self.zone:
            spec["nodeSelector"] = {"matchLabels": {"zone": self.zone}}
        if self.inner is not None:
            inner = {"nodeSelector": {"matchLabels": {"zone": "b"}}, "ranges": [str(n) for n in sorted(self.inner)]}
            spec["nodes"] = [inner]
        return spec


@dataclass(frozen=True)
class Claim:
    """Somebody on a number. `nodes` None: on all there are, a Place: wherever that admits."""

    owner: str
    protocol: str
    port: int
    ip: str = ANY
    nodes: frozenset[str] | Place | None = None


@dataclass
class Cluster:
    """Nodes and pools, and who is on which number without a lease."""

    nodes: dict[str, Node] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    foreign: dict[str, list[Claim]] = field(default_factory=dict)

    # Nodes

    def runs_on(self, place: Place) -> set[str]:
        """The nodes on which such Pods may run."""
        return {
            name
            for name, node in self.nodes.items()
            if (not place.names or name in place.names)
            and (not place.zone or node.zone == place.zone)
            and (not node.tainted or place.tolerates or place.fixed)
            and (place.fixed or place.meets(name, node.zone))
        }

    def choices(self, place: Place, pools: list[Pool]) -> Iterator[tuple[Place, list[Pool]]]:
        """Where Pods may be kept for numbers of these pools: anywhere they may run, or on some nodes that a pool means.

        With each place the pools that may lead there by themselves: where a number is valid, and nowhere else. That it
        is free there keeps no Pod from other nodes.
        """
        yield place, pools
        for pool in () if place.fixed else pools:
            inside = (("zone", "In", (pool.zone,)),) if pool.zone else ()
            yield replace(place, terms=(inside,)), [pool]
            if pool.inner is None:
                continue
            if pool.inner - pool.numbers:
                yield replace(place, terms=((*inside, ("zone", "In", ("b",))),)), [pool]
            if pool.numbers - pool.inner:
                yield replace(place, terms=((*inside, ("zone", "NotIn", ("b",))),)), [pool]

    def nodes_of(self, pool: Pool) -> set[str]:
        """The nodes that a pool is for."""
        return {name for name, node in self.nodes.items() if not pool.zone or node.zone == pool.zone}

    def nodes_with(self, pool: Pool, port: int) -> set[str]:
        """The nodes on which a pool has a number."""
        return {name for name in self.nodes_of(pool) if port in self.valid_on(pool, name)}

    def fits(self, pool: Pool, place: Place) -> bool:
        """Whether a pool can serve Pods there at all: they can run somewhere, and nowhere else than on its nodes."""
        runs_on = self.runs_on(place)
        return bool(runs_on) and runs_on <= self.nodes_of(pool)

    # Numbers

    def valid_on(self, pool: Pool, name: str) -> frozenset[int]:
        """The numbers that a pool has on one of its nodes."""
        return pool.inner if pool.inner is not None and self.nodes[name].zone == "b" else pool.numbers

    def valid(self, pool: Pool, place: Place) -> set[int]:
        """The numbers that a pool may give to Pods there: valid on all of their nodes, and no elder pool's."""
        runs_on = self.runs_on(place) & self.nodes_of(pool)
        if not runs_on:
            return set()
        return set.intersection(*(set(self.valid_on(pool, name)) for name in runs_on)) - self.withheld(pool)

    def somewhere(self, pool: Pool) -> set[int]:
        """The numbers that a pool may give to anybody."""
        found: set[int] = set()
        for name in self.nodes_of(pool):
            found |= self.valid_on(pool, name)
        return found - self.withheld(pool)

    def withheld(self, pool: Pool) -> set[int]:
        """The numbers that are an older pool's on some shared node."""
        found: set[int] = set()
        for elder in self.pools.values():
            older = (-elder.age, elder.name) < (-pool.age, pool.name)
            if not older or not same_address(pool.ip, elder.ip) or not set(pool.protocols) & set(elder.protocols):
                continue
            shared = self.nodes_of(pool) & self.nodes_of(elder)
            mine = {number for name in shared for number in self.valid_on(pool, name)}
            theirs = {number for name in shared for number in self.valid_on(elder, name)}
            found |= mine & theirs
        return found

    # Who is there

    def on(self, protocol: str, port: int, ip: str, nodes: set[str]) -> set[str]:
        """Those who are on a number on one of these nodes without a lease."""
        return {
            claim.owner
            for claims in self.foreign.values()
            for claim in claims
            if (claim.protocol, claim.port) == (protocol, port)
            and same_address(claim.ip, ip)
            and nodes & self._where(claim)
        }

    def _where(self, claim: Claim) -> set[str]:
        if claim.nodes is None:
            return set(self.nodes)
        return self.runs_on(claim.nodes) if isinstance(claim.nodes, Place) else set(claim.nodes)


@dataclass(frozen=True)
class Held:
    """A lease, as plain data. `node` empty: for the whole pool."""

    pool: str
    port: int
    protocol: str
    node: str
    ip: str
    owner: str
    state: str


def same_address(one: str, other: str) -> bool:
    """Whether two addresses meet; there are only two here, and every."""
    return one == other or ANY in (one, other)


class Ledger:
    """Leases, as what they mean in a cluster."""

    def __init__(self, cluster: Cluster, leases: list[Held]) -> None:
        self._cluster = cluster
        self._leases = leases

    def holders(self, protocol: str, port: int, ip: str, nodes: set[str]) -> set[str]:
        """Those who have a lease of a number on one of these nodes."""
        return {
            lease.owner
            for lease in self._leases
            if (lease.protocol, lease.port) == (protocol, port)
            and same_address(lease.ip, ip)
            and nodes & self.nodes_of(lease)
        }

    def nodes_of(self, lease: Held) -> set[str]:
        """The nodes that a lease is for."""
        if lease.node:
            return {lease.node}
        pool = self._cluster.pools.get(lease.pool)
        return self._cluster.nodes_of(pool) if pool else set()

    def free(self, pool: Pool, place: Place, protocol: str) -> set[int]:
        """The numbers that a pool could give to a newcomer there."""
        if protocol not in pool.protocols:
            return set()
        runs_on = self._cluster.runs_on(place) & self._cluster.nodes_of(pool)
        leased_on = runs_on if place.pinned else self._cluster.nodes_of(pool)
        return {
            port
            for port in self._cluster.valid(pool, place)
            if not self.holders(protocol, port, pool.ip, leased_on)
            and not self._cluster.on(protocol, port, pool.ip, runs_on)
        }

    def counts(self, pool: Pool, protocol: str) -> tuple[int, int, int, int]:
        """Capacity, allocated, cooling and foreign."""
        valid = self._cluster.somewhere(pool)
        mine = [lease for lease in self._leases if (lease.pool, lease.protocol) == (pool.name, protocol)]
        active = {lease.port for lease in mine if lease.state != "released"} & valid
        cooling = ({lease.port for lease in mine} & valid) - active
        return len(valid), len(active), len(cooling), len(self._foreign(pool, protocol, valid - active - cooling))

    def _foreign(self, pool: Pool, protocol: str, ports: set[int]) -> set[int]:
        found = set()
        for port, name in product(ports, self._cluster.nodes_of(pool)):
            there = self._cluster.on(protocol, port, pool.ip, {name}) | self.holders(protocol, port, pool.ip, {name})
            if there and port in self._cluster.valid_on(pool, name):
                found.add(port)
        return found


def can_be_served(groups: list[set[str]], choices: list[dict[str, set[int]]]) -> bool:
    """Whether each group (a set of protocols) can have a number of its own that is free for all of its protocols.

    `choices` are the free numbers by protocol, pool by pool. Tried out from one end to the other.
    """
    return any(_serve(groups, [{p: set(free) for p, free in choice.items()} for choice in choices]))


def _serve(groups: list[set[str]], choices: list[dict[str, set[int]]]) -> Iterator[bool]:
    if not groups:
        yield True
        return
    first, rest = groups[0], groups[1:]
    for choice in choices:
        for port in sorted(set.intersection(*(choice.get(protocol, set()) for protocol in first))):
            for protocol in first:
                choice[protocol].discard(port)
            yield from _serve(rest, choices)
            for protocol in first:
                choice[protocol].add(port)


def has_run(groups: list[set[str]], choice: dict[str, set[int]]) -> bool:
    """Whether the groups can have consecutive numbers, in their order."""
    starts = set.intersection(*(choice.get(protocol, set()) for protocol in groups[0])) if groups else set()
    return any(
        all(first + turn in choice.get(protocol, set()) for turn, group in enumerate(groups) for protocol in group)
        for first in starts
    )
