"""A proxy between an operator and the API server that does what networks and busy servers do."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Self

import aiohttp
from aiohttp import web

from controlplane.cluster import ControlPlane

HOST = "127.0.0.1"
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}

Wanted = Callable[[web.Request], bool]
Forward = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]


class Proxy:
    """Forwards everything, but does `faults` to the requests that are wanted for them, the first that is.

    Plain HTTP on a port of its own, in a thread of its own. `done` counts the faults by name.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._faults: dict[str, tuple[Wanted, Fault]] = {}
        self._streams: dict[web.StreamResponse, web.Request] = {}
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = f"http://{HOST}:{self._ready.result(30)}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    def does(self, name: str, fault: Fault, wanted: Wanted = lambda _: True) -> None:
        """From now on, until `stops`."""
        self._faults[name] = (wanted, fault)

    def stops(self, name: str) -> None:
        """No more of it."""
        self._faults.pop(name, None)

    def cut(self, part: str = "") -> int:
        """Break off all watches of paths that contain `part`; returns how many."""
        return asyncio.run_coroutine_threadsafe(self._cut(part), self._loop).result(30)

    async def _cut(self, part: str) -> int:
        cut = [stream for stream, request in self._streams.items() if part in request.path]
        for stream in cut:
            _break(self._streams[stream])
        return len(cut)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        context = ssl.create_default_context(cafile=str(self._plane.ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False, skip_auto_headers=["Accept-Encoding", "Content-Type"]
        ) as self._session:
            app = web.Application(client_max_size=2**24)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, HOST, 0).start()
            self._ready.set_result(int(runner.addresses[0][1]))
            await self._end.wait()
            await self._cut("")
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        for name, (wanted, fault) in list(self._faults.items()):
            if wanted(request):
                self.done[name] += 1
                return await fault(request, lambda: self._forward(request))
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read() or None
        url = self._plane.url + request.raw_path
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, timeout=timeout
            ) as answer:
                return await self._relay(request, answer)
        except aiohttp.ClientError:
            _break(request)
            raise

    async def _relay(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        if "watch" not in request.query:
            return web.Response(status=answer.status, headers=headers, body=await answer.read())
        stream = web.StreamResponse(status=answer.status, headers=headers)
        await stream.prepare(request)
        self._streams[stream] = request
        try:
            async for chunk in answer.content.iter_any():
                await stream.write(chunk)
        finally:
            del self._streams[stream]
        return stream


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def answers(status: int, message: str, **headers: str) -> Fault:
    """The API server would be asked, but this comes back at once."""

    async def fault(_: web.Request, __: Forward) -> web.StreamResponse:
        said: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({**said, "message": message, "code": status}, status=status, headers=named)

    return fault


def slow(seconds: float) -> Fault:
    """Every answer takes that much longer."""

    async def fault(_: web.Request, forward: Forward) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await forward()

    return fault


def withholds(until: threading.Event) -> Fault:
    """The answer is as of now, and comes later."""

    async def fault(_: web.Request, forward: Forward) -> web.StreamResponse:
        answer = await forward()
        await asyncio.to_thread(until.wait, 120)
        return answer

    return fault


def loses_the_answer() -> Fault:
    """The request is carried out, and the connection breaks before that is known."""

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        answer = await forward()
        _break(request)
        return answer

    return fault


def every(count: int, wanted: Wanted = lambda _: True) -> Wanted:
    """One of so many that are wanted, the first of them first."""
    seen = 0

    def chosen(request: web.Request) -> bool:
        nonlocal seen
        if not wanted(request):
            return False
        seen += 1
        return seen % count == 1 or count == 1

    return chosen


def writes(part: str) -> Wanted:
    """Requests that change something at a path that contains `part`."""
    return lambda request: request.method != "GET" and part in request.path


def watches(part: str) -> Wanted:
    """Lists and watches of a collection whose path ends so."""
    return lambda request: request.method == "GET" and request.path.endswith(part)
