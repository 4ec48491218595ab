"""A thousand Deployments at full speed: with a bare JSON patch of each, and with the operator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bench.load import DEPLOYMENTS, Load, bare_patch, deployment, load
from controlplane.cluster import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.wait import until

T = TypeVar("T")

_PATCHED = "hostport_allocation_duration_seconds_count"


@dataclass(frozen=True)
class Burst:
    """Seconds of both ways, of one round."""

    bare: float
    ours: float
    resident_mb: float

    @property
    def ratio(self) -> float:
        """How many times as long as the bare loop."""
        return self.ours / self.bare


def round_of(plane: ControlPlane, operator: OperatorProcess, number: int, count: int) -> Burst:
    """Both ways once, each in a namespace of its own that is empty again before the next begins."""
    bare = _timed_bare(plane, f"bare-{number}", count)
    operator.start()
    try:
        ours, resident = _timed_ours(plane, operator, f"ours-{number}", count)
    finally:
        operator.stop()
    return Burst(bare, ours, resident)


def _timed_bare(plane: ControlPlane, namespace: str, count: int) -> float:
    async def run() -> float:
        async with load(plane) as client:
            began = time.monotonic()
            await client.each(range(count), lambda i: _create_and_patch(client, namespace, i))
            return time.monotonic() - began

    return _in_namespace(plane, namespace, lambda: asyncio.run(run()))


async def _create_and_patch(client: Load, namespace: str, i: int) -> None:
    path = DEPLOYMENTS.format(namespace)
    await client.call("POST", path, deployment(f"web-{i}", annotated=False))
    await client.call("PATCH", f"{path}/web-{i}", bare_patch(20000 + i), "application/json-patch+json")


def _timed_ours(plane: ControlPlane, operator: OperatorProcess, namespace: str, count: int) -> tuple[float, float]:
    async def create() -> None:
        async with load(plane) as client:
            path = DEPLOYMENTS.format(namespace)
            await client.each(range(count), lambda i: client.call("POST", path, deployment(f"web-{i}")))

    def run() -> tuple[float, float]:
        began = time.monotonic()
        asyncio.run(create())
        until(lambda: operator.metric(_PATCHED) >= count, "all are patched", lambda: operator.log[-2000:], 120)
        took = time.monotonic() - began
        _verify(plane, namespace, count)
        return took, operator.resident_bytes() / 2**20

    return _in_namespace(plane, namespace, run)


def _verify(plane: ControlPlane, namespace: str, count: int) -> None:
    """Every template has a number of its own; what is fast and wrong is not fast."""
    path = "{range .items[*]}{.spec.template.spec.containers[0].ports[0].hostPort}{'\\n'}{end}"
    numbers = plane.kubectl("-n", namespace, "get", "deployments", "-o", f"jsonpath={path}").split()
    if len(set(numbers)) != count:
        raise AssertionError(f"{count} Deployments have {len(set(numbers))} distinct numbers")


def _in_namespace(plane: ControlPlane, namespace: str, work: Callable[[], T]) -> T:
    plane.kubectl("create", "namespace", namespace)
    try:
        return work()
    finally:
        plane.kubectl("delete", "namespace", namespace, "--timeout=300s")
