"""Why a Pod is Pending for its ports: which of them, on which nodes, and who has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from hostport.allocation.occupancy import Nodes
from hostport.allocation.state import State
from hostport.api.names import ROLLOUT
from hostport.api.placement import Placement
from hostport.api.podspec import Claim
from hostport.api.ports import Protocol, ips_overlap
from hostport.api.workload import KINDS, Workload
from hostport.diagnosis.advice import advise, placement_of
from hostport.diagnosis.holders import POD, is_waiting
from hostport.diagnosis.words import some

# `ErrReason` of the plugin NodePorts in kube-scheduler (pkg/scheduler/framework/plugins/nodeports/node_ports.go).
NO_FREE_PORTS = "didn't have free ports for the requested pod ports"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A Pod that the scheduler finds no node for because of its ports.

    `owner` is its workload (Kind/namespace/name), or the Pod itself; `controller` the name of what made it.
    """

    namespace: str
    name: str
    uid: str
    owner: str
    controller: str
    claims: frozenset[Claim]
    placement: Placement

    @property
    def by(self) -> str:
        """The Pod, for people."""
        return f"{POD}{self.namespace}/{self.name}"


class Parties(NamedTuple):
    """A number, and those who are in each other's way on it (Kind/namespace/name)."""

    protocol: Protocol
    port: int
    owners: frozenset[str]


class Rival(NamedTuple):
    """A Pod that holds the number on a node where the stuck one could run."""

    claim: Claim
    owner: str
    pod: str
    node: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is to be said of a stuck Pod. `pool` hands the number out there, `owners` are those who are in each
    other's way, `text` says it all. `passing`: it will be placed as soon as Pods have gone that are being deleted.
    """

    claim: Claim
    pool: str
    owners: frozenset[str]
    text: str
    passing: bool = False

    @property
    def parties(self) -> Parties:
        """What makes it one conflict and not two."""
        return Parties(self.claim.protocol, self.claim.port, self.owners)


def diagnose(
    state: State, workloads: Mapping[str, Workload], stuck: Stuck, leaving: Set[str] = frozenset()
) -> Conflict | None:
    """Why it is stuck; None where nobody is seen on its ports (any more). `leaving`: Pods that are being deleted."""
    rivals = sorted(find_rivals(state, stuck))
    if not rivals:
        return None
    gone_soon = [rival for rival in rivals if rival.pod in leaving]
    passing = {r.node for r in gone_soon} - {r.node for r in rivals if r.pod not in leaving}
    if passing:
        said = [_taken(gone_soon[0].claim, gone_soon), "it is placed when that is gone, which is being deleted"]
        return _conflict(state, stuck, gone_soon, "; ".join(said), passing=True)
    others = [rival for rival in rivals if rival.owner != stuck.owner]
    claim = (others or rivals)[0].claim
    says = [_taken(claim, [r for r in others if r.claim == claim]) for claim in sorted({r.claim for r in others})]
    if others:
        says.append(advise(state, workloads, stuck.owner, claim, placement_of(state, stuck.owner)))
    else:
        says.append(_own(stuck, claim, rivals))
    return _conflict(state, stuck, others or rivals, ". ".join(says))


def _conflict(state: State, stuck: Stuck, rivals: list[Rival], text: str, *, passing: bool = False) -> Conflict:
    claim = rivals[0].claim
    owners = frozenset((stuck.owner, *(rival.owner for rival in rivals)))
    return Conflict(claim, pool_of(state, claim, state.eligible(stuck.placement)), owners, text, passing)


def outdated(state: State, owner: str, claims: Set[Claim]) -> bool:
    """Whether the template of a workload has moved on from these claims: its Pods are about to be replaced."""
    use = state.use_of(owner)
    known = use.claims if use is not None else frozenset()
    return owner.partition("/")[0] in KINDS and not claims <= known


def preemptor(state: State, owner: str, node: str, claims: Set[Claim]) -> tuple[Claim, str, str] | None:
    """For which number, by which Pod and of whom, a Pod of `owner` on `node` was evicted; None where it is not for a
    number. A Pod that comes for the number is bound to the node, or waits for it.
    """
    for claim in sorted(claims):
        for taker in state.occupancy.takers(claim.protocol, claim.port):
            comes = taker.by.startswith(POD) and taker.owner != owner and ips_overlap(taker.ip, claim.ip)
            if comes and taker.nodes is not None and node in taker.nodes:
                return claim, taker.by, taker.owner
    return None


def find_rivals(state: State, stuck: Stuck) -> Iterator[Rival]:
    """The Pods that hold what a stuck Pod claims where it could run.

    The scheduler counts Pods alone: a lease, a Service or a listener of the node's own is no reason to be Pending.
    """
    nodes = state.eligible(stuck.placement)
    for claim in stuck.claims:
        for taker in state.occupancy.takers(claim.protocol, claim.port):
            bound = taker.by.startswith(POD) and taker.by != stuck.by and not is_waiting(state, taker)
            if bound and ips_overlap(taker.ip, claim.ip):
                for node in (taker.nodes or frozenset()) & nodes:
                    yield Rival(claim, taker.owner, taker.by.removeprefix(POD), node)


def pool_of(state: State, claim: Claim, nodes: Nodes) -> str:
    """The pool that hands a number out on one of these nodes, the empty string where none does."""
    for pool in sorted(state.pools.values(), key=lambda pool: pool.age):
        handed_out = claim.protocol in pool.protocols and claim.port in pool.all_ports
        if handed_out and not state.scopes[pool.name].isdisjoint(nodes):
            return pool.name
    return ""


def _taken(claim: Claim, rivals: list[Rival]) -> str:
    by_owner: dict[str, list[Rival]] = {}
    for rival in rivals:
        by_owner.setdefault(rival.owner, []).append(rival)
    said = [_holder(owner, found) for owner, found in by_owner.items()]
    return f"hostPort {claim} is taken: {'; '.join(said[:3])}"


def _holder(owner: str, rivals: list[Rival]) -> str:
    pods = f"Pod {some(rival.pod for rival in rivals)}"
    of = "" if owner.startswith("Pod/") else f" of {owner}"
    return f"on {some((rival.node for rival in rivals), 'nodes')} by {pods}{of}"


def _own(stuck: Stuck, claim: Claim, rivals: list[Rival]) -> str:
    """Nobody is in the way but the workload's own Pods: older ones that a rollout is to replace, or others."""
    pods, nodes = some(rival.pod for rival in rivals), some((rival.node for rival in rivals), "nodes")
    kind = stuck.owner.partition("/")[0]
    if kind == "DaemonSet" or (kind == "Deployment" and not all(_is_sibling(stuck, rival) for rival in rivals)):
        strategy = "updateStrategy" if kind == "DaemonSet" else "strategy"
        return (
            f"this rollout waits for its own old Pod {pods} on {nodes}, which holds hostPort {claim} and leaves only "
            f"when the new one is ready: set maxSurge: 0 in spec.{strategy}.rollingUpdate, and maxUnavailable: 1 if it "
            f"is 0; a workload with {ROLLOUT}: safe has that done for it"
        )
    return (
        f"hostPort {claim} fits once per node, and on every node where this Pod may run ({nodes}) another Pod of "
        f"{stuck.owner} has it ({pods}): fewer replicas, or more nodes"
    )


def _is_sibling(stuck: Stuck, rival: Rival) -> bool:
    """Whether a Pod was made by the same ReplicaSet: its name is that of the ReplicaSet and five letters more."""
    return rival.pod.rpartition("-")[0] == f"{stuck.namespace}/{stuck.controller}"
