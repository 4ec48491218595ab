"""What stands in an annotated workload's template: whose is each number?

The four cases of a number: (a) its own lease; (b) its own, resting; (c) somebody else's, or a copy; (d) by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostport.allocation.state import State
from hostport.api.lease import Lease
from hostport.api.podspec import PortEntry
from hostport.api.ports import Protocol
from hostport.api.request import Request
from hostport.api.workload import Workload
from hostport.ledger.book import Place

Held = dict[tuple[Protocol, int], list[Place]]


@dataclass(slots=True)
class Found:
    """The workload's leases against its template.

    `held`: entries whose number is leased already, with that number's places. `copies`: entries with a number that
    looks like ours and has no lease. `missing`: entries that need a number. `by_hand`: the user's own, left alone.
    """

    own: Mapping[Place, Lease]
    held: dict[PortEntry, list[Place]] = field(default_factory=dict)
    copies: dict[PortEntry, int] = field(default_factory=dict)
    missing: list[PortEntry] = field(default_factory=list)
    by_hand: list[PortEntry] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> list[PortEntry]:
        """The entries that are to have a lease."""
        return [*self.held, *self.copies, *self.missing]


def look(state: State, workload: Workload, request: Request | None) -> Found:
    """Sort the requested entries by what is found in them."""
    own = state.book.of_owner(workload.key)
    found = Found(own)
    if request is None:
        return found
    if not own and not workload.claims:
        found.missing = list(request.entries)
        return found
    by_number, by_ref = _indexed(own)
    for entry in request.entries:
        _sort(state, workload, entry, found, by_number, by_ref)
    return found


def _indexed(own: Mapping[Place, Lease]) -> tuple[Held, dict[str, list[Place]]]:
    by_number: Held = {}
    by_ref: dict[str, list[Place]] = {}
    # Active ones last, so that they win where a port has had two numbers.
    for place, lease in sorted(own.items(), key=lambda item: item[1].state, reverse=True):
        by_number.setdefault((place[1].protocol, place[1].port), []).append(place)
        numbers = by_ref.get(lease.port)
        if numbers is None or numbers[0][1].port != place[1].port:
            numbers = by_ref[lease.port] = []
        numbers.append(place)
    return by_number, by_ref


def _sort(
    state: State, workload: Workload, entry: PortEntry, found: Found, by_number: Held, by_ref: dict[str, list[Place]]
) -> None:
    port = entry.host_port
    mine = by_number.get((entry.protocol, port)) if port else None
    if port and not mine:
        others = [t for t in state.occupancy.takers(entry.protocol, port) if t.lease]
        if others:
            found.conflicts.append(
                f"hostPort {port}/{entry.protocol} of {entry.ref} is leased to {others[0].by}: it gets another number"
            )
        elif workload.assigned().get(entry.ref) == port:
            found.copies[entry] = port
            return
        else:
            found.by_hand.append(entry)
            return
    places = mine or by_ref.get(entry.ref)
    if places and places[0][1].protocol == entry.protocol:
        found.held[entry] = places
    else:
        found.missing.append(entry)
