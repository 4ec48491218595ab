"""What keeps failing is told once, then once a minute with a count, and once more when it is over.

A thousand requests that meet the same dead API server are one cause, and one cause is one line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 60.0
# Failures further apart than this are two outages: some requests get through in the middle of one, and kopf pauses.
_OVER_SECONDS = 20.0


@dataclass(slots=True)
class _Cause:
    since: float
    last: float
    told: float
    count: int = 1


class Complaints:
    """Counts failures by cause. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._causes: dict[str, _Cause] = {}

    def failed(self, cause: str, text: str) -> None:
        """A request has failed of `cause`; `text` is one example of it, for people."""
        now = self._clock()
        known = self._causes.get(cause)
        if known is None:
            self._causes[cause] = _Cause(now, now, now)
            logger.warning("%s; trying again until it works", text)
            return
        known.count, known.last = known.count + 1, now
        if now - known.told >= _AGAIN_SECONDS:
            known.told = now
            logger.warning("%s; %d such failures in %.0f s", text, known.count, now - known.since)

    def worked(self) -> None:
        """A request has been answered."""
        if self._causes:
            self._close(self._clock())

    def _close(self, now: float) -> None:
        for cause, known in list(self._causes.items()):
            if now - known.last >= _OVER_SECONDS:
                del self._causes[cause]
                logger.info("over: %s; %d failures in %.0f s", cause, known.count, known.last - known.since)
