"""A lease that no operator has written: its owner was changed by hand, or it was put where somebody runs.

A number in a template that is leased to somebody else is replaced, for that is what a cloned manifest looks like. But a
clone is younger than the lease of what it was cloned from, and there is, or was, somebody who uses that number.
"""

from __future__ import annotations

from collections.abc import Iterable

from hostport.allocation.occupancy import Taker
from hostport.allocation.state import State
from hostport.api.lease import Lease
from hostport.api.podspec import PortEntry
from hostport.api.workload import Workload
from hostport.ledger.book import Place


def runs_on(state: State, workload: Workload, entry: PortEntry) -> bool:
    """Whether a Pod of the workload that has a node has the number that the entry shows."""
    takers = state.occupancy.takers(entry.protocol, entry.host_port)
    mine = (t for t in takers if t.owner == workload.key and not t.lease)
    return any(t.by.startswith("Pod ") and isinstance(t.nodes, frozenset) for t in mine)


def usurped(state: State, workload: Workload, entry: PortEntry, others: Iterable[Taker]) -> Place | None:
    """Where the one lease stands that keeps a running workload from its own number and is nobody's in truth."""
    places = {place: lease for taker in others for place, lease in _leases(state, taker, entry)}
    if len(places) != 1 or workload.assigned().get(entry.ref) != entry.host_port:
        return None
    ((place, lease),) = places.items()
    believable = _is_used(state, lease, entry) or lease.released or not _is_younger(lease, workload)
    return None if believable or not runs_on(state, workload, entry) else place


def _leases(state: State, taker: Taker, entry: PortEntry) -> Iterable[tuple[Place, Lease]]:
    for place, lease in state.book.of_owner(taker.owner).items():
        if (place[1].protocol, place[1].port) == (entry.protocol, entry.host_port):
            yield place, lease


def _is_used(state: State, lease: Lease, entry: PortEntry) -> bool:
    takers = state.occupancy.takers(entry.protocol, entry.host_port)
    return any(t.owner == lease.owner and not t.lease for t in takers)


def _is_younger(lease: Lease, workload: Workload) -> bool:
    """Whether the lease was made when the workload was there already. Operators date every lease, to the second."""
    return not lease.since or bool(workload.created and workload.created < lease.since)
