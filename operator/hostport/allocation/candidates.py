"""Which pools may serve a workload, and why the others may not."""

from __future__ import annotations

from collections.abc import Iterator

from hostport.allocation.state import State
from hostport.api.affinity import MOST_TERMS
from hostport.api.errors import NoMatchingPool
from hostport.api.names import POOL
from hostport.api.placement import Placement
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.request import Request
from hostport.api.workload import Workload


def candidates(state: State, workload: Workload, request: Request, placement: Placement) -> list[Pool]:
    """The pools to try where Pods may run as `placement` says, best first.

    Raises `NoMatchingPool`, with every pool's reason, where there is none.
    """
    if request.pools is not None:
        named = [_named(state, workload, name) for name in request.pools]
    else:
        named = sorted((p for p in state.pools.values() if p.default), key=lambda p: (-p.priority, p.name))
    if not named:
        raise NoMatchingPool(f"no HostPortPool with default: true; create one, or name one in {POOL}")
    found, excuses = [], []
    for pool in named:
        why = unfit(state, workload, pool, placement)
        if why:
            excuses.append(f"{pool.name} {why}")
        else:
            found.append(pool)
    if not found:
        raise NoMatchingPool("; ".join(excuses))
    return found


def _named(state: State, workload: Workload, name: str) -> Pool:
    pool = state.pools.get(name)
    if pool is None:
        known = ", ".join(sorted(state.pools)) or "none"
        raise NoMatchingPool(
            f'{POOL}: "{workload.annotations[POOL]}": there is no HostPortPool "{name}"; there are: {known}'
        )
    return pool


def unfit(state: State, workload: Workload, pool: Pool, placement: Placement) -> str:
    """Why a pool can't serve a workload whatever is free in it; the empty string where it can."""
    if pool.terminating:
        return "is being deleted"
    labels = state.namespaces.get(workload.namespace, {"kubernetes.io/metadata.name": workload.namespace})
    if pool.namespaces is not None and not pool.namespaces.matches(labels):
        return f"is not for namespace {workload.namespace} (its namespaceSelector)"
    if not state.scopes[pool.name]:
        return "selects no node (its nodeSelector)"
    if state.ways(pool, placement):
        return ""
    if state.eligible(placement).isdisjoint(state.scopes[pool.name]):
        return "has no node on which these Pods may run (their nodeSelector, affinity, nodeName or tolerations)"
    return (
        f"does not cover every node on which these Pods may run, and it takes more than {MOST_TERMS} terms of node"
        " affinity to say which it does: give the template a nodeSelector"
    )


def unserved_protocols(pool: Pool, entries: tuple[PortEntry, ...]) -> Iterator[str]:
    """The protocols that these ports need and the pool does not hand out."""
    return (p for p in sorted({entry.protocol for entry in entries}) if p not in pool.protocols)
