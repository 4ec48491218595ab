"""Who has come onto a number that is leased to somebody else: a Pod, a Service, or a template written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hostport.allocation.occupancy import Nodes, Taker, nodes_overlap
from hostport.allocation.state import State
from hostport.api.lease import Lease, LeaseKey
from hostport.api.placement import Placement
from hostport.api.podspec import Claim
from hostport.api.ports import ips_overlap
from hostport.api.workload import KINDS, Workload
from hostport.diagnosis.advice import advise, placement_of
from hostport.diagnosis.holders import POD, is_waiting
from hostport.diagnosis.pending import Parties
from hostport.diagnosis.words import some

_KNOWN = {*KINDS, "Pod", "Service"}


class Intrusion(NamedTuple):
    """`intruder` is on a number of `owner`'s (both Kind/namespace/name) in the ways `how`, where it is leased."""

    pool: str
    key: LeaseKey
    lease: Lease
    intruder: str
    how: tuple[str, ...]
    nodes: frozenset[str]

    @property
    def owner(self) -> str:
        """Whose the number is."""
        return self.lease.owner

    @property
    def told(self) -> str:
        """Whom of the newcomer's to tell: itself if its kind is known, else the first of its Pods, else nobody."""
        if self.intruder.partition("/")[0] in _KNOWN:
            return self.intruder
        return next((f"Pod/{by.removeprefix(POD)}" for by in self.how if by.startswith(POD)), "")

    @property
    def parties(self) -> Parties:
        """What makes it one conflict and not two."""
        return Parties(self.key.protocol, self.key.port, frozenset((self.owner, self.intruder)))

    @property
    def claim(self) -> Claim:
        """The number."""
        return Claim(self.key.protocol, self.key.port, self.key.ip)


def intrusions(state: State) -> Iterator[Intrusion]:
    """Every workload, Pod or Service on a number that is leased to another. A Pod without a node is on none yet."""
    for pool in state.pools:
        for key, lease in state.book.of_pool(pool).items():
            takers = state.occupancy.takers(key.protocol, key.port)
            if len(takers) > 1 and not lease.released:
                yield from _on(state, pool, key, lease, takers)


def _on(state: State, pool: str, key: LeaseKey, lease: Lease, takers: list[Taker]) -> Iterator[Intrusion]:
    others = [t for t in takers if not t.lease and t.owner != lease.owner and ips_overlap(t.ip, key.ip)]
    if not others:
        return
    guarded = _guarded(state, pool, key, lease)
    found: dict[str, list[Taker]] = {}
    for taker in others:
        if nodes_overlap(taker.nodes, guarded) and not is_waiting(state, taker):
            found.setdefault(taker.owner, []).append(taker)
    for intruder, by in found.items():
        nodes = [guarded if taker.nodes is None else guarded & taker.nodes for taker in by]
        how = tuple(sorted(taker.by for taker in by))
        yield Intrusion(pool, key, lease, intruder, how, frozenset().union(*nodes))


def _guarded(state: State, pool: str, key: LeaseKey, lease: Lease) -> Nodes:
    """The nodes of a lease on which Pods of its workload could be."""
    nodes = state.nodes_of((pool, key))
    use = state.use_of(lease.owner)
    return nodes & state.eligible(use.nodes) if use is not None and isinstance(use.nodes, Placement) else nodes


def to_the_owner(state: State, workloads: Mapping[str, Workload], found: Intrusion) -> str:
    """What the workload is told whose number it is."""
    return (
        f"hostPort {found.claim} of {found.lease.port} is leased to this workload by pool {found.pool}, and "
        f"{found.intruder} has come onto it on {some(found.nodes, 'nodes')} ({some(found.how)}). Nothing is moved. "
        f"To {found.intruder}: {_way_out(state, workloads, found)}"
    )


def to_the_intruder(state: State, workloads: Mapping[str, Workload], found: Intrusion) -> str:
    """What the newcomer is told."""
    return (
        f"hostPort {found.claim} is leased to {found.owner} by pool {found.pool}, and is taken by this one too on "
        f"{some(found.nodes, 'nodes')} ({some(found.how)}). {_way_out(state, workloads, found)}"
    )


def _way_out(state: State, workloads: Mapping[str, Workload], found: Intrusion) -> str:
    return advise(state, workloads, found.intruder, found.claim, placement_of(state, found.intruder))
