"""What stands in an annotated workload's template: whose is each number?

The cases of a number: (a) its own lease; (b) its own, resting; (c) somebody else's; (c') one that carries our mark and
is leased to nobody; (d) by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hostport.allocation.rollout import Remark
from hostport.allocation.state import State
from hostport.allocation.usurped import Owners, is_gone, leased_to_others, runs_on, unasked
from hostport.api import names
from hostport.api.lease import Lease, LeaseKey
from hostport.api.podspec import Claim, PortEntry
from hostport.api.ports import Protocol
from hostport.api.references import is_workload
from hostport.api.request import Request
from hostport.api.workload import Workload
from hostport.ledger.book import Place


class Number(NamedTuple):
    """A number that the workload has in a pool, by whichever leases."""

    pool: str
    protocol: Protocol
    port: int
    keys: tuple[LeaseKey, ...]


@dataclass(slots=True)
class Found:
    """The workload's leases against its template.

    `wanted`: the entries that are to have a lease, in the order in which they are asked for. `held`: those of them that
    have numbers already, the one to keep first. `copies`: those whose number looks like ours and has no lease;
    `orphaned`: where leases of it stand in the name of somebody who is gone. `ours`: whatever shows a number that we
    have written, requested or not, with its hostIP. `left`: what is not asked for because a Pod runs on its number, and
    who leases that. `by_hand`: all else that the template claims. `suspects`: the owners of whom must be known whether
    they are there before anything is decided.
    """

    wanted: list[PortEntry] = field(default_factory=list)
    numbers: Mapping[tuple[Protocol, int], list[Number]] = field(default_factory=dict)
    held: dict[PortEntry, list[Number]] = field(default_factory=dict)
    copies: dict[PortEntry, int] = field(default_factory=dict)
    orphaned: dict[PortEntry, tuple[Place, ...]] = field(default_factory=dict)
    left: dict[PortEntry, str] = field(default_factory=dict)
    ours: Mapping[PortEntry, str] = field(default_factory=dict)
    by_hand: frozenset[Claim] = frozenset()
    conflicts: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)


NOTHING = Found()


def look(state: State, workload: Workload, request: Request, owners: Owners = unasked) -> Found:
    """Sort the requested entries by what is found in them."""
    own = state.book.of_owner(workload.key)
    if not own and not workload.claims:
        return Found(wanted=list(request.entries))
    by_number, by_ref = _indexed(own)
    found = Found(numbers=by_number, ours=written(workload, own))
    marked = _marked(workload, request, own)
    for entry in request.entries:
        shown = by_number.get((entry.protocol, entry.host_port), [])
        unknown = entry.host_port and not shown
        if unknown and not _needs_number(state, workload, entry, owners, found, marked=entry in marked):
            continue
        found.wanted.append(entry)
        numbers = [*shown, *(n for n in by_ref.get((entry.ref, entry.protocol), ()) if n not in shown)]
        if numbers and not (entry in found.copies and runs_on(state, workload, entry)):
            found.held[entry] = numbers
    found.by_hand = workload.claims.difference(entry.claim for entry in (*found.wanted, *found.ours))
    return found


def nothing_to_give(workload: Workload, request: Request) -> Remark:
    """What is told to somebody who asks for numbers where he has written all of them himself."""
    annotation = names.PORTS if request.named else names.AUTO
    shown = ", ".join(f"{entry.ref}={entry.host_port}" for entry in request.entries[:10])
    text = f'{annotation}: "{workload.annotations[annotation]}": nothing to hand out, the template has {shown} by hand'
    return Remark(
        "InvalidAnnotation", f"{text}; take the hostPort out to get another one, or {names.AUTO} away", lasting=True
    )


def written(workload: Workload, own: Mapping[Place, Lease]) -> dict[PortEntry, str]:
    """The entries whose number we have written: it is leased, or was and `hostport/assigned` says so. With its IP."""
    noted = workload.assigned()
    active_last = sorted(own.items(), key=lambda item: item[1].state == "active")
    leases = {(key.protocol, key.port): (lease.state, key.ip) for (_, key), lease in active_last}
    found = {}
    for entry in workload.entries:
        state, ip = leases.get((entry.protocol, entry.host_port), ("", ""))
        if state == "active" or (state and noted.get(entry.ref) == entry.host_port):
            found[entry] = ip
    return found


def _indexed(
    own: Mapping[Place, Lease],
) -> tuple[dict[tuple[Protocol, int], list[Number]], dict[tuple[str, Protocol], list[Number]]]:
    """The workload's numbers by (protocol, port) and by the PORT they are leased for, active ones first."""
    keys: dict[tuple[str, Protocol, int], list[LeaseKey]] = {}
    refs: dict[tuple[str, Protocol, int], dict[str, None]] = {}
    for (pool, key), lease in _by_precedence(own):
        keys.setdefault((pool, key.protocol, key.port), []).append(key)
        refs.setdefault((pool, key.protocol, key.port), {})[lease.port] = None
    by_number: dict[tuple[Protocol, int], list[Number]] = {}
    by_ref: dict[tuple[str, Protocol], list[Number]] = {}
    for (pool, protocol, port), leased in keys.items():
        number = Number(pool, protocol, port, tuple(leased))
        by_number.setdefault((protocol, port), []).append(number)
        for ref in refs[pool, protocol, port]:
            by_ref.setdefault((ref, protocol), []).append(number)
    return by_number, by_ref


