"""kopf's part: it watches workloads and pools; a handler hands over and is done.

Only event handlers, which return nothing: the other kinds write annotations or finalizers into people's objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import kopf

from hostport.api.names import GROUP, VERSION
from hostport.api.workload import Kind
from hostport.cluster import paths
from hostport.cluster.client import Json
from hostport.cluster.complaints import Complaints
from hostport.cluster.reader import pauses
from hostport.run import clock
from hostport.run.pools import Pools
from hostport.run.workloads import Workloads

logger = logging.getLogger(__name__)

Take = Callable[[str | None, Json], None]

# A kopf that has lasted this long has not ended of what the one before did.
_LASTED_SECONDS = 60.0
_THREAD = "kopf"
_LONGEST_END_SECONDS = 5.0


# Never used, but without one kopf asks the password file who we are, and in a container we stand in none.
_IDENTITY: Any = "hostport-operator"


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
    the main thread it takes the signal handlers. What it sees is handed to the loop that made the Watch. `listing` is
    called with the collection's path for every object that comes from a list and not from a watch.
    """

    def __init__(
        self, workloads: Workloads, pools: Pools, kinds: Iterable[Kind], listing: Callable[[str], None]
    ) -> None:
        self._home = asyncio.get_running_loop()
        self._workloads = workloads
        self._pools = pools
        self._kinds = tuple(kinds)
        self._listing = listing

    async def run(self) -> None:
        """Watch until cancelled. An error that kopf has no remedy for ends it, and it is begun anew."""
        waits = pauses()
        while True:
            began = clock.monotonic()
            try:
                await self._one_life()
            except Exception as error:  # noqa: BLE001 - whatever it is, watching must go on
                waits = pauses() if clock.monotonic() - began > _LASTED_SECONDS else waits
                pause = next(waits)
                logger.warning("kopf has ended (%s: %s); beginning anew in %.1f s", type(error).__name__, error, pause)
                await asyncio.sleep(pause)

    async def _one_life(self) -> None:
        await _until_no_other_runs()
        stop, ended = threading.Event(), self._home.create_future()
        threading.Thread(target=self._run, args=(stop, ended), name=_THREAD, daemon=True).start()
        try:
            error = await asyncio.shield(ended)
        finally:
            stop.set()
        raise error if isinstance(error, Exception) else RuntimeError(f"it has stopped: {error}")

    def _run(self, stop: threading.Event, ended: asyncio.Future[BaseException | None]) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operate(stop))
        except BaseException as caught:  # noqa: BLE001 - whatever it is, the main loop must know
            error = caught
        self._call_home(ended.set_result, error)

    async def _operate(self, stop: threading.Event) -> None:
        await kopf.operator(
            registry=self._registry(stop),
            settings=settings(),
            standalone=True,
            clusterwide=True,
            identity=_IDENTITY,
            stop_flag=stop,
        )

    def _registry(self, stop: threading.Event) -> kopf.OperatorRegistry:
        made = kopf.OperatorRegistry()
        for kind in self._kinds:
            self._watch_kind(made, kind, stop)

        @kopf.on.event(GROUP, VERSION, "hostportpools", registry=made, id="pool")
        async def on_pool(event: kopf.RawEvent, **_: Any) -> None:
            self._hand_over(paths.POOLS, self._pools.event, event, stop)

        @kopf.on.login(registry=made)
        async def on_login(**kwargs: Any) -> kopf.ConnectionInfo | None:
            return kopf.login_with_kubeconfig(**kwargs) or _login_in_pod(**kwargs)

        return made

    def _watch_kind(self, made: kopf.OperatorRegistry, kind: Kind, stop: threading.Event) -> None:
        path, take = paths.workloads(kind.name), partial(self._workloads.event, kind)

        @kopf.on.event(kind.group, kind.version, kind.plural, registry=made, id=kind.plural)
        async def on_workload(event: kopf.RawEvent, **_: Any) -> None:
            self._hand_over(path, take, event, stop)

    def _hand_over(self, path: str, take: Take, event: kopf.RawEvent, stop: threading.Event) -> None:
        self._call_home(self._receive, stop, path, take, event["type"], dict(event["object"]))

    def _receive(self, stop: threading.Event, path: str, take: Take, what: str | None, raw: Json) -> None:
        if stop.is_set():  # handed over before kopf was stopped, or while it ends
            return
        if what is None:
            self._listing(path)
        take(what, raw)

    def _call_home(self, call: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the main loop is gone: nobody is left to be told
            self._home.call_soon_threadsafe(call, *args)


async def _until_no_other_runs() -> None:
    """Wait for the kopf of a former life, but not for ever: its end may hang, and what it still sees is passed over."""
    for thread in threading.enumerate():
        if thread.name == _THREAD:
            await asyncio.to_thread(thread.join, _LONGEST_END_SECONDS)


def _login_in_pod(**kwargs: Any) -> kopf.ConnectionInfo | None:
    found, host = kopf.login_with_service_account(**kwargs), os.environ.get("KUBERNETES_SERVICE_HOST")
    if not found or not host:
        return found
    # kopf asks the cluster's DNS for kubernetes.default.svc. That may be away; the address the kubelet tells is not.
    place = f"[{host}]" if ":" in host else host
    return dataclasses.replace(found, server=f"https://{place}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}")


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


def quiet(complaints: Complaints) -> None:
    """Kopf logs every event handler that succeeds, that it can't take the signals, which are ours, and every retry."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    for name in ("kopf._cogs.clients.watching", "kopf._core.reactor.observation"):
        logging.getLogger(name).addFilter(_Retries(complaints))


class _Retries(logging.Filter):
    """A line of kopf's about a request that it is going to repeat is one more complaint of the same cause."""

    def __init__(self, complaints: Complaints) -> None:
        super().__init__()
        self._complaints = complaints

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what is counted instead of logged."""
        what, found, why = record.getMessage().partition("; will retry: ")
        if found and what.startswith("Request attempt"):
            self._complaints.failed(f"{why.partition(' -> ')[2].partition('(')[0]} of kopf's", f"kopf: {why[:300]}")
        return not found
