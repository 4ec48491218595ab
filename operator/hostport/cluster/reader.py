"""Lists and watches: what the cluster holds, kept up with. Pages are read one by one and dropped at once."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Protocol

from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, Gone, NotFound, WentBack, level_of

_PAGE = "500"
_LONGEST_PAUSE_SECONDS = 30.0
# A watch that has lasted this long has not failed for the reason of the one before.
_LASTED_SECONDS = 10.0
_ABSENT_SECONDS = 30.0

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

    def version(self, key: str) -> int:
        """The resourceVersion at which an object is remembered; 0 where none is."""


async def _each_page(api: Api, path: str, **selectors: str) -> AsyncIterator[tuple[int, list[Json]]]:
    """The version of the list, the same for each page, and what stands on the page."""
    query = {"limit": _PAGE, **selectors}
    while True:
        page = await api.get(path, **query)
        yield int(page["metadata"]["resourceVersion"]), page["items"]
        token = page["metadata"].get("continue")
        if not token:
            return
        query["continue"] = token


async def pages(api: Api, path: str, take: Callable[[Json], object], **selectors: str) -> None:
    """Hand every object of a collection to `take`; `selectors` as the API server calls them (fieldSelector, …)."""
    async for _, items in _each_page(api, path, **selectors):
        for raw in items:
            take(raw)


async def read_into(api: Api, path: str, sink: Sink, since: int = 0) -> int:
    """List a collection into a sink, and tell it what has gone since; returns the version of the list.

    Raises `WentBack` where the server is not as far as `since`, or as what the sink remembers.
    """
    before, present, version = set(sink.known()), set[str](), since
    async for version, items in _each_page(api, path):
        _must_not_precede(path, version, since)
        for raw in items:
            known = sink.version(sink.key(raw))
            if known <= version:
                _must_not_precede(path, version_of(raw), known)
            key = sink.seen(raw)
            if key is not None:
                present.add(key)
    for key in before - present:
        sink.gone(key)
    return version


async def read_patiently(api: Api, path: str, sink: Sink, since: int = 0) -> int:
    """As `read_into`, over and over until the server answers."""
    for pause in pauses():
        try:
            return await read_into(api, path, sink, since)
        except ApiError as error:
            logger.log(level_of(error), "%s; trying again in %.1f s", error, pause)
            await asyncio.sleep(pause)
    raise AssertionError


def _must_not_precede(path: str, version: int, known: int) -> None:
    if version < known:
        raise WentBack(path, version, known)


def version_of(raw: Json) -> int:
    """An object's resourceVersion; a number since Kubernetes 1.35 says so (KEP-5504), and with etcd it always was."""
    return int(raw["metadata"]["resourceVersion"])


class Mirror:
    """Keeps a sink up with a collection: list, watch, and list again when the server has forgotten."""

    def __init__(self, api: Api, path: str, sink: Sink, cut: Callable[[], None]) -> None:
        """`cut` is called whenever the server answers again after the watch was broken off."""
        self._api = api
        self.path = path
        self._sink = sink
        self._cut = cut
        self._version = 0
        self.listed = asyncio.Event()

    async def run(self) -> None:
        """Mirror until cancelled; raises `WentBack`."""
        while True:
            try:
                await self._list()
                await self._follow()
            except Gone:
                logger.info("%s: the server has forgotten where we were, listing again", self.path)

    async def _list(self) -> None:
        self._version = await read_patiently(self._api, self.path, self._sink, self._version)
        if self.listed.is_set():
            self._cut()
        self.listed.set()

    async def _follow(self) -> None:
        """Watch on, over and over; ends with `Gone`."""
        waits, broken = pauses(), False
        while True:
            began = time.monotonic()
            try:
                if broken:
                    await self._come_back()
                    broken = False
                await self._watch()
            except Gone:
                raise
            except ApiError as error:
                broken = True
                waits = pauses() if time.monotonic() - began > _LASTED_SECONDS else waits
                pause = next(waits)
                logger.log(level_of(error), "%s; trying again in %.1f s", error, pause)
                await asyncio.sleep(pause)

    async def _watch(self) -> None:
        async for kind, raw in self._api.watch(self.path, str(self._version)):
            self._take(kind, raw)
            self._version = version_of(raw)

    async def _come_back(self) -> None:
        """A server that has been restored would let us wait, without a word, for what it has done once before."""
        page = await self._api.get(self.path, limit="1")
        _must_not_precede(self.path, int(page["metadata"]["resourceVersion"]), self._version)
        self._cut()

    def _take(self, kind: str, raw: Json) -> None:
        if kind == "DELETED":
            self._sink.gone(self._sink.key(raw))
        elif kind != "BOOKMARK":
            self._sink.seen(raw)


class OptionalMirror(Mirror):
    """A mirror of a kind that need not be installed: absent, there is nothing of it, and it is looked for again."""

    async def _list(self) -> None:
        while not await self._is_served():
            for key in list(self._sink.known()):
                self._sink.gone(key)
            self.listed.set()
            await asyncio.sleep(_ABSENT_SECONDS)
        await super()._list()

    async def _is_served(self) -> bool:
        try:
            await self._api.get(self.path, limit="1")
        except NotFound:
            return False
        except ApiError:
            return True  # the list itself will be tried until it answers
        return True

    async def _watch(self) -> None:
        try:
            await super()._watch()
        except NotFound as error:  # its CRD has been deleted
            raise Gone(410, error.message, error.request) from error


def pauses() -> Iterator[float]:
    """Seconds to wait before the next try: doubling, spread, without end."""
    pause = 0.5
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
