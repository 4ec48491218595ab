"""One replica works, the others stand by: they see everything, and write nothing.

Two that work at once do no harm, for every write to the ledger is a compare-and-set; it is work done twice.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from prometheus_client import Gauge

from hostport.cluster.election import LEASE_SECONDS, Candidate
from hostport.cluster.errors import ApiError, level_of
from hostport.run import clock

logger = logging.getLogger(__name__)

# The leader stops that long after its last renewal, whatever the API server does: before anybody else may begin.
_TENURE_SECONDS = 0.7 * LEASE_SECONDS
_RENEW_SECONDS = 2.0
# A Lease that is given up is found within that time.
_LOOK_SECONDS = 1.0


class Leadership:
    """Whether this process works. Its parts look at `leads` before they write, and wait for it to be so."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._working = asyncio.Event()
        self._until = -math.inf

    @property
    def leads(self) -> bool:
        """Whether this process works now. A process that was stopped for too long learns it here, not from a timer."""
        return self._working.is_set() and clock.monotonic() < self._until

    async def awaited(self) -> None:
        """Return as soon as this process works."""
        while not self.leads:
            await self._working.wait()
            if not self.leads:  # the time is over, which is about to be noticed
                await asyncio.sleep(0.1)

    def begin(self) -> None:
        """Work from now on, for as long as the time lasts."""
        self._working.set()
        self._gauge.set(1)

    def last(self, until: float) -> None:
        """The time, by the monotonic clock, until which this process may work."""
        self._until = until

    def end(self) -> None:
        """Stand by."""
        self._working.clear()
        self._until = -math.inf
        self._gauge.set(0)

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return clock.monotonic() >= self._until

    def left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self._until - clock.monotonic())


class Campaign:
    """Wins the Lease, keeps it, and wins it again.

    `take_over` is awaited after each victory, before work begins; `stand_by` is called when work has ended.
    """

    def __init__(
        self,
        leadership: Leadership,
        candidate: Candidate,
        take_over: Callable[[], Awaitable[None]],
        stand_by: Callable[[], None],
    ) -> None:
        self._leadership = leadership
        self._candidate = candidate
        self._take_over = take_over
        self._stand_by = stand_by
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._win()
            async with asyncio.TaskGroup() as group:
                working = group.create_task(self._work())
                try:
                    why = await self._keep()
                finally:
                    working.cancel()
                    self._leadership.end()
            self._say(logging.WARNING, f"the Lease {self._candidate.name} is lost, {why}: standing by")
            self._stand_by()

    async def _work(self) -> None:
        await self._take_over()
        self._leadership.begin()
        self._say(logging.INFO, f"leading by the Lease {self._candidate.name} as {self._candidate.identity}")

    async def _win(self) -> None:
        while True:
            asked = clock.monotonic()
            try:
                won = await self._candidate.win()
            except ApiError as error:
                self._say(level_of(error), f"standing by: the Lease {self._candidate.name} can't be had: {error}")
            else:
                if won:
                    self._leadership.last(asked + _TENURE_SECONDS)
                    return
                holder = self._candidate.holder
                self._say(logging.INFO, f"standing by: the Lease {self._candidate.name} is held by {holder}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _keep(self) -> str:
        """Renew the Lease for as long as that can be done in time; returns why it can't be done any more."""
        trouble = "this process was stopped for too long"
        while True:
            await asyncio.sleep(min(_RENEW_SECONDS, self._leadership.left()))
            if self._leadership.is_over:
                return trouble
            asked = clock.monotonic()
            try:
                async with asyncio.timeout(self._leadership.left()):
                    if not await self._candidate.renew():
                        return f"{self._candidate.holder or 'somebody'} holds it"
            except (ApiError, TimeoutError) as error:
                trouble = str(error) or "the API server does not answer"
            else:
                self._leadership.last(asked + _TENURE_SECONDS)

    def _say(self, level: int, text: str) -> None:
        """Once, however often it is found."""
        if text != self._said:
            self._said = text
            logger.log(level, "%s", text)


async def give_up(candidate: Candidate) -> None:
    """Let another replica begin at once; if that can't be said, it begins when the Lease has run out."""
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await candidate.give_up()
    except (ApiError, TimeoutError) as error:
        logger.warning("the Lease %s is not given up, it runs out in %d s: %s", candidate.name, LEASE_SECONDS, error)
