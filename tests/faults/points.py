"""The named points at which the operator is killed: a function of the product, and whether before or after it.

The product knows nothing of them: `arm` wraps its functions in the process that is to die.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

Wanted = Callable[..., bool]


def _always(*_: Any) -> bool:
    return True


def _has_changes(_: Any, changes: Any) -> bool:
    return bool(changes)


def _writes(state: str) -> Wanted:
    """Whether a write to a block brings a lease into that state; `gone` takes one out."""

    def wanted(_: Any, __: Any, changes: Any) -> bool:
        return any((lease.state if lease is not None else "gone") == state for lease in changes.values())

    return wanted


def _is_further(_: Any, block: Any) -> bool:
    return not block.home


def _is_summary(_: Any, __: Any, status: Any) -> bool:
    return "capacity" in status


def _repairs(_: Any, todo: Any) -> bool:
    return bool(todo.again or todo.leaks)


@dataclass(frozen=True)
class Point:
    """`function` is `module:Class.name` or `module:name`; `wanted` is asked with its arguments."""

    name: str
    function: str
    after: bool
    wanted: Wanted = _always


_LEDGER = "hostport.ledger.ledger:Ledger"
_BLOCKS = "hostport.cluster.blocks:KubernetesBlocks"

_REPAIR = "hostport.run.repairer:Repairer._carry_out"
IN_REPAIR = "in repair"
BLOCK_REMOVED = "block of an ended pool removed, the pool not"

POINTS = {
    point.name: point
    for point in (
        Point("planned, nothing committed", f"{_LEDGER}.commit", after=False, wanted=_has_changes),
        Point("finalizer on the pool, no lease yet", f"{_BLOCKS}.hold", after=True),
        Point("block object made, its status not written", f"{_BLOCKS}.create", after=True, wanted=_is_further),
        Point("commit carried out, answer lost", f"{_BLOCKS}.write", after=True, wanted=_writes("active")),
        Point("committed, template not patched", "hostport.cluster.templates:write", after=False),
        Point("patched, event not sent", "hostport.cluster.templates:write", after=True),
        Point("releasing written", f"{_BLOCKS}.write", after=True, wanted=_writes("releasing")),
        Point("before released is written", f"{_BLOCKS}.write", after=False, wanted=_writes("released")),
        Point("released written", f"{_BLOCKS}.write", after=True, wanted=_writes("released")),
        Point("lease taken out", f"{_BLOCKS}.write", after=True, wanted=_writes("gone")),
        Point("before the pool's summary is written", f"{_BLOCKS}.write_status", after=False, wanted=_is_summary),
        Point("the pool's summary written", f"{_BLOCKS}.write_status", after=True, wanted=_is_summary),
        Point(BLOCK_REMOVED, f"{_BLOCKS}.remove", after=True),
        Point(f"{IN_REPAIR}, before it does anything", _REPAIR, after=False, wanted=_repairs),
        Point(f"{IN_REPAIR}, workloads handed to the desk", _REPAIR, after=True, wanted=_repairs),
        Point("asking whether a workload is gone", "hostport.run.delivery:Delivery._confirm", after=False),
    )
}


def arm(name: str, passages: int) -> None:
    """Let this process die at a point, the `passages`-th time it comes there."""
    point = POINTS[name]
    holder, attribute = _find(point.function)
    left = passages
    real = getattr(holder, attribute)

    def passes(args: tuple[Any, ...]) -> None:
        nonlocal left
        left -= point.wanted(*args)
        if not left:
            sys.stderr.write(f"killed: {name}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    @wraps(real)
    def deadly_at_once(*args: Any) -> Any:
        if not point.after:
            passes(args)
        result = real(*args)
        if point.after:
            passes(args)
        return result

    @wraps(real)
    async def deadly(*args: Any) -> Any:
        if not point.after:
            passes(args)
        result = await real(*args)
        if point.after:
            passes(args)
        return result

    setattr(holder, attribute, deadly if iscoroutinefunction(real) else deadly_at_once)


def _find(function: str) -> tuple[Any, str]:
    module, _, path = function.partition(":")
    *outer, attribute = path.split(".")
    holder = importlib.import_module(module)
    for name in outer:
        holder = getattr(holder, name)
    return holder, attribute
