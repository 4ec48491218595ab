"""The numbers of one workload while they are being chosen, and their leases in a draft."""

from __future__ import annotations

from collections.abc import Sequence

from bitarray import bitarray

from hostport.allocation.added import beside_declared, declared_numbers
from hostport.allocation.candidates import candidates, unfit
from hostport.allocation.draft import Draft
from hostport.allocation.excuses import Excuses, refuse_exact
from hostport.allocation.found import NOTHING, Found, Number
from hostport.allocation.occupancy import View, nodes_overlap
from hostport.allocation.state import PoolView, State
from hostport.allocation.taken import TakenNumbers
from hostport.api.errors import OverlappingLease, Refusal
from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import AFFINITY_WAS
from hostport.api.placement import Placement
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import Protocol, ips_overlap
from hostport.api.request import Request
from hostport.api.workload import Workload
from hostport.ledger.book import Place

Group = list[PortEntry]
Numbers = dict[PortEntry, tuple[int, str]]


class Holding:
    """What one workload has in hand.

    `numbers` are the hostPort and hostIP of each entry served, `adopted` those whose number was there already and had
    no lease. `stays` are those that get no lease and keep the number on which a Pod of theirs runs, `moved` those that
    do not keep the one that we seem to have written, each with the reason. `placement` is where the Pods may run with
    these: as the template has it, or narrower where a number holds on only some of the nodes.
    """

    def __init__(
        self, state: State, workload: Workload, request: Request, draft: Draft, found: Found = NOTHING
    ) -> None:
        self.state = state
        self.workload = workload
        self.request = request
        self.draft = draft
        self.found = found
        self.numbers: Numbers = {}
        self._by_hand = TakenNumbers(found.by_hand)
        self._taken: TakenNumbers | None = None
        self.adopted: list[PortEntry] = []
        self.stays: dict[PortEntry, Refusal] = {}
        self.moved: dict[PortEntry, Refusal] = {}
        self._base = self.placement = self._beginning()

    def _beginning(self) -> Placement:
        """The placement that the template has; what we have added to it counts only with a number that it is for."""
        workload, state = self.workload, self.state
        if AFFINITY_WAS not in workload.annotations or self.found.copies:
            return workload.placement
        held = ((entry, number) for entry, numbers in self.found.held.items() for number in numbers)
        names = {number.pool for entry, number in held if self.still_wanted(entry, number)}
        fits = any(name in state.pools and state.ways(state.pools[name], workload.placement) for name in names)
        return workload.placement if fits else workload.home

    def start_over(self) -> None:
        """Nothing kept, nothing taken."""
        self.draft.undo()
        self.numbers.clear()
        self._taken = None
        self.adopted.clear()
        self.placement = self._base

    def start_at_home(self) -> None:
        """Nothing that the workload has is kept, so that what the operator had added to its affinity does not count."""
        self._base = self.workload.home
        self.start_over()

    def forget_stays(self) -> None:
        """No entry keeps a number without a lease, none gives way to another."""
        self.stays.clear()
        self.moved.clear()
        self._taken = None

    def stay(self, entry: PortEntry, why: Refusal) -> None:
        """An entry keeps the number on which a Pod of it runs, and gets no lease."""
        self.stays[entry] = why
        if self._taken is not None:
            self._taken.add(entry.protocol, entry.host_port, entry.claim.ip)

    def still_wanted(self, entry: PortEntry, number: Number) -> bool:
        """Whether the annotations let the entry keep the number."""
        exact = self.request.exact.get(entry.ref, number.port)
        return exact == number.port and (self.request.pools is None or number.pool in self.request.pools)

    def free_for(self, view: View, group: Group) -> bitarray:
        """The numbers that are free for a group; not to be changed.

        Those of the workload's other entries are not: in one Pod a number fits once, though it may be leased, or its
        Pods may run, where this pool is not.
        """
        protocols = [entry.protocol for entry in group]
        bits = view.free_for(protocols)
        if group[0].passthrough:
            bits = beside_declared(bits, self.workload)
        if self.found.by_hand:
            bits = self._by_hand.left_of(bits, protocols, view.ip)
        if self.numbers or self.stays:
            bits = self._own().left_of(bits, protocols, view.ip)
        return bits

    def _own(self) -> TakenNumbers:
        """The numbers of all entries so far; most workloads have one port, and never need it."""
        if self._taken is None:
            self._taken = TakenNumbers(entry.claim for entry in self.stays)
            for entry, (port, ip) in self.numbers.items():
                self._taken.add(entry.protocol, port, ip)
        return self._taken

    def candidates(self) -> list[Pool]:
        """The pools to try, best first; raises `NoMatchingPool` where there is none."""
        return candidates(self.state, self.workload, self.request, self.placement)

    def excuses(self) -> Excuses:
        """A collection of reasons, empty yet, why pools have nothing for this workload."""
        return Excuses(self.state, self.workload, self.placement)

    @property
    def missing(self) -> list[PortEntry]:
        """The entries that need a number, new or after all."""
        return [entry for entry in self.found.wanted if entry not in self.numbers and entry not in self.stays]

    def refused(self, group: Group, port: int, pools: Sequence[Pool]) -> Refusal:
        """Why a group can't have exactly this number."""
        return refuse_exact(self.state, self.workload, self.placement, group, port, pools)

    def take_first(self, group: Group, port: int, pools: Sequence[Pool]) -> bool:
        """Take this number from the first pool that has it."""
        return any(self._take_if_free(group, pool, port) for pool in pools)

    def take_if_fit(self, group: Group, pool: Pool, port: int) -> bool:
        """Take this number if the pool may serve the workload and it can be had."""
        return not unfit(self.state, self.workload, pool, self.placement) and self._take_if_free(group, pool, port)

    def _take_if_free(self, group: Group, pool: Pool, port: int) -> bool:
        if not self.excuses().none(pool, group, port):
            return False
        if group[0].passthrough and port in declared_numbers(self.workload):
            return False
        for seen in self.state.ways(pool, self.placement):
            if all(self._is_free(pool, seen, entry, port) for entry in group):
                self.take(group, pool, seen, port)
                return True
        return False

    def is_on(self, protocol: Protocol, port: int, ip: str) -> bool:
        """Whether another entry has the number already: in one Pod it fits once, whatever pools it is from."""
        return bool(self.numbers or self.stays) and self._own().has(protocol, port, ip)

    def _is_free(self, pool: Pool, seen: PoolView, entry: PortEntry, port: int) -> bool:
        """Free, or taken by nobody but this workload itself: its own Pods and template, a lease of the same port."""
        view = seen.view
        if not view.valid[entry.protocol][port] or self.is_on(entry.protocol, port, pool.host_ip):
            return False
        if self._by_hand.has(entry.protocol, port, pool.host_ip):
            return False
        if view.free[entry.protocol][port]:
            return True
        if any(self.state.occupancy.in_the_way(view, entry.protocol, port, self.workload.key)):
            return False
        if not self._is_ours_to_move(pool, view, entry, port):
            return False
        return not any(self._is_leased_to_others((pool.name, key)) for key in self.keys(pool, seen, entry, port))

    def _is_leased_to_others(self, place: Place) -> bool:
        """Whether somebody else leases a number where this lease would be: it may reach further than the Pods do."""
        key, nodes = place[1], self.state.nodes_of(place)
        leases = self.state.leases_on(key.protocol, key.port, key.ip, nodes)
        return any(lease.owner != self.workload.key for _, lease in leases)

    def _is_ours_to_move(self, pool: Pool, view: View, entry: PortEntry, port: int) -> bool:
        """Whether the workload's own leases of a number may be for this entry.

        That is so when they have been for it before; and when no other entry keeps the number, unless it rests.
        """
        for place, lease in self.state.book.of_owner(self.workload.key).items():
            key = place[1]
            if (key.protocol, key.port) != (entry.protocol, port) or not ips_overlap(key.ip, pool.host_ip):
                continue
            if place in self.draft.kept:
                return False
            if place[0] == pool.name:
                if lease.port != entry.ref and lease.state != "active":
                    return False
            elif nodes_overlap(self.state.nodes_of(place), view.scope):
                return False
        return True

    def take(self, group: Group, pool: Pool, seen: PoolView, port: int) -> None:
        """Lease a number that is free on the nodes of `seen`, to which the Pods are kept from now on."""
        for entry in group:
            self.lease(entry, pool, self.keys(pool, seen, entry, port))
        self.placement = seen.placement

    def lease(self, entry: PortEntry, pool: Pool, keys: Sequence[LeaseKey]) -> None:
        """Lease the number of these keys for an entry, whoever has it."""
        for key in keys:
            self._hold(pool, key, entry)
        port = keys[0].port
        if self.found.numbers:
            self._drop_covered(pool, keys, self.found.numbers.get((entry.protocol, port), ()))
        self.numbers[entry] = (port, pool.host_ip)
        if self._taken is not None:
            self._taken.add(entry.protocol, port, pool.host_ip)

    def _drop_covered(self, pool: Pool, keys: Sequence[LeaseKey], numbers: Sequence[Number]) -> None:
        """A lease for the whole pool stands in for those of single nodes, in the same write."""
        if keys[0].node:
            return
        for key in (key for number in numbers if number.pool == pool.name for key in number.keys if key.node):
            if self.state.book.get(pool.name, key) is not None:
                self.draft.put(pool.name, key, None)

    def _hold(self, pool: Pool, key: LeaseKey, entry: PortEntry) -> None:
        """The lease of `key`, new or as it stood, active and for this entry."""
        self.draft.keep(pool.name, key)
        before = self.state.book.get(pool.name, key)
        if before is None:
            self.draft.put(pool.name, key, Lease(self.workload.key, self.workload.uid, entry.ref))
            return
        if before.owner != self.workload.key:
            raise OverlappingLease(pool.name, str(key), self.workload.key, str(key), before.owner)
        revived = before.revived(self.workload.uid, entry.ref)
        if revived != before:
            self.draft.put(pool.name, key, revived)

    def keys(self, pool: Pool, seen: PoolView, entry: PortEntry, port: int) -> list[LeaseKey]:
        """What must be leased for an entry to have a number: it for the whole pool, or for each node of the few.

        A lease for the whole pool that the workload has already is enough for a few nodes as well.
        """
        whole = LeaseKey(port, entry.protocol, "", pool.host_ip)
        if not seen.pinned:
            return [whole]
        before = self.state.book.get(pool.name, whole)
        if before is not None and before.owner == self.workload.key:
            return [whole]
        return [LeaseKey(port, entry.protocol, node, pool.host_ip) for node in sorted(seen.view.scope)]
