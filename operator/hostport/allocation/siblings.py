"""Ports of one containerPort, which go on one number where their protocols differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hostport.allocation.holding import Group
from hostport.api.podspec import PortEntry
from hostport.api.ports import Protocol


def groups_of(entries: Sequence[PortEntry], fixed: Mapping[PortEntry, int]) -> list[Group]:
    """TCP and UDP of one containerPort in one group, unless they are `fixed` on different numbers already."""
    groups: list[Group] = []
    families: dict[tuple[str, int], _Family] = defaultdict(_Family)
    for entry in entries:
        group = families[entry.container_name, entry.number].join(entry, fixed.get(entry, 0))
        if len(group) == 1:
            groups.append(group)
    return groups


class _Family:
    """The groups of one containerPort. Who comes joins the first that has no entry of his protocol and number.

    `_room`: by protocol, the groups without it; by protocol and number (0: on none yet), the same. All of them by their
    turn, so that the first is found at once.
    """

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self._numbers: list[int] = []
        self._room: dict[Protocol | tuple[Protocol, int], dict[int, None]] = defaultdict(dict)

    def join(self, entry: PortEntry, number: int) -> Group:
        """The group that the entry is in from now on, a new one if there is no room for it."""
        turn = self._turn(entry.protocol, number)
        if turn is None:
            turn = self._begin()
        self._groups[turn].append(entry)
        del self._room[entry.protocol][turn]
        del self._room[entry.protocol, self._numbers[turn]][turn]
        if number and not self._numbers[turn]:
            self._settle(turn, number)
        return self._groups[turn]

    def _turn(self, protocol: Protocol, number: int) -> int | None:
        if not number:
            return next(iter(self._room[protocol]), None)
        free, same = self._room[protocol, 0], self._room[protocol, number]
        return min((*([next(iter(free))] if free else []), *same), default=None)

    def _begin(self) -> int:
        turn = len(self._groups)
        self._groups.append([])
        self._numbers.append(0)
        for protocol in Protocol:
            self._room[protocol][turn] = self._room[protocol, 0][turn] = None
        return turn

    def _settle(self, turn: int, number: int) -> None:
        self._numbers[turn] = number
        for protocol in Protocol:
            if turn in self._room[protocol, 0]:
                del self._room[protocol, 0][turn]
                self._room[protocol, number][turn] = None
