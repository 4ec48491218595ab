"""kopf's part: it watches workloads and pools; a handler hands over and is done.

Only event handlers, which return nothing: the other kinds write annotations or finalizers into people's objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Iterable
from typing import Any

import kopf
import uvloop

from hostport.api.names import GROUP, VERSION
from hostport.api.workload import Kind
from hostport.run.pools import Pools
from hostport.run.workloads import Workloads


class NothingRemembered(kopf.DiffBaseStorage):
    """No last-handled configuration: event handlers need none, and making one copies every object seen."""

    def build(self, **_: Any) -> Any:
        """Nothing to compare."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


class Watch:
    """kopf in a thread and an event loop of its own.

    When it ends it cancels every task that was made in its loop after it began, and waits five seconds for them; and in
    the main thread it takes the signal handlers. What it sees is handed to the loop that made the Watch.
    """

    def __init__(self, workloads: Workloads, pools: Pools, kinds: Iterable[Kind]) -> None:
        self._home = asyncio.get_running_loop()
        self._workloads = workloads
        self._pools = pools
        self._kinds = tuple(kinds)
        self._stop = threading.Event()
        self._ended: asyncio.Future[None] = self._home.create_future()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    async def run(self) -> None:
        """Watch until cancelled; raises what kopf died of."""
        self._thread.start()
        try:
            await asyncio.shield(self._ended)
        finally:
            self._stop.set()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            uvloop.run(self._operate())
        except BaseException as caught:  # noqa: BLE001 - whatever it is, the main loop must know
            error = caught
        with contextlib.suppress(RuntimeError):  # the main loop is gone: nobody is left to be told
            self._home.call_soon_threadsafe(self._tell_end, error)

    def _tell_end(self, error: BaseException | None) -> None:
        if not self._ended.done() and not self._stop.is_set():
            self._ended.set_exception(error or RuntimeError("kopf has ended by itself"))

    async def _operate(self) -> None:
        await kopf.operator(
            registry=self._registry(), settings=settings(), standalone=True, clusterwide=True, stop_flag=self._stop
        )

    def _registry(self) -> kopf.OperatorRegistry:
        made = kopf.OperatorRegistry()
        for kind in self._kinds:
            self._watch_kind(made, kind)

        @kopf.on.event(GROUP, VERSION, "hostportpools", registry=made, id="pool")
        async def on_pool(event: kopf.RawEvent, **_: Any) -> None:
            self._home.call_soon_threadsafe(self._pools.event, event["type"], dict(event["object"]))

        @kopf.on.login(registry=made)
        async def on_login(**kwargs: Any) -> kopf.ConnectionInfo | None:
            return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

        return made

    def _watch_kind(self, made: kopf.OperatorRegistry, kind: Kind) -> None:
        @kopf.on.event(kind.group, kind.version, kind.plural, registry=made, id=kind.plural)
        async def on_workload(event: kopf.RawEvent, **_: Any) -> None:
            self._home.call_soon_threadsafe(self._workloads.event, kind, event["type"], dict(event["object"]))


def settings() -> kopf.OperatorSettings:
    """Kopf's settings; each deviation from its defaults has a reason."""
    made = kopf.OperatorSettings()
    # Never used, but with the default an event-only operator takes other kopf operators' finalizers off.
    made.persistence.finalizer = f"{GROUP}/never-set"
    made.persistence.diffbase_storage = NothingRemembered()
    made.posting.enabled = False
    # A finite list ends the operator when the API server stays away for longer.
    made.networking.error_backoffs = _Backoffs()
    made.watching.chunk_size = 500
    # CRDs and namespaces need not be watched: ours are there before we start, and we serve the whole cluster.
    made.scanning.disabled = True
    return made


class _Backoffs:
    """Seconds between tries, without end. Iterable anew for every request."""

    def __iter__(self) -> itertools.chain[float]:
        return itertools.chain((0.5, 1, 2, 3, 5, 8), itertools.repeat(13))


def quiet() -> None:
    """Kopf logs every event handler that succeeds, and that it can't take the signals, which are ours."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
