"""/metrics for Prometheus; /healthz and /readyz for the kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str]

# At the end a scraper that does not read what it has asked for is not waited for.
_END_SECONDS = 1.0


async def serve_metrics(registry: CollectorRegistry, port: int) -> web.AppRunner:
    """Serve the registry on every address; port 0 picks a free one."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return await _serve({"/metrics": metrics}, port)


async def serve_health(alive: Check, ready: Check, port: int) -> web.AppRunner:
    """Serve probes. A check answers what is wrong, or the empty string."""

    def probe(check: Check) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            wrong = check()
            return web.Response(text=wrong or "ok", status=503 if wrong else 200)

        return answer

    return await _serve({"/healthz": probe(alive), "/readyz": probe(ready)}, port)


async def _serve(routes: dict[str, Callable[..., object]], port: int) -> web.AppRunner:
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, None, port)
    await asyncio.wait_for(site.start(), timeout=10)
    return runner


def port_of(runner: web.AppRunner) -> int:
    """The port that a server listens on."""
    return int(runner.addresses[0][1])
