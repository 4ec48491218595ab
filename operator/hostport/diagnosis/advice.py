"""What somebody who is on a number that another has should do: a free number that fits, and the annotation to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hostport.allocation.candidates import unfit
from hostport.allocation.state import State
from hostport.api.names import AUTO, POOL, REQUEST
from hostport.api.placement import ANYWHERE, Placement
from hostport.api.podspec import Claim
from hostport.api.pool import Pool
from hostport.api.ports import PortSet
from hostport.api.workload import KINDS, Workload

# The template of a Job can't be changed once it is there.
_CHANGEABLE = frozenset(KINDS) - {"Job"}
# Those who have no template. Static Pods are a node's own as well.
_WAYS_OUT = {
    "Service": "give the Service another nodePort",
    "Node": "on the node, give that process or static Pod another port",
}


class Better(NamedTuple):
    """A number that is free wherever the Pods may run."""

    port: int
    pool: Pool


def advise(state: State, workloads: Mapping[str, Workload], owner: str, claim: Claim, placement: Placement) -> str:
    """The way out for the Pods of `owner` (Kind/namespace/name), which may run where `placement` admits.

    `workloads` are those that are known to ask.
    """
    kind = owner.partition("/")[0]
    if kind in _WAYS_OUT:
        return _WAYS_OUT[kind]
    workload = workloads.get(owner) or _unknown(owner, placement)
    better = nearest(state, workload, claim)
    free = f"{better.port} is free in pool {better.pool.name}" if better else _nothing(state)
    leased_for = _lease(state, owner, claim)
    if leased_for:
        return f"{free}; for another number annotate it {REQUEST}: {leased_for}={better.port}" if better else free
    if workload.kind not in _CHANGEABLE:
        return f"{free}: write that instead" if better else free
    if workload.annotations.get(AUTO) == "true":
        return f"{free}: take hostPort {claim.port} out of its template, and it gets a number that stays free"
    return f"{free}; for a number that stays free take hostPort {claim.port} out of its template and " + _annotate(
        workload, better
    )


def nearest(state: State, workload: Workload, claim: Claim) -> Better | None:
    """The free number closest to the claim's in the first pool that could serve the workload."""
    for pool in _pools(state, workload):
        if claim.protocol not in pool.protocols or unfit(state, workload, pool, workload.home):
            continue
        for seen in state.ways(pool, workload.home):
            port = PortSet(seen.view.free[claim.protocol]).nearest(claim.port)
            if port is not None:
                return Better(port, pool)
    return None


def _pools(state: State, workload: Workload) -> Iterator[Pool]:
    """Those that the workload names; else the default ones, and then the others, which it would have to name."""
    named = [name.strip() for name in workload.annotations.get(POOL, "").split(",") if name.strip()]
    if named:
        yield from (state.pools[name] for name in named if name in state.pools)
    else:
        yield from sorted(state.pools.values(), key=lambda pool: (not pool.default, -pool.priority, pool.name))


def _unknown(owner: str, placement: Placement) -> Workload:
    kind, namespace, name = owner.split("/", 2)
    return Workload(kind, namespace, name, placement=placement)


def placement_of(state: State, owner: str) -> Placement:
    """Where the Pods of a workload's template may run, as far as it is known."""
    use = state.use_of(owner)
    return use.nodes if use is not None and isinstance(use.nodes, Placement) else ANYWHERE


def _nothing(state: State) -> str:
    if not state.pools:
        return "there is no HostPortPool to give it another number"
    return "no pool that would serve it has a free number"


def _lease(state: State, owner: str, claim: Claim) -> str:
    """The PORT for which the owner itself has the number leased."""
    for (_, key), lease in state.book.of_owner(owner).items():
        if (key.protocol, key.port) == (claim.protocol, claim.port) and lease.state == "active":
            return lease.port
    return ""


def _annotate(workload: Workload, better: Better | None) -> str:
    pool = f" {POOL}={better.pool.name}" if better is not None and not better.pool.default else ""
    command = f"kubectl -n {workload.namespace} annotate {workload.kind.lower()} {workload.name} {AUTO}=true{pool}"
    return f"run: {command}"
