"""Lists and watches: what the cluster holds, kept up with. Pages are read one by one and dropped at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Protocol

from hostport.api.errors import shown
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, Garbled, Gone, NotFound, WentBack, level_of
from hostport.cluster.unreadable import identity

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
        version, items, token = _page(api, path, await api.get(path, **query))
        yield version, items
        if not token:
            return
        query["continue"] = token


def _page(api: Api, path: str, page: Json) -> tuple[int, list[Json], str]:
    """Version, objects and continue token of a page; raises `Garbled`."""
    try:
        meta = page["metadata"]
        return int(meta["resourceVersion"]), list(page["items"] or ()), str(meta.get("continue") or "")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        garbled = Garbled(0, f"an answer that is no list ({type(error).__name__})", f"GET {path}")
        api.complaints.failed("an answer that is no list", str(garbled))
        raise garbled from error


async def pages(api: Api, path: str, take: Callable[[Json], object], **selectors: str) -> bool:
    """Hand every object of a collection to `take`; `selectors` as the API server calls them (fieldSelector, …).

    Tells whether all of them could be read.
    """
    complete = True
    async for _, items in _each_page(api, path, **selectors):
        for raw in items:
            done = False
            with api.unreadable.reading(path, raw):
                take(raw)
                done = True
            complete &= done
    return complete


async def read_into(api: Api, path: str, sink: Sink, since: int = 0) -> int:
    """List a collection into a sink, and tell it what has gone since; returns the version of the list.

    Raises `WentBack` where the server is not as far as `since`, or as what the sink remembers.
    """
    before, present, there, version = set(sink.known()), set[str](), set[str](), since
    complete = True
    async for version, items in _each_page(api, path):
        _must_not_precede(path, version, since)
        for raw in items:
            there.add(identity(raw))
            found = _take_listed(api, path, sink, raw, version)
            complete &= found is not None
            present |= found or set()
    api.unreadable.keep_only(path, there)
    # An object that does not even say what it is may be any of those that are missing.
    for key in before - present if complete else ():
        _let_go(sink, key)
    return version


def _take_listed(api: Api, path: str, sink: Sink, raw: Json, version: int) -> set[str] | None:
    """Hand a listed object to a sink; the keys that are there with it, None where it can't be told which.

    What can't be read is there all the same: what is known of it from before stands.
    """
    key = None
    with api.unreadable.reading(path, raw):
        key = sink.key(raw)
        known = sink.version(key)
        if known <= version:
            _must_not_precede(path, version_of(raw), known)
        kept = sink.seen(raw)
        return {kept} if kept is not None else set()
    return {key} if key is not None else None


def _let_go(sink: Sink, key: str) -> None:
    try:
        sink.gone(key)
    except Exception:
        logger.exception("%s is gone and can't be forgotten: please report this", shown(key))


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
        self._waits = pauses()
        self.listed = asyncio.Event()

    async def run(self) -> None:
        """Mirror until cancelled; raises `WentBack`."""
        while True:
            try:
                await self._list()
                await self._follow()
            except Gone:
                logger.info("%s: the server has forgotten where we were, listing again", self.path)
            except Garbled:
                logger.info("%s: listing again, to get past what can't be read", self.path)

    async def _list(self) -> None:
        self._version = await read_patiently(self._api, self.path, self._sink, self._version)
        if self.listed.is_set():
            self._cut()
        self.listed.set()

    async def _follow(self) -> None:
        """Watch on, over and over; ends with `Gone`, or with `Garbled`."""
        broken = False
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
                await self._rest(error, time.monotonic() - began)
                if isinstance(error, Garbled):
                    # From where we were, the watch would bring the same again; a list goes past it.
                    raise

    async def _rest(self, error: ApiError, lasted: float) -> None:
        """Wait before the next try, longer each time, whether lists succeed in between or not."""
        if lasted > _LASTED_SECONDS:
            self._waits = pauses()
        pause = next(self._waits)
        logger.log(level_of(error), "%s; trying again in %.1f s", error, pause)
        await asyncio.sleep(pause)

    async def _watch(self) -> None:
        async for kind, raw in self._api.watch(self.path, str(self._version)):
            with self._api.unreadable.reading(self.path, raw):
                self._take(kind, raw)
            if kind == "DELETED":
                self._api.unreadable.forget(self.path, raw)
            with contextlib.suppress(LookupError, TypeError, ValueError):  # the next one will say where we are
                self._version = version_of(raw)

    async def _come_back(self) -> None:
        """A server that has been restored would let us wait, without a word, for what it has done once before."""
        version, *_ = _page(self._api, self.path, await self._api.get(self.path, limit="1"))
        _must_not_precede(self.path, version, self._version)
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
                _let_go(self._sink, key)
            self._api.unreadable.keep_only(self.path, ())
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
