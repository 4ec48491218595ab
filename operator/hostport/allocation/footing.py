"""What nodes that come, go or change mean for those who are served already."""

from __future__ import annotations

from hostport.allocation.state import State
from hostport.api.names import ROLLOUT_WAS
from hostport.api.workload import Workload


def has_moved(state: State, workload: Workload) -> bool:
    """Whether a workload that has leases should be looked at again: it has fewer nodes than replicas, or none to
    spare for a rollout, or it is pinned and may run on a node where its number is not leased. Much cheaper than a plan.
    """
    leases = state.book.of_owner(workload.key)
    if not leases:
        return False
    nodes, room = state.eligible(workload.placement), state.room(workload.placement)
    if (workload.replicas or 0) > room.nodes or (workload.peak > room.open and ROLLOUT_WAS not in workload.annotations):
        return True
    if workload.placement.pinned() is None:
        return False
    leased = {key.node for _, key in leases}
    return "" not in leased and not nodes <= leased
