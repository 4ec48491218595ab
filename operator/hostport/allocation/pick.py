"""Numbers for the ports of one workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from bitarray import bitarray

from hostport.allocation.draft import Draft
from hostport.allocation.excuses import Excuses, refuse_exact
from hostport.allocation.found import Found
from hostport.allocation.occupancy import View
from hostport.allocation.policy import lowest_run, next_free, random_start, stable_start
from hostport.allocation.state import PoolView, State
from hostport.api.lease import Lease, LeaseKey
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.request import Request
from hostport.api.workload import Workload
from hostport.ledger.block import BLOCK_SIZE
from hostport.ledger.book import Place

Group = list[PortEntry]
Numbers = dict[PortEntry, tuple[int, str]]


class Picker:
    """Fills a draft with the leases of one workload. `numbers` are the hostPort and hostIP of each entry served."""

    def __init__(self, state: State, rng: Random, workload: Workload, request: Request, draft: Draft) -> None:
        self._state = state
        self._rng = rng
        self._workload = workload
        self._request = request
        self._draft = draft
        self.numbers: Numbers = {}

    # What is there already

    def keep(self, found: Found) -> list[PortEntry]:
        """Keep or revive what the workload holds; returns the entries that need another number after all."""
        return [entry for entry, places in found.held.items() if not self._keep(entry, places)]

    def _keep(self, entry: PortEntry, places: list[Place]) -> bool:
        name, key = places[0]
        pool = self._state.pools[name]
        if not self._still_wanted(entry, name, key.port):
            return False
        seen = self._state.view(pool, self._workload.placement)
        have = {place[1] for place in places}
        needed = set(_keys(pool, seen, entry, key.port)) or have
        if needed - have and any(
            self._state.occupancy.in_the_way(seen.view, key.protocol, key.port, self._workload.key)
        ):
            return False
        for needed_key in needed:
            self._hold(pool, needed_key, entry)
        self.numbers[entry] = (key.port, pool.host_ip)
        return True

    def _others(self, view: View, entry: PortEntry, port: int) -> bool:
        return any(self._state.occupancy.in_the_way(view, entry.protocol, port, self._workload.key))

    def _still_wanted(self, entry: PortEntry, pool: str, port: int) -> bool:
        exact = self._request.exact.get(entry.ref, port)
        return exact == port and (self._request.pools is None or pool in self._request.pools)

    def adopt(self, found: Found, pools: Sequence[Pool]) -> list[PortEntry]:
        """Lease the numbers that carry our mark but have no lease; returns the entries whose number can't be had."""
        return [entry for entry, port in found.copies.items() if not self._take_if_free([entry], port, pools)]

    # New numbers

    def grant(self, missing: Sequence[PortEntry], pools: Sequence[Pool]) -> None:
        """A number for each entry; raises a `Refusal` when one can't be had."""
        if self._request.contiguous:
            self._grant_run(missing, pools)
            return
        for group in self._groups(missing):
            self._grant_group(group, pools)

    def _groups(self, entries: Sequence[PortEntry]) -> list[Group]:
        """TCP and UDP of one containerPort go together, unless different numbers are asked for."""
        if len(entries) == 1:
            return [[entries[0]]]
        groups: dict[tuple[str, int, int | None, int | None], Group] = {}
        for e in entries:
            same = (e.container_name, e.number, self._request.exact.get(e.ref), self._request.prefer.get(e.ref))
            groups.setdefault(same, []).append(e)
        return [part for group in groups.values() for part in _one_per_protocol(group)]

    def _grant_group(self, group: Group, pools: Sequence[Pool]) -> None:
        ref = group[0].ref
        exact = self._request.exact.get(ref)
        if exact is not None:
            if not self._take_if_free(group, exact, pools):
                raise refuse_exact(self._state, self._workload, group[0], exact, pools)
            return
        for wished in (self._request.prefer.get(ref), self._partner(group)):
            if wished is not None and self._take_if_free(group, wished, pools):
                return
        excuses = Excuses(self._state, self._workload)
        for pool in pools:
            if excuses.none(pool, group) and self._take_next(group, pool):
                return
            excuses.exhausted(pool, group)
        raise excuses.refusal()

    def _partner(self, group: Group) -> int | None:
        """The number that another protocol of the same containerPort has already."""
        for entry, (port, _) in self.numbers.items():
            if (entry.container_name, entry.number) == (group[0].container_name, group[0].number):
                return port
        return None

    def _take_next(self, group: Group, pool: Pool) -> bool:
        seen = self._state.view(pool, self._workload.placement)
        bits = seen.view.free_for([entry.protocol for entry in group])
        port = next_free(bits, self._start(pool, seen.view, bits, group[0]))
        if port < 0:
            return False
        self._lease(group, pool, seen, port)
        self._state.cursors.gave(pool.name, port)
        return True

    def _start(self, pool: Pool, view: View, bits: bitarray, entry: PortEntry) -> int:
        match pool.policy:
            case "LowestFree":
                return 0
            case "Random":
                return random_start(bits, self._rng)
            case "Stable":
                return stable_start(f"{self._workload.key}:{entry.ref}", view.valid[entry.protocol])
        return self._state.cursors.get(pool.name)

    def _take_if_free(self, group: Group, port: int, pools: Sequence[Pool]) -> bool:
        excuses = Excuses(self._state, self._workload)
        for pool in pools:
            seen = self._state.view(pool, self._workload.placement)
            if excuses.none(pool, group) and all(self._is_free(seen.view, entry, port) for entry in group):
                self._lease(group, pool, seen, port)
                return True
        return False

    def _is_free(self, view: View, entry: PortEntry, port: int) -> bool:
        if not view.valid[entry.protocol][port]:
            return False
        if view.free[entry.protocol][port]:
            return True
        # What keeps it taken may be this very workload: its own Pods, or the template that shows the number.
        me = self._workload.key
        return all(t.owner == me and not t.lease for t in self._state.occupancy.in_the_way(view, entry.protocol, port))

    def _grant_run(self, missing: Sequence[PortEntry], pools: Sequence[Pool]) -> None:
        groups = self._groups(missing)
        excuses = Excuses(self._state, self._workload)
        for pool in pools:
            if excuses.none(pool, list(missing)) and self._take_run(groups, pool):
                return
            excuses.no_run(pool, list(missing), len(groups))
        raise excuses.refusal()

    def _take_run(self, groups: list[Group], pool: Pool) -> bool:
        seen = self._state.view(pool, self._workload.placement)
        protocols = {entry.protocol for group in groups for entry in group}
        first = lowest_run(seen.view.free_for(protocols), len(groups), BLOCK_SIZE)
        if first < 0:
            return False
        for offset, group in enumerate(groups):
            self._lease(group, pool, seen, first + offset)
        return True

    # Leases

    def _lease(self, group: Group, pool: Pool, seen: PoolView, port: int) -> None:
        for entry in group:
            for key in _keys(pool, seen, entry, port):
                self._hold(pool, key, entry)
            self.numbers[entry] = (port, pool.host_ip)

    def _hold(self, pool: Pool, key: LeaseKey, entry: PortEntry) -> None:
        """The lease of `key`, new or as it stood, active and for this entry."""
        self._draft.keep(pool.name, key)
        before = self._state.book.get(pool.name, key)
        if before is None:
            self._draft.put(pool.name, key, Lease(self._workload.key, self._workload.uid, entry.ref))
        elif before.state != "active" or (before.uid, before.port) != (self._workload.uid, entry.ref):
            self._draft.put(pool.name, key, before.revived(self._workload.uid, entry.ref))


def _keys(pool: Pool, seen: PoolView, entry: PortEntry, port: int) -> list[LeaseKey]:
    """What must be leased for an entry to have a number: it for the whole pool, or for each node of the few."""
    nodes = sorted(seen.view.scope) if seen.pinned else ("",)
    return [LeaseKey(port, entry.protocol, node, pool.host_ip) for node in nodes]


def _one_per_protocol(group: Group) -> Iterator[Group]:
    """Entries that repeat a protocol can't share a number."""
    while group:
        part = {entry.protocol: entry for entry in reversed(group)}
        yield sorted(part.values(), key=group.index)
        group = [entry for entry in group if entry not in part.values()]
