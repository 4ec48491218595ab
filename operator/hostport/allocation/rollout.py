"""Rollouts that could never finish: a hostPort fits once per node, so a new Pod may wait for the port of an old one.

Where a rollout wants more Pods at a time than there are nodes, the strategy is changed so that an old Pod leaves before
a new one comes. What stood there is remembered on the object and put back at the end. Nobody is fought: what has been
changed once is not changed again, whatever becomes of it, until it has been put back.
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


def fits(workload: Workload, nodes: int) -> bool:
    """Whether there is a node for each Pod that there may be at a time, and nothing was ever changed."""
    return workload.peak <= nodes and names.ROLLOUT_WAS not in workload.annotations


def adjust(workload: Workload, nodes: int, *, keep: bool) -> Adjustment | None:
    """What becomes of the strategy of a workload that has hostPorts of ours and whose Pods may run on so many nodes."""
    if names.ROLLOUT_WAS in workload.annotations:
        return restore(workload) if keep else None
    strategy, replicas = workload.strategy, _replicas(workload, nodes)
    if keep or strategy is None or not _is_crowded(strategy, replicas, nodes):
        return None
    amounts: Amounts = {MAX_SURGE: 0}
    if is_zero(strategy.max_unavailable):
        amounts[MAX_UNAVAILABLE] = 1
    was = {name: strategy.amounts[name] for name in amounts}
    text = (
        f"{_need(strategy, replicas, nodes)}, so that a new Pod would wait for the port of an old one; "
        f"{_changes(strategy, amounts)}. To refuse this and have it put back: {names.ROLLOUT}: keep"
    )
    return Adjustment(amounts, was, text)


def restore(workload: Workload) -> Adjustment | None:
    """What was changed is put back where it still is what we wrote; None where nothing was changed."""
    if names.ROLLOUT_WAS not in workload.annotations:
        return None
    strategy = workload.strategy
    ours = {MAX_SURGE: 0, MAX_UNAVAILABLE: 1}
    if strategy is not None:
        now = strategy.amounts
        back = {name: was for name, was in workload.rollout_was().items() if now[name] == ours[name] != was}
        if back and strategy.changed(back).is_valid:
            return Adjustment(back, {}, f"put back as it was: {_changes(strategy, back)}")
    return Adjustment({}, {}, "")


def remarks(workload: Workload, nodes: int, placement: Placement) -> Iterator[Remark]:
    """What a person should know about a workload that has hostPorts, as its strategy is now."""
    strategy, replicas = workload.strategy, _replicas(workload, nodes)
    if replicas > nodes:
        yield Remark("TooFewNodes", _too_few(placement, replicas, nodes))
    if strategy is not None and _is_crowded(strategy, replicas, nodes) and _hangs(strategy, replicas, nodes):
        yield Remark("RolloutWouldDeadlock", f"{_need(strategy, replicas, nodes)}. {_WAYS_OUT[_why(workload)]}")


_WAYS_OUT = {
    "keep": f"A rollout would never finish; set maxSurge to 0, or leave that to the operator: {names.ROLLOUT}: safe",
    "set back": "A rollout would never finish; the operator had set maxSurge to 0, somebody has set it back, "
    "and the operator leaves it so. Set maxSurge to 0 and maxUnavailable to at least 1",
}


def _why(workload: Workload) -> str:
    return "set back" if names.ROLLOUT_WAS in workload.annotations else "keep"


def _replicas(workload: Workload, nodes: int) -> int:
    """A DaemonSet has no count: it wants one Pod on each node."""
    return nodes if workload.replicas is None else workload.replicas


def _is_crowded(strategy: Strategy, replicas: int, nodes: int) -> bool:
    """Whether a rollout wants more Pods at a time than there are nodes for."""
    surge = strategy.surge(replicas)
    return min(surge, replicas, nodes) > 0 and replicas + surge > nodes


def _hangs(strategy: Strategy, replicas: int, nodes: int) -> bool:
    """Whether no old Pod may leave before a new one is ready, and none can be for want of a node."""
    return nodes <= replicas - strategy.unavailable(replicas)


def _need(strategy: Strategy, replicas: int, nodes: int) -> str:
    surge = strategy.surge(replicas)
    return (
        f"a hostPort fits once per node, and {_count(replicas, 'replica')} and {surge} more during a rollout "
        f"(maxSurge {shown(json.dumps(strategy.max_surge))}) need {replicas + surge} nodes where there "
        f"{'is' if nodes == 1 else 'are'} {nodes}"
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
