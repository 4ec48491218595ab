"""Numbers for the ports of one workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from bitarray import bitarray

from hostport.allocation.added import beside_declared
from hostport.allocation.candidates import unfit
from hostport.allocation.draft import Draft
from hostport.allocation.excuses import Excuses, refuse_exact
from hostport.allocation.found import NOTHING, Found, Number, leased_to_others
from hostport.allocation.occupancy import View, nodes_overlap
from hostport.allocation.policy import next_free, random_start, stable_start
from hostport.allocation.state import PoolView, State
from hostport.allocation.usurped import runs_on
from hostport.api.errors import Refusal
from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import AFFINITY_WAS
from hostport.api.placement import Placement
from hostport.api.podspec import Claim, PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import ips_overlap
from hostport.api.request import Request
from hostport.api.workload import Workload

Group = list[PortEntry]
Numbers = dict[PortEntry, tuple[int, str]]


class Picker:
    """Fills a draft with the leases of one workload.

    `numbers` are the hostPort and hostIP of each entry served, `adopted` those whose number was there already and had
    no lease. `placement` is where the Pods may run with these: as the template has it, or narrower where a number
    holds on only some of the nodes.
    """

    def __init__(
        self,
        state: State,
        rng: Random,
        workload: Workload,
        request: Request,
        draft: Draft,
        found: Found = NOTHING,
    ) -> None:
        self._state = state
        self._rng = rng
        self._workload = workload
        self._request = request
        self._draft = draft
        self._found = found
        self.numbers: Numbers = {}
        self.adopted: list[PortEntry] = []
        self._base = self.placement = self._beginning()

    def _beginning(self) -> Placement:
        """The placement that the template has; what we have added to it counts only with a number that it is for."""
        workload, state = self._workload, self._state
        if AFFINITY_WAS not in workload.annotations or self._found.copies:
            return workload.placement
        held = ((entry, number) for entry, numbers in self._found.held.items() for number in numbers)
        names = {number.pool for entry, number in held if self.still_wanted(entry, number)}
        fits = any(name in state.pools and state.ways(state.pools[name], workload.placement) for name in names)
        return workload.placement if fits else workload.home

    # What is there already

    def keep(self) -> list[PortEntry]:
        """Keep or revive what the workload has; returns the entries that need a number, new or after all.

        What the template shows goes first: a number that has changed entries is not to end up on both.
        """
        for shown in (True, False):
            for entry, numbers in self._found.held.items():
                for number in numbers:
                    if entry not in self.numbers and (number.port == entry.host_port) is shown:
                        self.keeps(entry, number)
        return [entry for entry in self._found.wanted if entry not in self.numbers]

    def start_over(self) -> None:
        """Nothing kept, nothing taken."""
        self._draft.undo()
        self.numbers.clear()
        self.adopted.clear()
        self.placement = self._base

    def start_at_home(self) -> None:
        """Nothing that the workload has is kept, so that what the operator had added to its affinity does not count."""
        self._base = self._workload.home
        self.start_over()

    def keeps(self, entry: PortEntry, number: Number) -> bool:
        """Keep a number if it may be kept.

        What is in use stays, whatever has become of the pool. What rests, or must be leased on more nodes, is taken
        like a new number.
        """
        pool = self._state.pools.get(number.pool)
        if pool is None or not self.still_wanted(entry, number):
            return False
        ways = self._state.ways(pool, self.placement)
        if not ways and self._is_lost(entry, number, pool):
            return False
        seen = next((way for way in ways if _is_valid(way, number)), self._state.view(pool, self.placement))
        keys = self._keys(pool, seen, entry, number.port) or number.keys
        if any((pool.name, key) in self._draft.kept for key in keys):
            return False
        if any(self._is_new(pool, key) for key in keys):
            return self.take_if_fit([entry], pool, number.port)
        self._lease(entry, pool, keys)
        self.placement = seen.placement
        return True

    def _is_lost(self, entry: PortEntry, number: Number, pool: Pool) -> bool:
        """Whether a workload that has left the pool's nodes can't keep its number on the nodes where it is now.

        There, the lease does not guard it. Its own template does, if it shows the number and nobody else has it.
        """
        if not self._state.eligible(self.placement):
            return False
        claim = Claim(entry.protocol, number.port, pool.host_ip)
        return entry.host_port != number.port or any(leased_to_others(self._state, self._workload, claim))

    def still_wanted(self, entry: PortEntry, number: Number) -> bool:
        """Whether the annotations let the entry keep the number."""
        exact = self._request.exact.get(entry.ref, number.port)
        return exact == number.port and (self._request.pools is None or number.pool in self._request.pools)

    def _is_new(self, pool: Pool, key: LeaseKey) -> bool:
        lease = self._state.book.get(pool.name, key)
        return lease is None or lease.owner != self._workload.key or bool(lease.released)

    def adopt(self, pools: Sequence[Pool]) -> None:
        """Lease the numbers that carry our mark but have no lease, where they can be had, or Pods run on them.

        A ledger that has been emptied or restored must not move what runs, whatever the pool allows by now.
        """
        for entry, port in self._found.copies.items():
            if entry in self.numbers or self._request.exact.get(entry.ref, port) != port:
                continue
            if self._take_first([entry], port, pools) or self._stay(entry, port, pools):
                self.adopted.append(entry)

    def _stay(self, entry: PortEntry, port: int, pools: Sequence[Pool]) -> bool:
        if not runs_on(self._state, self._workload, entry):
            return False
        pool = _home_of(port, pools)
        keys = self._keys(pool, self._state.view(pool, self.placement), entry, port)
        taken = {(pool.name, key) for key in keys if self._state.book.get(pool.name, key) is not None}
        if taken != {self._found.usurped[entry]} if entry in self._found.usurped else taken:
            return False
        for place in taken:
            self._draft.put(*place, None)
        self._lease(entry, pool, keys)
        return True

    # New numbers

    def grant(self, pools: Sequence[Pool]) -> None:
        """A number for each entry that has none; raises a `Refusal` when one can't be had."""
        if self._grant_all(pools):
            return
        missing = self._keep_again()
        for start in self._other_starts(pools):
            self.placement = start
            if self._grant_all(pools):
                return
            self._keep_again()
        raise self._refusal(missing, pools)

    def _grant_all(self, pools: Sequence[Pool]) -> bool:
        self.adopt(pools)
        missing = [entry for entry in self._found.wanted if entry not in self.numbers]
        return all(self._grant_group(group, pools) for group in self._groups(missing))

    def _keep_again(self) -> list[PortEntry]:
        """Nothing taken, and kept what can be."""
        self.start_over()
        return self.keep()

    def _other_starts(self, pools: Sequence[Pool]) -> list[Placement]:
        """Narrower placements to begin with: the first group may have led to nodes that have nothing for the others."""
        ways = (seen.placement for pool in pools for seen in self._state.ways(pool, self.placement))
        return [way for way in dict.fromkeys(ways) if way != self.placement]

    def _groups(self, entries: Sequence[PortEntry]) -> list[Group]:
        """TCP and UDP of one containerPort go together, unless different numbers are asked for.

        Who asks for a number goes first, then who needs one for two protocols: the others might take it from them.
        """
        if len(entries) == 1:
            return [[entries[0]]]
        exact, prefer = self._request.exact, self._request.prefer
        groups: dict[tuple[str, int, int | None, int | None], Group] = {}
        for e in entries:
            groups.setdefault((e.container_name, e.number, exact.get(e.ref), prefer.get(e.ref)), []).append(e)
        ordered = [part for group in groups.values() for part in _one_per_protocol(group)]
        return sorted(ordered, key=lambda g: (g[0].ref not in exact, -len(g), g[0].ref not in prefer))

    def _grant_group(self, group: Group, pools: Sequence[Pool]) -> bool:
        ref = group[0].ref
        exact = self._request.exact.get(ref)
        if exact is not None:
            return self._take_first(group, exact, pools)
        for wished in (self._request.prefer.get(ref), self._partner(group)):
            if wished is not None and self._take_first(group, wished, pools):
                return True
        excuses = Excuses(self._state, self._workload, self.placement)
        for pool in pools:  # noqa: SIM110 - a generator costs more than the search it wraps
            if excuses.none(pool, group) and self._take_next(group, pool):
                return True
        return False

    def _refusal(self, missing: Sequence[PortEntry], pools: Sequence[Pool]) -> Refusal:
        """Why not all of these can be had: all or nothing, so what has been taken for some of them is free again."""
        for group in self._groups(missing):
            exact = self._request.exact.get(group[0].ref)
            if exact is not None and not self._take_first(group, exact, pools):
                self.start_over()
                return refuse_exact(self._state, self._workload, self.placement, group, exact, pools)
        self.start_over()
        excuses = Excuses(self._state, self._workload, self.placement)
        for pool in pools:
            if excuses.none(pool, missing):
                excuses.exhausted(pool, missing)
        return excuses.refusal()

    def _partner(self, group: Group) -> int | None:
        """The number that another protocol of the same containerPort has already."""
        for entry, (port, _) in self.numbers.items():
            if (entry.container_name, entry.number) == (group[0].container_name, group[0].number):
                return port
        return None

    def _take_next(self, group: Group, pool: Pool) -> bool:
        for seen in self._state.ways(pool, self.placement):
            bits = self.free_for(seen.view, group)
            port = next_free(bits, self._start(pool, seen.view, bits, group[0]))
            if port >= 0:
                self._take(group, pool, seen, port)
                self._draft.turn(pool.name, port)
                return True
        return False

    def free_for(self, view: View, group: Group) -> bitarray:
        """The numbers that are free for a group; not to be changed."""
        bits = view.free_for([entry.protocol for entry in group])
        return beside_declared(bits, self._workload) if group[0].passthrough else bits

    def _start(self, pool: Pool, view: View, bits: bitarray, entry: PortEntry) -> int:
        match pool.policy:
            case "LowestFree":
                return 0
            case "Random":
                return random_start(bits, self._rng)
            case "Stable":
                return stable_start(f"{self._workload.key}:{entry.ref}", view.valid[entry.protocol])
        return self._state.cursors.get(pool.name)

    def _take_first(self, group: Group, port: int, pools: Sequence[Pool]) -> bool:
        return any(self._take_if_free(group, pool, port) for pool in pools)

    def take_if_fit(self, group: Group, pool: Pool, port: int) -> bool:
        """Take this number if the pool may serve the workload and it can be had."""
        return not unfit(self._state, self._workload, pool, self.placement) and self._take_if_free(group, pool, port)

    def _take_if_free(self, group: Group, pool: Pool, port: int) -> bool:
        if not Excuses(self._state, self._workload, self.placement).none(pool, group, port):
            return False
        for seen in self._state.ways(pool, self.placement):
            if all(self._is_free(pool, seen.view, entry, port) for entry in group):
                self._take(group, pool, seen, port)
                return True
        return False

    def _is_free(self, pool: Pool, view: View, entry: PortEntry, port: int) -> bool:
        """Free, or taken by nobody but this workload itself: its own Pods and template, a lease of the same port."""
        if not view.valid[entry.protocol][port]:
            return False
        if view.free[entry.protocol][port]:
            return True
        if any(self._state.occupancy.in_the_way(view, entry.protocol, port, self._workload.key)):
            return False
        return not self._is_by_hand(pool, entry, port) and self._is_ours_to_move(pool, view, entry, port)

    def _is_by_hand(self, pool: Pool, entry: PortEntry, port: int) -> bool:
        return any(
            (claim.protocol, claim.port) == (entry.protocol, port) and ips_overlap(claim.ip, pool.host_ip)
            for claim in self._found.by_hand
        )

    def _is_ours_to_move(self, pool: Pool, view: View, entry: PortEntry, port: int) -> bool:
        """Whether the workload's own leases of a number may be for this entry.

        That is so when they have been for it before; and when no other entry keeps the number, unless it rests.
        """
        for place, lease in self._state.book.of_owner(self._workload.key).items():
            key = place[1]
            if (key.protocol, key.port) != (entry.protocol, port) or not ips_overlap(key.ip, pool.host_ip):
                continue
            if place in self._draft.kept:
                return False
            if place[0] == pool.name:
                if lease.port != entry.ref and lease.state != "active":
                    return False
            elif nodes_overlap(self._state.nodes_of(place), view.scope):
                return False
        return True

    # Leases

    def _take(self, group: Group, pool: Pool, seen: PoolView, port: int) -> None:
        for entry in group:
            self._lease(entry, pool, self._keys(pool, seen, entry, port))
        self.placement = seen.placement

    def _lease(self, entry: PortEntry, pool: Pool, keys: Sequence[LeaseKey]) -> None:
        for key in keys:
            self._hold(pool, key, entry)
        port = keys[0].port
        if self._found.numbers:
            self._drop_covered(pool, keys, self._found.numbers.get((entry.protocol, port), ()))
        self.numbers[entry] = (port, pool.host_ip)

    def _drop_covered(self, pool: Pool, keys: Sequence[LeaseKey], numbers: Sequence[Number]) -> None:
        """A lease for the whole pool stands in for those of single nodes, in the same write."""
        if keys[0].node:
            return
        for key in (key for number in numbers if number.pool == pool.name for key in number.keys if key.node):
            if self._state.book.get(pool.name, key) is not None:
                self._draft.put(pool.name, key, None)

    def _hold(self, pool: Pool, key: LeaseKey, entry: PortEntry) -> None:
        """The lease of `key`, new or as it stood, active and for this entry."""
        self._draft.keep(pool.name, key)
        before = self._state.book.get(pool.name, key)
        if before is None:
            self._draft.put(pool.name, key, Lease(self._workload.key, self._workload.uid, entry.ref))
        elif before.state != "active" or (before.uid, before.port) != (self._workload.uid, entry.ref):
            self._draft.put(pool.name, key, before.revived(self._workload.uid, entry.ref))

    def _keys(self, pool: Pool, seen: PoolView, entry: PortEntry, port: int) -> list[LeaseKey]:
        """What must be leased for an entry to have a number: it for the whole pool, or for each node of the few.

        A lease for the whole pool that the workload has already is enough for a few nodes as well.
        """
        whole = LeaseKey(port, entry.protocol, "", pool.host_ip)
        if not seen.pinned:
            return [whole]
        before = self._state.book.get(pool.name, whole)
        if before is not None and before.owner == self._workload.key:
            return [whole]
        return [LeaseKey(port, entry.protocol, node, pool.host_ip) for node in sorted(seen.view.scope)]


def _is_valid(seen: PoolView, number: Number) -> bool:
    valid = seen.view.valid.get(number.protocol)
    return valid is not None and bool(valid[number.port])


def _home_of(port: int, pools: Sequence[Pool]) -> Pool:
    """The pool that a number is from; one that is in no range any more is kept by the first."""
    return next((pool for pool in pools if port in pool.all_ports), pools[0])


def _one_per_protocol(group: Group) -> Iterator[Group]:
    """Entries that repeat a protocol can't share a number."""
    while group:
        part = {entry.protocol: entry for entry in reversed(group)}
        yield sorted(part.values(), key=group.index)
        group = [entry for entry in group if entry not in part.values()]
