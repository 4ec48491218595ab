"""Lists and watches: what the cluster holds, kept up with. Pages are read one by one and dropped at once."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, Gone

_PAGE = "500"
_LONGEST_PAUSE_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Who is told what a kind of object does."""

    def seen(self, raw: Json) -> str | None:
        """An object as it stands now; returns its key if there is anything to remember of it."""

    def gone(self, key: str) -> None:
        """The object of that key is no more."""

    def key(self, raw: Json) -> str:
        """The key of an object."""

    def known(self) -> Iterable[str]:
        """The keys of everything remembered."""


async def pages(api: Api, path: str, take: Callable[[Json], None]) -> str:
    """Hand every object of a collection to `take`; returns the version of the list."""
    query = {"limit": _PAGE}
    while True:
        page = await api.get(path, **query)
        for raw in page["items"]:
            take(raw)
        token = page["metadata"].get("continue")
        if not token:
            return str(page["metadata"]["resourceVersion"])
        query["continue"] = token


async def read_into(api: Api, path: str, sink: Sink) -> str:
    """List a collection into a sink, and tell it what has gone since; returns the version of the list."""
    present: set[str] = set()

    def take(raw: Json) -> None:
        key = sink.seen(raw)
        if key is not None:
            present.add(key)

    before = set(sink.known())
    version = await pages(api, path, take)
    for key in before - present:
        sink.gone(key)
    return version


class Mirror:
    """Keeps a sink up with a collection: list, watch, and list again when the server has forgotten."""

    def __init__(self, api: Api, path: str, sink: Sink) -> None:
        self._api = api
        self.path = path
        self._sink = sink
        self.listed = asyncio.Event()

    async def run(self) -> None:
        """Mirror until cancelled."""
        while True:
            try:
                version = await self._list()
                self.listed.set()
                await self._follow(version)
            except Gone:
                logger.info("%s: the server has forgotten where we were, listing again", self.path)

    async def _list(self) -> str:
        for pause in pauses():
            try:
                return await read_into(self._api, self.path, self._sink)
            except ApiError as error:
                logger.warning("%s; trying again in %.1f s", error, pause)
                await asyncio.sleep(pause)
        raise AssertionError

    async def _follow(self, version: str) -> None:
        """Watch on from `version`, over and over; ends with `Gone`."""
        waits = pauses()
        while True:
            try:
                async for kind, raw in self._api.watch(self.path, version):
                    self._take(kind, raw)
                    version, waits = str(raw["metadata"]["resourceVersion"]), pauses()
            except Gone:
                raise
            except ApiError as error:
                pause = next(waits)
                logger.warning("%s; trying again in %.1f s", error, pause)
                await asyncio.sleep(pause)

    def _take(self, kind: str, raw: Json) -> None:
        if kind == "DELETED":
            self._sink.gone(self._sink.key(raw))
        elif kind != "BOOKMARK":
            self._sink.seen(raw)


def pauses() -> Iterator[float]:
    """Seconds to wait before the next try: doubling, spread, without end."""
    pause = 0.5
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
