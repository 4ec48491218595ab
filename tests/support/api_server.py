"""Lists and watches over HTTP with whatever in them: what a real API server sends, and what it never would."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from hostport.cluster.client import Api

Json = dict[str, Any]


def escaped(raw: object) -> bytes:
    """JSON as the API server writes it: `<`, `>` and `&` are six bytes each."""
    text = json.dumps(raw)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


class ApiServer:
    """`lists`: the objects of each collection, at the version `version`. `asked`: method and path as they came in.

    `bodies`: what is answered to a path in place of anything else.
    """

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = defaultdict(list)
        self.version = 10
        self.asked: list[tuple[str, str]] = []
        self.bodies: dict[str, bytes] = {}
        self._lines: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._more = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.api = Api(ApiClient(configuration))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.api.close()
        await self._runner.cleanup()

    def send(self, path: str, version: int, line: bytes) -> None:
        """Bring a line to everybody who watches the collection from an earlier version."""
        self._lines[path].append((version, line + b"\n"))
        self._more.set()

    def event(self, path: str, kind: str, raw: Json) -> None:
        """Bring an event."""
        self.send(path, int(raw["metadata"]["resourceVersion"]), escaped({"type": kind, "object": raw}))

    def watches(self, path: str) -> int:
        """How often the collection has been watched."""
        return sum(asked.startswith(f"{path}?") and "watch=1" in asked for _, asked in self.asked)

    def listed(self, path: str) -> int:
        """How often the collection has been listed, pages of one object not counted."""
        return sum(asked.startswith(f"{path}?") and "limit=500" in asked for _, asked in self.asked)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path))
        if request.raw_path in self.bodies:
            return web.Response(body=self.bodies[request.raw_path], content_type="application/json")
        if "watch" in request.query:
            return await self._watch(request)
        if request.path in self.lists:
            page = {"metadata": {"resourceVersion": str(self.version)}, "items": self.lists[request.path]}
            return web.Response(body=escaped(page), content_type="application/json")
        return web.json_response({"message": "there is no such object"}, status=404)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        since, sent = int(request.query["resourceVersion"]), 0
        while True:
            lines, self._more = self._lines[request.path], self._more
            for version, line in lines[sent:]:
                if version > since:
                    await response.write(line)
            sent = len(lines)
            self._more.clear()
            await self._more.wait()
