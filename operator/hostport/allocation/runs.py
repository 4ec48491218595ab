"""One run of consecutive numbers for all ports of a workload (`hostport/contiguous`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from bitarray import bitarray
from bitarray.util import ones

from hostport.allocation.found import Number
from hostport.allocation.holding import Group, Holding
from hostport.allocation.keeping import adopt, keep, keeps
from hostport.allocation.occupancy import View
from hostport.allocation.policy import lowest_run
from hostport.allocation.siblings import groups_of
from hostport.allocation.usurped import runs_on
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import LAST_PORT, Protocol
from hostport.ledger.book import BLOCK_SIZE

Fixed = dict[PortEntry, int]

# Runs that are tried though their numbers seem to be there. What is against one of them then (a quota, another number
# of the workload's own) is mostly against all.
_MOST_TRIES = 32


class RunPicker:
    """Keeps the run there is, makes it longer, or takes a whole new one.

    Every try is made in the draft and undone where it fails.
    """

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._state = holding.state
        self._occupancy = holding.state.occupancy
        self._workload = holding.workload
        self._found = holding.found
        self._ask_for(holding.found.wanted)

    def _ask_for(self, entries: list[PortEntry]) -> None:
        self._entries = entries
        self._exact = _by_entry(entries, self._holding.request.exact)
        self._prefer = _by_entry(entries, self._holding.request.prefer)

    def serve(self) -> None:
        """A run for all entries; raises a `Refusal` when none can be had."""
        if not self._entries or self._stay() or self._keep_or_extend():
            return
        self._holding.start_at_home()
        pools = self._holding.candidates()
        for fixed in ({**self._prefer, **self._exact}, self._exact) if self._prefer else (self._exact,):
            for pool in pools:
                if self._take_run(pool, fixed, {}):
                    return
        self._refuse(pools)

    def _stay(self) -> bool:
        """Where Pods run on numbers that have lost their leases, these stay, whatever a run would ask for.

        Those that can't be leased are in no run.
        """
        holding, copies = self._holding, self._found.copies
        running = [entry for entry in copies if runs_on(self._state, self._workload, entry)]
        if not running:
            return False
        if keep(holding):
            adopt(holding, holding.candidates())
        if len(running) == len(copies) and not holding.missing:
            return True
        holding.start_over()
        self._ask_for(holding.missing)
        return not self._entries

    def _keep_or_extend(self) -> bool:
        """With the numbers that the workload has already, all in one pool."""
        kept = self._kept()
        pools = {number.pool for number in kept.values()}
        pool = self._state.pools.get(pools.pop()) if len(pools) == 1 else None
        if pool is None:
            return False
        fixed = self._found.copies | self._exact | {entry: number.port for entry, number in kept.items()}
        return self._take_run(pool, fixed, kept)

    def _kept(self) -> dict[PortEntry, Number]:
        """The number to keep of each entry; where two entries have the same one, whose template shows it."""
        held = self._found.held
        kept: dict[tuple[Protocol, int], tuple[PortEntry, Number]] = {}
        for entry in sorted(held, key=lambda entry: entry.host_port != held[entry][0].port):
            number = held[entry][0]
            if self._holding.still_wanted(entry, number):
                kept.setdefault((entry.protocol, number.port), (entry, number))
        return dict(kept.values())

    def _take_run(self, pool: Pool, fixed: Fixed, kept: Mapping[PortEntry, Number]) -> bool:
        if not all(entry.protocol in pool.protocols for entry in self._entries if entry not in kept):
            return False
        groups = groups_of(self._entries, fixed)
        for numbers in self._runs(pool, groups, fixed):
            if all(self._take(group, pool, port, kept) for group, port in zip(groups, numbers, strict=True)):
                return True
            self._holding.start_over()
        return False

    def _runs(self, pool: Pool, groups: list[Group], fixed: Fixed) -> Iterator[list[int]]:
        """The numbers of the groups, in their order, in every run worth trying."""
        there = [next((fixed[entry] for entry in group if entry in fixed), 0) for group in groups]
        taken = {port for port in there if port}
        if not taken:
            for way in [seen.placement for seen in self._state.ways(pool, self._holding.placement)]:
                view = self._state.view(pool, way).view
                first = lowest_run([self._holding.free_for(view, group) for group in groups], BLOCK_SIZE)
                if first >= 0:
                    self._holding.placement = way
                    yield list(range(first, first + len(groups)))
        elif len(taken) == sum(map(bool, there)) and self._is_within_quota(pool, groups, there):
            yield from islice(self._around(pool, groups, there), _MOST_TRIES)

    def _around(self, pool: Pool, groups: list[Group], there: list[int]) -> Iterator[list[int]]:
        """The runs that contain all numbers that are there (0: none yet), those first that lie inside of one block."""
        taken = {port for port in there if port}
        firsts = _firsts(there)
        numbers = [n for n in range(firsts.start, firsts.stop + len(there)) if n not in taken and n <= LAST_PORT]
        new = [group for group, port in zip(groups, there, strict=True) if not port]
        if not new:  # what the workload has may stay, whatever has become of the pool
            yield from (there for _ in firsts)
            return
        ways = [(way, self._open(way.view, new, numbers)) for way in self._state.ways(pool, self._holding.placement)]
        for first in _ranked(firsts, there):
            # All numbers that are there lie in every run, so that the gaps of one are as many consecutive `numbers`.
            turn = first - firsts.start
            for way, starts in ways:
                if starts[turn]:
                    self._holding.placement = way.placement
                    gaps = iter(numbers[turn : turn + len(new)])
                    yield [port or next(gaps) for port in there]

    def _open(self, view: View, groups: list[Group], numbers: list[int]) -> bitarray:
        """Bit i: whether the groups can have `numbers[i]`, `numbers[i + 1]`, …, as far as others are concerned."""
        starts = ones(len(numbers) + 1)
        by_protocols: dict[tuple[Protocol, ...], bitarray] = {}
        for turn, group in enumerate(groups):
            protocols = tuple(sorted(entry.protocol for entry in group))
            if protocols not in by_protocols:
                by_protocols[protocols] = bitarray(self._may_be_had(view, protocols, number) for number in numbers)
                by_protocols[protocols].append(0)
            starts &= by_protocols[protocols] << turn
        return starts

    def _may_be_had(self, view: View, protocols: Iterable[Protocol], number: int) -> bool:
        """Whether a number is free, or nobody but the workload itself is on it."""
        return all(
            view.free[p][number]
            or (view.valid[p][number] and not any(self._occupancy.in_the_way(view, p, number, self._workload.key)))
            for p in protocols
        )

    def _is_within_quota(self, pool: Pool, groups: list[Group], there: list[int]) -> bool:
        """Whether a run can be within the quota at all; at best the namespace has each number of it already."""
        if pool.quota is None:
            return True
        book, namespace, firsts = self._state.book, self._workload.namespace, _firsts(there)
        window = range(firsts.start, firsts.stop + len(there))
        own = sum(book.holds(pool.name, namespace, n, p) for n in window for p in pool.protocols)
        wanted = sum(len(group) for group in groups)
        more = wanted - own
        return more <= 0 or book.held(pool.name, namespace) + more <= pool.quota

    def _take(self, group: Group, pool: Pool, port: int, kept: Mapping[PortEntry, Number]) -> bool:
        new = [entry for entry in group if entry not in kept]
        return all(keeps(self._holding, entry, kept[entry]) for entry in group if entry in kept) and (
            not new or self._holding.take_if_fit(new, pool, port)
        )

    def _refuse(self, pools: Sequence[Pool]) -> None:
        for entry, port in self._exact.items():
            if not any(self._holding.take_if_fit([entry], pool, port) for pool in pools):
                raise self._holding.refused([entry], port, pools)
        self._holding.start_over()
        excuses = self._holding.excuses()
        for pool in pools:
            excuses.none(pool, self._entries)
            excuses.no_run(pool, self._entries, len(groups_of(self._entries, self._exact)))
        raise excuses.refusal()


def _by_entry(entries: Sequence[PortEntry], by_ref: Mapping[str, int]) -> Fixed:
    return {entry: by_ref[entry.ref] for entry in entries if entry.ref in by_ref}


def _firsts(there: list[int]) -> range:
    """Where a run may begin that contains all numbers that are there (0: none yet)."""
    length, taken = len(there), [port for port in there if port]
    return range(max(max(taken) - length + 1, 1), min(min(taken), LAST_PORT - length + 1) + 1)


def _ranked(firsts: range, there: list[int]) -> list[int]:
    """Those inside of one block first, of these the ones in the order of the template."""
    in_order = {port - turn for turn, port in enumerate(there) if port}

    def rank(first: int) -> tuple[bool, bool, int]:
        return first % BLOCK_SIZE + len(there) > BLOCK_SIZE, in_order != {first}, first

    return sorted(firsts, key=rank)
