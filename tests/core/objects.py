"""An API server in memory: objects by their path, a version for each write, merge patches and JSON patches."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable
from typing import Any, cast

import jsonpatch

from hostport.cluster import paths
from hostport.cluster.client import Api
from hostport.cluster.errors import ApiError, Conflict, Invalid, NotFound
from hostport.cluster.unreadable import Unreadable
from hostport.run.office import Office
from tests.core import build
from tests.core.build import Json


class Objects:
    """`asked` are method and path of every request; `fails` may give an error for one; `seen` is told of each write."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.asked: list[tuple[str, str]] = []
        self.fails: Callable[[str, str], ApiError | None] = lambda _method, _path: None
        self.seen: Callable[[str, Json], None] = lambda _path, _raw: None
        self.unreadable = Unreadable()
        self._version = 10

    def put(self, path: str, raw: Json) -> Json:
        """Write an object as it is given."""
        self._version += 1
        raw = copy.deepcopy(raw)
        raw["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = raw
        self.seen(path, copy.deepcopy(raw))
        return copy.deepcopy(raw)

    async def get(self, path: str, **_query: Any) -> Json:
        await self._take("GET", path)
        if path not in self.objects:
            raise NotFound(404, "not found", path)
        return copy.deepcopy(self.objects[path])

    async def create(self, path: str, body: Json) -> Json:
        await self._take("POST", path)
        return self.put(f"{path}/{body['metadata']['name']}", body)

    async def patch(self, path: str, body: Any, _kind: str = "") -> Json:
        await self._take("PATCH", path)
        path = path.removesuffix("/status")
        if path not in self.objects:
            raise NotFound(404, "not found", path)
        old = self.objects[path]
        new = _patched(old, body, path)
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        return self.put(path, new)

    async def _take(self, method: str, path: str) -> None:
        self.asked.append((method, path))
        await asyncio.sleep(0)
        error = self.fails(method, path)
        if error is not None:
            raise error


def _patched(old: Json, body: Any, path: str) -> Json:
    new = copy.deepcopy(old)
    if isinstance(body, list):
        try:
            return cast(Json, jsonpatch.apply_patch(new, body))
        except jsonpatch.JsonPatchException as error:
            raise Invalid(422, str(error), path) from error
    version = (body.get("metadata") or {}).get("resourceVersion")
    if version not in (None, old["metadata"]["resourceVersion"]):
        raise Conflict(409, "somebody else was there", path)
    _merge(new, body)
    return new


def _merge(old: Json, change: Json) -> None:
    for name, value in change.items():
        if value is None:
            old.pop(name, None)
        elif isinstance(value, dict):
            _merge(old.setdefault(name, {}), value)
        else:
            old[name] = value


def open_office(api: Objects) -> Office:
    """An office of the one operator there is, with three nodes."""
    office = Office.open(cast(Api, api), "me", (30000, 32767))
    office.leadership.last(math.inf)
    office.leadership.begin()
    office.state.see_nodes(build.node(f"n{number}") for number in range(3))
    return office


def pool(name: str, *ranges: str, **spec: object) -> Json:
    """A pool as it stands at the API server."""
    meta = {"name": name, "uid": f"uid-{name}", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"ranges": list(ranges), **spec}, "status": {}}


def served(manifest: Json, uid: str = "") -> tuple[str, Json]:
    """A Deployment as it stands at the API server, with its path."""
    meta = manifest["metadata"]
    given = {"uid": uid or f"uid-{meta['name']}", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    key = f"Deployment/{meta['namespace']}/{meta['name']}"
    return paths.workload(key), {**manifest, "metadata": {**given, **meta}}
