"""Requests to the API server, many at a time."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp

from controlplane.cluster import ControlPlane

Json = dict[str, Any]
T = TypeVar("T")

DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


class Load:
    """An admin's connection. `at_once` requests are in flight at most."""

    def __init__(self, session: aiohttp.ClientSession, url: str, at_once: int) -> None:
        self._session = session
        self._url = url
        self._slots = asyncio.Semaphore(at_once)

    async def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Json:
        """One request; raises on anything but success."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self._slots, self._session.request(method, self._url + path, data=data, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status}: {text[:300]}")
            return dict(json.loads(text))

    async def each(self, items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
        """`work` for every item, as many at once as there are slots."""
        await asyncio.gather(*(work(item) for item in items))


@asynccontextmanager
async def load(plane: ControlPlane, at_once: int = 32) -> AsyncIterator[Load]:
    """A connection to a control plane as its admin."""
    context = ssl.create_default_context(cafile=str(plane.ca_file))
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    connector = aiohttp.TCPConnector(ssl=context, limit=at_once)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Load(session, plane.url, at_once)


def deployment(name: str, *, annotated: bool = True) -> Json:
    """A Deployment with one port, as users write it."""
    notes = {"hostport/auto": "true"} if annotated else {}
    container = {"name": "nginx", "image": "nginx", "ports": [{"name": "http", "containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": notes},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def bare_patch(port: int) -> list[Json]:
    """The least that puts a hostPort into such a Deployment."""
    return [{"op": "add", "path": "/spec/template/spec/containers/0/ports/0/hostPort", "value": port}]
