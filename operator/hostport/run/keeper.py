"""The keeper: leases on their way out take their next step, and pools say how they stand; once a second at most."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from hostport.allocation.settle import next_steps
from hostport.allocation.state import ForeignUse
from hostport.api.lease import Lease
from hostport.cluster import paths
from hostport.cluster.client import Json
from hostport.cluster.errors import ApiError, Conflict, level_of
from hostport.cluster.foreign import pod_use
from hostport.cluster.reader import pages
from hostport.ledger.book import Change, Place
from hostport.run import clock
from hostport.run.desk import Desk
from hostport.run.office import Office
from hostport.run.statuses import Statuses

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Keeper:
    """Looks around when there is news, and once a second; between changes it finds nothing to do.

    While another replica works it only shows the figures.
    """

    def __init__(self, office: Office, desk: Desk) -> None:
        self._office = office
        self._desk = desk
        self._statuses = Statuses(office)
        self._resting_since: dict[Place, float] = {}
        self._openings = -1

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = clock.monotonic()
            try:
                await self.look()
            except ApiError as error:
                logger.log(level_of(error), "%s; looking again in %.0f s", error, TICK_SECONDS)
            await self._pause(began)

    async def _pause(self, began: float) -> None:
        """Until there is news or a second has passed; but no two looks within a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await self._office.news.wait()
        self._office.news.clear()
        await asyncio.sleep(max(0.0, TICK_SECONDS - (clock.monotonic() - began)))

    async def look(self) -> None:
        """One look."""
        state = self._office.state
        if not self._office.leadership.leads:
            self._resting_since.clear()
            self._desk.tidy()
            self._statuses.stand_by()
            self._statuses.show()
            return
        self._count_rest()
        for change in await self._confirmed(next_steps(state, self._rested, clock.now())):
            self._desk.step(change)
        if self._openings != state.openings:
            self._openings = state.openings
            self._desk.retry_waiting()
        await self._statuses.write()
        for owner in self._office.ledger.take_news():
            self._desk.touch(owner)
        await self._let_go()

    def _count_rest(self) -> None:
        """Cooldowns are counted here from when this process first saw them: longer is fine, shorter never."""
        leaving = self._office.state.book.leaving
        resting = {place for place, lease in leaving.items() if lease.released}
        self._resting_since = {place: self._resting_since.get(place, clock.monotonic()) for place in resting}

    def _rested(self, place: Place) -> bool:
        pool = self._office.state.pools.get(place[0])
        since = self._resting_since.get(place)
        if pool is None or since is None:
            return False
        return pool.terminating or clock.monotonic() - since >= pool.cooldown

    async def _confirmed(self, steps: list[Change]) -> list[Change]:
        """The steps that a live look bears out: our watch of the Pods may be behind when a number is given back."""
        book = self._office.state.book
        before = {(c.pool, c.key): book.get(c.pool, c.key) for c in steps}
        leaving = {lease.namespace for lease in before.values() if lease is not None and not lease.released}
        live: dict[str, ForeignUse] = {}
        doubtful: set[str] = set()
        for namespace in leaving:
            if not await pages(self._office.api, paths.pods(namespace), partial(_note, live)):
                doubtful.add(namespace)
        # While the list was read the watch may have told of a Pod in it that it is gone, and won't tell so again: what
        # is remembered of Pods is the watch's alone.
        with self._office.state.supposing(live):
            scarce = {(c.pool, c.key) for c in next_steps(self._office.state, self._rested, clock.now())}
        return [c for c in steps if (c.pool, c.key) in scarce and not _is_of(before[c.pool, c.key], doubtful)]

    async def _let_go(self) -> None:
        """A pool that is being deleted goes when its last lease has gone, its blocks first."""
        for name, pool in list(self._office.state.pools.items()):
            if pool.terminating and pool.held and not self._office.state.book.of_pool(name):
                for block in self._office.ledger.blocks(name):
                    if not block.home:
                        await self._office.store.remove(block)
                with contextlib.suppress(Conflict):  # somebody wrote the pool just now: at the next look
                    await self._office.store.release(name)


def _is_of(lease: Lease | None, namespaces: set[str]) -> bool:
    """Whether it is a number still in use by somebody there: a Pod that can't be read may be on any."""
    return lease is not None and not lease.released and lease.namespace in namespaces


def _note(uses: dict[str, ForeignUse], pod: Json) -> None:
    use = pod_use(pod)
    if use is not None:
        uses[use.by] = use
