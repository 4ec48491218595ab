"""What a workload has already: its leases, and numbers in its template that have lost theirs."""

from __future__ import annotations

from collections.abc import Sequence

from hostport.allocation.found import Number
from hostport.allocation.holding import Holding
from hostport.allocation.state import PoolView
from hostport.allocation.usurped import leased_to_others, runs_on
from hostport.api.lease import LeaseKey
from hostport.api.podspec import Claim, PortEntry
from hostport.api.pool import Pool


def keep(holding: Holding) -> list[PortEntry]:
    """Keep or revive what the workload has; returns the entries that need a number, new or after all.

    What the template shows goes first: a number that has changed entries is not to end up on both.
    """
    for shown in (True, False):
        for entry, numbers in holding.found.held.items():
            for number in numbers:
                if entry not in holding.numbers and (number.port == entry.host_port) is shown:
                    keeps(holding, entry, number)
    return holding.missing


def keeps(holding: Holding, entry: PortEntry, number: Number) -> bool:
    """Keep a number if it may be kept.

    What is in use stays, whatever has become of the pool. What rests, or must be leased on more nodes, is taken
    like a new number.
    """
    pool = holding.state.pools.get(number.pool)
    if pool is None or not holding.still_wanted(entry, number):
        return False
    if holding.is_on(entry.protocol, number.port, pool.host_ip):
        return False
    ways = holding.state.ways(pool, holding.placement)
    if not ways and _is_lost(holding, entry, number, pool):
        return False
    fitting = next((way for way in ways if _is_valid(way, number)), None)
    seen = fitting or holding.state.view(pool, holding.placement)
    keys = holding.keys(pool, seen, entry, number.port) or number.keys
    if any((pool.name, key) in holding.draft.kept for key in keys):
        return False
    if any(_is_new(holding, pool, key) for key in keys):
        return holding.take_if_fit([entry], pool, number.port)
    holding.lease(entry, pool, keys)
    holding.placement = seen.placement
    return True


def _is_lost(holding: Holding, entry: PortEntry, number: Number, pool: Pool) -> bool:
    """Whether a workload that has left the pool's nodes can't keep its number on the nodes where it is now.

    There, the lease does not guard it. Its own template does, if it shows the number and nobody else has it.
    """
    if not holding.state.eligible(holding.placement):
        return False
    claim = Claim(entry.protocol, number.port, pool.host_ip)
    return entry.host_port != number.port or any(leased_to_others(holding.state, holding.workload, claim))


def _is_new(holding: Holding, pool: Pool, key: LeaseKey) -> bool:
    lease = holding.state.book.get(pool.name, key)
    return lease is None or lease.owner != holding.workload.key or bool(lease.released)


def adopt(holding: Holding, pools: Sequence[Pool]) -> None:
    """Lease the numbers that carry our mark but have no lease, where the pools' rules let them be had.

    Where they do not, what a Pod runs on stays as it is, without a lease; the rest gets another number.
    """
    holding.forget_stays()
    for entry, port in holding.found.copies.items():
        if entry in holding.numbers or holding.request.exact.get(entry.ref, port) != port:
            continue
        if _inherit(holding, entry, port, pools):
            holding.adopted.append(entry)
        elif runs_on(holding.state, holding.workload, entry):
            holding.stay(entry, holding.refused([entry], port, pools))
        else:
            holding.moved[entry] = holding.refused([entry], port, pools)


def _inherit(holding: Holding, entry: PortEntry, port: int, pools: Sequence[Pool]) -> bool:
    """Take the number of an entry from the first pool that has it, over the leases there of those who are gone."""
    for pool in pools:
        gone = [place for place in holding.found.orphaned.get(entry, ()) if place[0] == pool.name]
        for place in gone:
            holding.draft.put(*place, None)
        if holding.take_first([entry], port, (pool,)):
            return True
        for place in gone:
            holding.draft.restore(*place)
    return False


def _is_valid(seen: PoolView, number: Number) -> bool:
    valid = seen.view.valid.get(number.protocol)
    return valid is not None and bool(valid[number.port])
