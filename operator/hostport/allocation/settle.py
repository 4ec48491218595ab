"""What becomes of leases that are on their way out: releasing, resting, gone."""

from __future__ import annotations

from collections.abc import Callable

from hostport.allocation.occupancy import Taker
from hostport.allocation.state import State
from hostport.api.lease import Lease
from hostport.ledger.book import Change, Place


def users(state: State, place: Place, owner: str) -> list[Taker]:
    """Templates and Pods that are on a lease's port where the lease is; not those who have a lease of it themselves.

    A Service's nodePort or a node's own process is no Pod of anybody's: it keeps the number from being given, but no
    lease from ending.
    """
    pool, key = place
    scope = frozenset((key.node,)) if key.node else state.scopes.get(pool)
    others = {t.owner for t in state.occupancy.takers(key.protocol, key.port) if t.lease and t.owner != owner}
    there = (t for t in state.occupancy.on(key.protocol, key.port, key.ip, scope) if not t.lease)
    return [t for t in there if t.owner not in others and not t.owner.startswith(("Service/", "Node/"))]


def next_steps(state: State, rested: Callable[[Place], bool], now: str) -> list[Change]:
    """The leases that take their next step: nobody uses it → resting, rested → gone, in use again → releasing.

    `rested` tells whether a resting lease's cooldown is over by a clock that never goes back. Nothing is changed here:
    a step to `released` must first be confirmed by a live look at the Pods.
    """
    steps = []
    for place, lease in state.book.leaving.items():
        step = _step(lease, bool(users(state, place, lease.owner)), rested(place), now)
        if step is not lease:
            steps.append(Change(*place, step))
    return steps


def _step(lease: Lease, used: bool, rested: bool, now: str) -> Lease | None:
    if lease.released:
        if used:
            return lease._replace(releasing=now, released="")
        return None if rested else lease
    return lease if used else lease._replace(releasing="", released=now)
