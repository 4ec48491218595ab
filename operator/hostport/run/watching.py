"""kopf's part: it watches workloads and pools; a handler hands over and is done.

Only event handlers, which return nothing: the other kinds write annotations or finalizers into people's objects.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import kopf

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


def registry(workloads: Workloads, pools: Pools, kinds: tuple[Kind, ...]) -> kopf.OperatorRegistry:
    """The handlers."""
    made = kopf.OperatorRegistry()
    for kind in kinds:
        _watch_kind(made, workloads, kind)

    @kopf.on.event(GROUP, VERSION, "hostportpools", registry=made, id="pool")
    async def on_pool(event: kopf.RawEvent, **_: Any) -> None:
        pools.event(event["type"], dict(event["object"]))

    @kopf.on.login(registry=made)
    async def on_login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    return made


def _watch_kind(made: kopf.OperatorRegistry, workloads: Workloads, kind: Kind) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=made, id=kind.plural)
    async def on_workload(event: kopf.RawEvent, **_: Any) -> None:
        workloads.event(kind, event["type"], dict(event["object"]))


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
    """Every event handler that succeeds is an INFO line of kopf's."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf").setLevel(logging.WARNING)


async def run(registry: kopf.OperatorRegistry, stop: asyncio.Event) -> None:
    """Watch until told to stop."""
    await kopf.operator(registry=registry, settings=settings(), standalone=True, clusterwide=True, stop_flag=stop)
