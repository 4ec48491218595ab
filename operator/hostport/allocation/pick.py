"""New numbers for the ports of one workload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

from bitarray import bitarray

from hostport.allocation.holding import Group, Holding
from hostport.allocation.keeping import adopt, keep
from hostport.allocation.occupancy import View
from hostport.allocation.policy import next_free, random_start, stable_start
from hostport.api.errors import Refusal
from hostport.api.placement import Placement
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import Protocol


class Picker:
    """Fills a holding. `rng` throws the dice of the policy `Random`."""

    def __init__(self, holding: Holding, rng: Random) -> None:
        self._holding = holding
        self._rng = rng
        self._siblings: dict[tuple[str, int], list[PortEntry]] = {}
        for entry in holding.found.wanted:
            self._siblings.setdefault((entry.container_name, entry.number), []).append(entry)

    def grant(self, pools: Sequence[Pool]) -> None:
        """A number for each entry that has none; raises a `Refusal` when one can't be had."""
        if self._grant_all(pools):
            return
        missing = self._keep_again()
        for start in self._other_starts(pools):
            self._holding.placement = start
            if self._grant_all(pools):
                return
            self._keep_again()
        raise self._refusal(missing, pools)

    def _grant_all(self, pools: Sequence[Pool]) -> bool:
        adopt(self._holding, pools)
        missing = self._holding.missing
        if len(missing) == 1:
            return self._grant_group(missing, pools)
        return all(self._grant_group(group, pools) for group in self._groups(missing))

    def _keep_again(self) -> list[PortEntry]:
        """Nothing taken, and kept what can be."""
        self._holding.start_over()
        return keep(self._holding)

    def _other_starts(self, pools: Sequence[Pool]) -> list[Placement]:
        """Narrower placements to begin with: the first group may have led to nodes that have nothing for the others."""
        ways = (seen.placement for pool in pools for seen in self._holding.state.ways(pool, self._holding.placement))
        return [way for way in dict.fromkeys(ways) if way != self._holding.placement]

    def _groups(self, entries: Sequence[PortEntry]) -> list[Group]:
        """TCP and UDP of one containerPort go together, unless different numbers are asked for.

        Who asks for a number goes first, then who needs one for two protocols: the others might take it from them.
        """
        exact, prefer = self._holding.request.exact, self._holding.request.prefer
        groups: dict[tuple[str, int, int | None, int | None], Group] = {}
        for e in entries:
            groups.setdefault((e.container_name, e.number, exact.get(e.ref), prefer.get(e.ref)), []).append(e)
        ordered = [part for group in groups.values() for part in _one_per_protocol(group)]
        return sorted(ordered, key=lambda g: (g[0].ref not in exact, -len(g), g[0].ref not in prefer))

    def _grant_group(self, group: Group, pools: Sequence[Pool]) -> bool:
        ref = group[0].ref
        exact = self._holding.request.exact.get(ref)
        if exact is not None:
            return self._holding.take_first(group, exact, pools)
        for wished in (self._holding.request.prefer.get(ref), self._partner(group)):
            if wished is not None and self._holding.take_first(group, wished, pools):
                return True
        excuses = self._holding.excuses()
        for pool in pools:  # noqa: SIM110 - a generator costs more than the search it wraps
            if excuses.none(pool, group) and self._take_next(group, pool):
                return True
        return False

    def _refusal(self, missing: Sequence[PortEntry], pools: Sequence[Pool]) -> Refusal:
        """Why not all of these can be had: all or nothing, so what has been taken for some of them is free again."""
        for group in self._groups(missing):
            exact = self._holding.request.exact.get(group[0].ref)
            if exact is not None and not self._holding.take_first(group, exact, pools):
                refusal = self._holding.refused(group, exact, pools)
                self._holding.start_over()
                return refusal
        self._holding.start_over()
        excuses = self._holding.excuses()
        for pool in pools:
            if excuses.none(pool, missing):
                excuses.exhausted(pool, missing)
        return excuses.refusal()

    def _partner(self, group: Group) -> int | None:
        """The number that another protocol of the same containerPort has already."""
        siblings = self._siblings.get((group[0].container_name, group[0].number), ())
        there = (self._holding.numbers[entry][0] for entry in siblings if entry in self._holding.numbers)
        return next(there, None)

    def _take_next(self, group: Group, pool: Pool) -> bool:
        for seen in self._holding.state.ways(pool, self._holding.placement):
            bits = self._holding.free_for(seen.view, group)
            port = next_free(bits, self._start(pool, seen.view, bits, group[0]))
            if port >= 0:
                self._holding.take(group, pool, seen, port)
                self._holding.draft.turn(pool.name, port)
                return True
        return False

    def _start(self, pool: Pool, view: View, bits: bitarray, entry: PortEntry) -> int:
        match pool.policy:
            case "LowestFree":
                return 0
            case "Random":
                return random_start(bits, self._rng)
            case "Stable":
                return stable_start(f"{self._holding.workload.key}:{entry.ref}", view.valid[entry.protocol])
        return self._holding.state.cursors.get(pool.name)


def _one_per_protocol(group: Group) -> Iterator[Group]:
    """Entries that repeat a protocol can't share a number: the first of each protocol go together, then the second."""
    turns: Counter[Protocol] = Counter()
    parts: list[Group] = []
    for entry in group:
        turn = turns[entry.protocol]
        turns[entry.protocol] += 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(entry)
    yield from parts
