"""Rollouts that could never finish: a hostPort fits once per node, so a new Pod may wait for the port of an old one.

Where a rollout wants more Pods at a time than there are nodes, the strategy is changed so that an old Pod leaves before
a new one comes; but not before a Pod with the number is ready: the first rollout needs no such room, for its old Pods
hold no number, and where no Pod can be made the old ones stay. What stood there is remembered on the object and put
back at the end. Set back by others it is written again, as often as the workload's budget allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from hostport.api import names
from hostport.api.errors import shown
from hostport.api.placement import Placement
from hostport.api.strategy import MAX_SURGE, MAX_UNAVAILABLE, Amounts, Strategy, is_zero
from hostport.api.workload import Workload

_OURS: Amounts = {MAX_SURGE: 0, MAX_UNAVAILABLE: 1}


class Room(NamedTuple):
    """The nodes on which Pods may run: those that take new ones now, and those that do not (cordoned, not ready)."""

    open: int
    closed: int = 0

    @property
    def nodes(self) -> int:
        """All of them."""
        return self.open + self.closed


class Adjustment(NamedTuple):
    """A change of the strategy: new amounts, what `hostport/rollout-was` says (empty: taken away), and it all in words.

    Without `amounts` only the annotation goes, and there is nothing to tell.
    """

    amounts: Amounts
    was: Amounts
    text: str


class Remark(NamedTuple):
    """A warning that is told once for each generation of a workload; a lasting one once as long as it holds."""

    reason: str
    text: str
    lasting: bool = False


def fits(workload: Workload, room: Room) -> bool:
    """Whether there is a node for each Pod that there may be at a time, and nothing was ever changed."""
    return workload.peak <= room.open and names.ROLLOUT_WAS not in workload.annotations


def adjust(workload: Workload, room: Room, *, keep: bool, runs: bool) -> Adjustment | None:
    """What becomes of the strategy of a workload that has hostPorts of ours and whose Pods have so much room.

    `runs`: a Pod with one of them is ready.
    """
    if keep:
        return restore(workload)
    strategy, replicas = workload.strategy, _replicas(workload, room)
    if strategy is None or not runs or not _is_crowded(strategy, replicas, room):
        return None
    amounts: Amounts = {MAX_SURGE: 0}
    if is_zero(strategy.max_unavailable):
        amounts[MAX_UNAVAILABLE] = 1
    was = {name: strategy.amounts[name] for name in amounts}
    text = (
        f"{_need(strategy, replicas, room)}, so that a new Pod would wait for the port of an old one; "
        f"{_changes(strategy, amounts)}. To refuse this and have it put back: {names.ROLLOUT}: keep"
    )
    return Adjustment(amounts, {**_still_ours(workload, strategy), **was}, text)


def _still_ours(workload: Workload, strategy: Strategy) -> Amounts:
    """What `hostport/rollout-was` says about amounts that are as the operator wrote them."""
    return {name: was for name, was in workload.rollout_was().items() if strategy.amounts[name] == _OURS[name]}


def restore(workload: Workload) -> Adjustment | None:
    """What was changed is put back where it still is what we wrote; None where nothing was changed."""
    if names.ROLLOUT_WAS not in workload.annotations:
        return None
    strategy = workload.strategy
    if strategy is not None:
        back = {name: was for name, was in _still_ours(workload, strategy).items() if was != _OURS[name]}
        if back and strategy.changed(back).is_valid:
            return Adjustment(back, {}, f"put back as it was: {_changes(strategy, back)}")
    return Adjustment({}, {}, "")


def remarks(workload: Workload, room: Room, placement: Placement, *, keep: bool) -> Iterator[Remark]:
    """What a person should know about a workload that has hostPorts, as its strategy is now.

    That a rollout could never finish is the operator's own business, unless it is told to `keep` the strategy.
    """
    strategy, replicas = workload.strategy, _replicas(workload, room)
    if replicas > room.nodes:
        yield Remark("TooFewNodes", _too_few(placement, replicas, room.nodes))
    if keep and strategy is not None and _is_crowded(strategy, replicas, room) and _hangs(strategy, replicas, room):
        way_out = f"set maxSurge to 0, or leave that to the operator: {names.ROLLOUT}: safe"
        yield Remark(
            "RolloutWouldDeadlock", f"{_need(strategy, replicas, room)}. A rollout would never finish; {way_out}"
        )


def _replicas(workload: Workload, room: Room) -> int:
    """A DaemonSet has no count: it wants one Pod on each node."""
    return room.nodes if workload.replicas is None else workload.replicas


def _is_crowded(strategy: Strategy, replicas: int, room: Room) -> bool:
    """Whether a rollout wants more Pods at a time than there are nodes for."""
    surge = strategy.surge(replicas)
    return min(surge, replicas, room.nodes) > 0 and replicas + surge > room.open


def _hangs(strategy: Strategy, replicas: int, room: Room) -> bool:
    """Whether no old Pod may leave before a new one is ready, and none can be for want of a node."""
    return room.open <= replicas - strategy.unavailable(replicas)


def _need(strategy: Strategy, replicas: int, room: Room) -> str:
    surge = strategy.surge(replicas)
    closed = f" that {'takes' if room.open == 1 else 'take'} Pods now ({room.closed} more cordoned or not ready)"
    return (
        f"a hostPort fits once per node, and {_count(replicas, 'replica')} and {surge} more during a rollout "
        f"(maxSurge {shown(json.dumps(strategy.max_surge))}) need {replicas + surge} nodes where there "
        f"{'is' if room.open == 1 else 'are'} {room.open}{closed if room.closed else ''}"
    )


def _changes(strategy: Strategy, amounts: Amounts) -> str:
    changes = (f"{k} {shown(json.dumps(strategy.amounts[k]))} → {shown(json.dumps(v))}" for k, v in amounts.items())
    return f"spec.{strategy.field}.rollingUpdate: {', '.join(changes)}"


def _too_few(placement: Placement, replicas: int, nodes: int) -> str:
    where = f" ({placement})" if str(placement) else ""
    waiting = replicas - nodes
    return (
        f"{_count(replicas, 'replica')}, and the Pods may run on {_count(nodes, 'node')}{where}: a hostPort fits once "
        f"per node, so that {_count(waiting, 'Pod')} will stay Pending; it takes fewer replicas or more nodes"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
