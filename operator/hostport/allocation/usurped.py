"""Leases in another name on a number that a workload runs on: whether whom they name is gone.

A clone looks just like a workload whose lease was put into another name. So a lease goes to another owner only where
the API server has said that its owner is gone, and until that is known the number stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hostport.allocation.state import State
from hostport.api.lease import Lease
from hostport.api.podspec import Claim, PortEntry
from hostport.api.workload import Workload
from hostport.ledger.book import Place

# The uid of the object that has an owner's name, by the API server's word: "" where there is none, None where it has
# not been asked.
Owners = Callable[[str], str | None]


def unasked(_owner: str) -> str | None:
    """The answer of who has asked the API server about nobody."""
    return None


def runs_on(state: State, workload: Workload, entry: PortEntry) -> bool:
    """Whether a Pod of the workload that has a node has the number that the entry shows."""
    takers = state.occupancy.takers(entry.protocol, entry.host_port)
    mine = (t for t in takers if t.owner == workload.key and not t.lease)
    return any(t.by.startswith("Pod ") and isinstance(t.nodes, frozenset) for t in mine)


def leased_to_others(state: State, workload: Workload, claim: Claim) -> Iterator[tuple[Place, Lease]]:
    """The leases that others have of a number where the workload's Pods may run."""
    nodes = state.eligible(workload.placement)
    for place, lease in state.leases_on(claim.protocol, claim.port, claim.ip, nodes):
        if lease.owner != workload.key:
            yield place, lease


def is_gone(lease: Lease, owners: Owners) -> bool | None:
    """Whether the owner of a lease is gone for certain; None where that can't be told yet.

    What rests is kept for the name. An active lease is inherited by a new object of the same name: it is planned for
    first, and keeps the lease or lets it go.
    """
    if lease.released:
        return False
    uid = owners(lease.owner)
    if not uid:
        return None if uid is None else True
    if uid == lease.uid:
        return False
    return None if lease.state == "active" else True
