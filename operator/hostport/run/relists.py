"""Lists of what kopf watches: after an error kopf lists anew and says nothing of what was deleted meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from hostport.cluster.client import Api
from hostport.cluster.errors import ApiError, level_of
from hostport.cluster.reader import Sink, read_into
from hostport.run import clock

logger = logging.getLogger(__name__)

# Soon after the start as well: what was deleted between our list and kopf's is in neither's watch.
_PAUSES = (5.0, 30.0, 300.0)
# After the last object of a list of kopf's; a long list is not waited for for ever.
_BEHIND_KOPF_SECONDS = 2.0
_LONGEST_LIST_SECONDS = 30.0
# When our own watches have come back kopf's will within its longest back-off.
_AFTER_A_CUT_SECONDS = 15.0
_AGAIN_SECONDS = 10.0


class Relists:
    """Lists each collection now and then, and soon after kopf has."""

    def __init__(self, api: Api, lists: Iterable[tuple[str, Sink]]) -> None:
        self._api = api
        self._sinks = dict(lists)
        self._due: dict[str, float] = {}
        self._pauses: dict[str, Iterator[float]] = {path: chain(_PAUSES, repeat(_PAUSES[-1])) for path in self._sinks}
        self._versions = dict.fromkeys(self._sinks, 0)
        self._asked: dict[str, float] = {}
        self._wake = asyncio.Event()

    def kopf_lists(self, path: str) -> None:
        """Kopf shows an object of a list: when it is done with it, ours is due."""
        now = clock.monotonic()
        asked = self._asked.setdefault(path, now)
        self._due[path] = min(now + _BEHIND_KOPF_SECONDS, asked + _LONGEST_LIST_SECONDS)
        self._wake.set()

    def cut(self) -> None:
        """Watches of ours were broken: kopf's may have been as well, and of an empty list it shows nothing."""
        self._all_due(_AFTER_A_CUT_SECONDS)

    def _all_due(self, seconds: float) -> None:
        soon = clock.monotonic() + seconds
        self._due = {path: min(due, soon) for path, due in self._due.items()}
        self._wake.set()

    def soon(self) -> None:
        """Somebody else has worked until now, and nothing must be missed."""
        self._all_due(_PAUSES[0])

    async def now(self) -> bool:
        """List each collection; tells whether that could be done. Raises `WentBack`."""
        return all([await self._list(path) for path in self._sinks])

    async def run(self) -> None:
        """List until cancelled; raises `WentBack`."""
        self._due = {path: clock.monotonic() + next(self._pauses[path]) for path in self._sinks}
        while True:
            self._wake.clear()
            path = min(self._due, key=self._due.__getitem__)
            wait = self._due[path] - clock.monotonic()
            if wait > 0:
                await self._sleep(wait)
            else:
                await self._list(path)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _list(self, path: str) -> bool:
        self._asked.pop(path, None)
        self._due[path] = clock.monotonic() + next(self._pauses[path])
        try:
            self._versions[path] = await read_into(self._api, path, self._sinks[path], self._versions[path])
        except ApiError as error:
            logger.log(level_of(error), "%s; listing again in %.0f s", error, _AGAIN_SECONDS)
            self._due[path] = clock.monotonic() + _AGAIN_SECONDS
            return False
        return True
