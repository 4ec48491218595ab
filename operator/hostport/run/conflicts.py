"""Conflicts over ports, told to all whom they concern, annotated or not, and counted once.

Three kinds: a Pod that the scheduler can't place for its ports; a Pod that it has evicted for one of higher priority
that wants the number; and somebody who has come onto a number that is leased to another. Nothing is ever moved.
"""

from __future__ import annotations

import logging
from asyncio import sleep

from hostport.cluster.client import Json
from hostport.cluster.errors import ApiError
from hostport.run.disputes import Disputes
from hostport.run.evictions import Evictions
from hostport.run.intrusions import Intrusions
from hostport.run.office import Office
from hostport.run.unplaced import Unplaced

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Conflicts:
    """Looks for all three once a second. `see` and `forget` are the Pods' sink's."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._disputes = Disputes(office)
        self._unplaced = Unplaced(office, self._disputes)
        self._evictions = Evictions(office, self._disputes)
        self._intrusions = Intrusions(office, self._disputes)

    def see(self, key: str, raw: Json) -> None:
        """A Pod that claims ports, as it is now."""
        self._unplaced.see(key, raw)
        self._evictions.see(key, raw)

    def forget(self, key: str) -> None:
        """A Pod is gone or claims nothing any more."""
        self._unplaced.forget(key)
        self._evictions.forget(key)

    async def run(self) -> None:
        """Look and tell, until cancelled, while this process is the one that works."""
        while True:
            await self._office.leadership.awaited()
            try:
                await self.look()
            except ApiError as error:
                logger.debug("conflicts: %s; looking again", error)
            except Exception:  # a conflict that nobody thought of must not keep numbers from being given
                logger.exception("conflicts could not be looked at: please report this")
            await sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """One look."""
        self._disputes.begin()
        await self._evictions.tell()
        await self._intrusions.tell()
        await self._unplaced.tell()
        self._disputes.close(self._unplaced.parties | self._intrusions.parties)
