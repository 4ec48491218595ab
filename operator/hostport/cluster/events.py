"""Events on people's objects: repeats are counted into one, bursts are limited, nothing ever waits for them.

Written as events.k8s.io/v1, where a repeat is a `series` (KEP-383).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex

from hostport.api.errors import escaped
from hostport.api.names import REPORTER
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, NotFound, level_of

logger = logging.getLogger(__name__)

_PER_SECOND = 10.0
_BURST = 25.0
_LONGEST_NOTE = 1024
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be said about an object. `warning` decides between the types Warning and Normal."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    reason: str
    text: str
    warning: bool = False
    action: str = "Allocate"


@dataclass(slots=True)
class _Posted:
    path: str
    count: int = 1


class Bucket:
    """A token bucket over a monotonic clock, in tokens per second."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> bool:
        """Take a token if there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Teller:
    """Posts notes one after the other. `dropped` is called for each that the limit swallowed."""

    def __init__(self, api: Api, instance: str, dropped: Callable[[], None]) -> None:
        self._api = api
        self._instance = instance
        self._dropped = dropped
        self._bucket = Bucket(_PER_SECOND, _BURST)
        self._queue: asyncio.Queue[Note] = asyncio.Queue()
        self._posted: OrderedDict[Note, _Posted] = OrderedDict()

    def tell(self, note: Note) -> None:
        """Queue a note, or drop it if too many are being told."""
        if self._bucket.take():
            self._queue.put_nowait(note)
        else:
            self._dropped()

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            note = await self._queue.get()
            try:
                await self._post(note)
            except ApiError as error:
                about = f"{note.reason} on {note.kind}/{note.name}"
                logger.log(level_of(error), "event %s not posted: %s", about, error)
            except Exception:  # an answer that nobody thought of must not silence all others
                logger.exception("an event is not posted: please report this")
            finally:
                self._queue.task_done()

    async def drain(self) -> None:
        """Wait until everything queued has been posted."""
        await self._queue.join()

    async def _post(self, note: Note) -> None:
        known = self._posted.get(note)
        if known is not None:
            self._posted.move_to_end(note)
            known.count += 1
            series = {"count": known.count, "lastObservedTime": _micro_now()}
            try:
                await self._api.patch(known.path, {"series": series})
            except NotFound:
                del self._posted[note]
            else:
                return
        namespace = note.namespace or "default"
        made = await self._api.create(paths.events(namespace), self._manifest(note, namespace))
        self._posted[note] = _Posted(paths.named(paths.events(namespace), str(made["metadata"]["name"])))
        while len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)

    def _manifest(self, note: Note, namespace: str) -> Json:
        text = _cut(escaped(note.text))
        regarding = {"apiVersion": note.api_version, "kind": note.kind, "name": note.name, "uid": note.uid}
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{note.name[:200].rstrip('.-')}.{token_hex(8)}", "namespace": namespace},
            "eventTime": _micro_now(),
            "reportingController": REPORTER,
            "reportingInstance": self._instance[:128],
            "action": note.action,
            "reason": note.reason,
            "type": "Warning" if note.warning else "Normal",
            "note": text,
            "regarding": {**regarding, **({"namespace": note.namespace} if note.namespace else {})},
        }


def _cut(text: str) -> str:
    """A text of at most as many bytes as the API server takes in a note (`NoteLengthLimit`, counted in bytes)."""
    if len(text) <= _LONGEST_NOTE and len(text.encode()) <= _LONGEST_NOTE:
        return text
    return text[:_LONGEST_NOTE].encode()[: _LONGEST_NOTE - 3].decode(errors="ignore") + "..."


def _micro_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
