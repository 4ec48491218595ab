"""The node agent: looks at its node again and again, and reports what has changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, NotFound
from hostport.cluster.reports import NodeReport, node_of
from hostport.node.facts import Sight
from hostport.node.look import Look
from hostport.node.report import compose, keep
from hostport.run import clock

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the command line decides."""

    node: str
    root: Path
    interval: float


class Agent:
    """Two looks make a report: what comes and goes between them is nobody's business."""

    def __init__(self, look: Callable[[], Sight], report: NodeReport, interval: float) -> None:
        self._look = look
        self._report = report
        self._interval = interval
        self._before: Sight | None = None
        self._written: Json | None = None
        self._written_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            try:
                await self.look()
            except NotFound as error:
                logger.warning("%s; is the CRD installed? kubectl apply -f crds/", error)
            except ApiError as error:
                logger.warning("%s; trying again in %.0f s", error, self._interval)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await stop.wait()

    async def look(self) -> None:
        """One look; written if it differs from what was written last, or if that was long ago."""
        sight = await asyncio.to_thread(self._look)
        status = keep(compose(sight, self._before), self._written)
        self._before = sight
        due = clock.monotonic() - self._written_at >= HEARTBEAT_SECONDS
        if not due and self._written is not None and _same(status, self._written):
            return
        for gap in sight.gaps:
            logger.warning("%s", gap)
        status = _dated(status, self._written)
        await self._report.write({**status, "seen": clock.now(), "heartbeatSeconds": HEARTBEAT_SECONDS})
        self._written, self._written_at = status, clock.monotonic()
        figures = (status["listenerCount"], status["hostPortCount"], status["staleCount"])
        logger.info("reported: listeners %d, hostPort rules %d, stale %d", *figures)


def _same(status: Json, written: Json) -> bool:
    return _dated(status, written) == written


def _dated(status: Json, before: Json | None) -> Json:
    """With the time since when its condition holds, as metav1.Condition wants it."""
    (condition,) = status["conditions"]
    (known,) = before["conditions"] if before is not None else ({},)
    same = known.get("status") == condition["status"]
    return {
        **status,
        "conditions": [{**condition, "lastTransitionTime": known["lastTransitionTime"] if same else clock.now()}],
    }


async def serve(options: AgentOptions) -> None:
    """Report until SIGTERM or SIGINT; raises `ApiError` where there is no cluster."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = await Api.connect()
    try:
        named, uid = node_of(await api.token())
        if named != options.node:
            uid = ""
            logger.warning(
                "this ServiceAccount's token does not say that it is for node %s, so that its HostPortNode will not go "
                "with the Node: it takes Kubernetes 1.30 and a Pod on that node",
                options.node,
            )
        look = Look(options.root)
        report = NodeReport(api, options.node, uid)
        await Agent(lambda: look.sight(with_flows=False), report, options.interval).run(stop)
    finally:
        await api.close()