def _by_precedence(own: Mapping[Place, Lease]) -> list[tuple[Place, Lease]]:
    """Active ones first, the oldest in front: two operators that have both granted must agree on which one stays.

    Then those that are on their way out, the youngest in front: the number that the workload had last.
    """

    def age(item: tuple[Place, Lease]) -> tuple[str, str, int]:
        return item[1].state, item[1].since, item[0][1].port

    active = [item for item in own.items() if item[1].state == "active"]
    leaving = [item for item in own.items() if item[1].state != "active"]
    return sorted(active, key=age) + sorted(leaving, key=age, reverse=True)


def _needs_number(
    state: State, workload: Workload, entry: PortEntry, owners: Owners, found: Found, *, marked: bool
) -> bool:
    """Whether an entry that shows a number without a lease of ours is to get one: this number, or another."""
    others = dict(leased_to_others(state, workload, entry.claim))
    if not others:
        if marked:
            found.copies[entry] = entry.host_port
        return marked
    holder = next(iter(others.values())).owner
    runs = runs_on(state, workload, entry)
    if runs and not (marked and all(is_workload(lease.owner) for lease in others.values())):
        found.left[entry] = holder
        return False
    gone = [is_gone(lease, owners) for lease in others.values()] if runs else [False]
    if False in gone:
        found.conflicts.append(
            f"hostPort {entry.host_port}/{entry.protocol} of {entry.ref} is leased to {holder}: it gets another number"
        )
    elif None in gone:
        found.suspects.update(lease.owner for lease in others.values() if is_gone(lease, owners) is None)
    else:
        found.copies[entry] = entry.host_port
        found.orphaned[entry] = tuple(others)
    return True


def _marked(workload: Workload, request: Request, own: Mapping[Place, Lease]) -> set[PortEntry]:
    """The requested entries of whose number `hostport/assigned` says that we have written it.

    A PORT may go without its protocol; where the workload has the number leased for that PORT in another protocol, that
    is what is meant.
    """
    noted = workload.assigned()
    meant = {(lease.port, key.port): key.protocol for (_, key), lease in own.items()}
    return {
        entry
        for entry in request.entries
        if entry.host_port
        and noted.get(entry.ref) == entry.host_port
        and meant.get((entry.ref, entry.host_port), entry.protocol) == entry.protocol
    }
