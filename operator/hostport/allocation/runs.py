"""One run of consecutive numbers for all ports of a workload (`hostport/contiguous`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hostport.allocation.found import Number
from hostport.allocation.holding import Group, Holding
from hostport.allocation.keeping import adopt, keep, keeps
from hostport.allocation.policy import lowest_run
from hostport.allocation.usurped import runs_on
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import LAST_PORT, Protocol
from hostport.ledger.book import BLOCK_SIZE

Fixed = dict[PortEntry, int]


class RunPicker:
    """Keeps the run there is, makes it longer, or takes a whole new one.

    Every try is made in the draft and undone where it fails.
    """

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._state = holding.state
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
        groups = _groups(self._entries, fixed)
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
        elif len(taken) == sum(map(bool, there)):
            for run in _around(there):
                gaps = iter(sorted(set(run) - taken))
                yield [port or next(gaps) for port in there]

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
            excuses.no_run(pool, self._entries, len(_groups(self._entries, self._exact)))
        raise excuses.refusal()


def _by_entry(entries: Sequence[PortEntry], by_ref: Mapping[str, int]) -> Fixed:
    return {entry: by_ref[entry.ref] for entry in entries if entry.ref in by_ref}


def _groups(entries: Sequence[PortEntry], fixed: Fixed) -> list[Group]:
    """TCP and UDP of one containerPort go on one number, unless they are on different ones already."""
    groups: list[Group] = []
    siblings: dict[tuple[str, int], list[Group]] = {}
    for entry in entries:
        same = siblings.setdefault((entry.container_name, entry.number), [])
        group = next((g for g in same if _joins(entry, g, fixed)), None)
        if group is None:
            group = []
            same.append(group)
            groups.append(group)
        group.append(entry)
    return groups


def _joins(entry: PortEntry, group: Group, fixed: Fixed) -> bool:
    there = {fixed[e] for e in (entry, *group) if e in fixed}
    return len(there) < 2 and all(e.protocol != entry.protocol for e in group)


def _around(there: list[int]) -> Iterator[range]:
    """The runs that contain all numbers that are there (0: none yet).

    Those inside of one block first, of these the ones in the order of the template.
    """
    length, taken = len(there), [port for port in there if port]

    def rank(first: int) -> tuple[bool, bool, int]:
        in_order = all(port in (0, first + turn) for turn, port in enumerate(there))
        return first % BLOCK_SIZE + length > BLOCK_SIZE, not in_order, first

    firsts = range(max(max(taken) - length + 1, 1), min(min(taken), LAST_PORT - length + 1) + 1)
    return (range(first, first + length) for first in sorted(firsts, key=rank))
