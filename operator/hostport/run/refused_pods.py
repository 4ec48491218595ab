"""Workloads none of whose Pods can be made since their template has a hostPort: they get back what they had.

What refuses Pods can't be seen beforehand: webhooks and policies look at Pods, not at templates. Deployments and
ReplicaSets say in a condition what they were told; of the other kinds it is read from the events on whatever makes
their Pods.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hostport.allocation.let_go import LetGo
from hostport.api.pod_failure import is_denial
from hostport.api.ports import Protocol
from hostport.api.workload import Workload
from hostport.cluster import paths
from hostport.cluster.client import Json
from hostport.cluster.errors import ApiError, NotFound, level_of
from hostport.cluster.reader import pages
from hostport.run import clock
from hostport.run.office import Office

logger = logging.getLogger(__name__)

LASTED_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0
_WATCHED_SECONDS = 3600.0
_IN_EVENTS = frozenset({"StatefulSet", "DaemonSet", "CronJob"})


class _Failure(NamedTuple):
    """A FailedCreate event: how often, on which object of that name, and what it says."""

    times: int
    name: str
    note: str


Failures = dict[str, _Failure]


@dataclass(slots=True)
class _Watched:
    """A workload whose first Pod with the number is awaited. `failures` are those at the last look, by event."""

    digest: str
    until: float
    due: float = 0.0
    pause: float = LASTED_SECONDS
    failures: Failures | None = None


class RefusedPods:
    """Looks once a second at those whose Pods are refused, or are awaited. `touch` has a workload planned anew."""

    def __init__(self, office: Office, touch: Callable[[str], None]) -> None:
        self._office = office
        self._touch = touch
        self._failing: dict[str, tuple[str, float]] = {}
        self._watched: dict[str, _Watched] = {}
        self._done: dict[str, str] = {}

    def see(self, workload: Workload) -> None:
        """A workload as it is now, which may say that its Pods are refused."""
        known = self._failing.get(workload.key, ("", 0.0))
        if not workload.pod_failure:
            self._failing.pop(workload.key, None)
        elif known[0] != workload.digest:
            self._failing[workload.key] = (workload.digest, clock.monotonic())

    def await_pod(self, workload: Workload) -> None:
        """A template has its numbers: of some kinds only events tell whether Pods can be made of it."""
        if workload.kind not in _IN_EVENTS or self._done.get(workload.key) == workload.digest:
            return
        known = self._watched.get(workload.key)
        if known is None or known.digest != workload.digest:
            self._watched[workload.key] = _Watched(workload.digest, clock.monotonic() + _WATCHED_SECONDS)

    def forget(self, key: str) -> None:
        """A workload is gone."""
        for known in (self._failing, self._watched, self._done):
            known.pop(key, None)

    async def run(self) -> None:
        """Look until cancelled, while this process is the one that works."""
        while True:
            await self._office.leadership.awaited()
            try:
                await self.look()
            except Exception:  # a workload that nobody thought of must not keep numbers from being given
                logger.exception("Pods that are refused could not be looked at: please report this")
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """One look."""
        now = clock.monotonic()
        for key, (digest, since) in list(self._failing.items()):
            workload = self._office.workloads.get(key)
            if workload is None or workload.digest != digest:
                del self._failing[key]
            elif now - since >= LASTED_SECONDS and self._shows_ours(workload) and not self._has_pod(workload):
                self._let_go(workload, workload.pod_failure)
        for key, watched in list(self._watched.items()):
            await self._look_at(key, watched, now)

    async def _look_at(self, key: str, watched: _Watched, now: float) -> None:
        workload = self._office.workloads.get(key)
        if workload is None or workload.digest != watched.digest or self._has_pod(workload) or now > watched.until:
            self._done[key] = watched.digest
            del self._watched[key]
        elif now >= watched.due and self._shows_ours(workload):
            watched.due, pause = now + watched.pause, watched.pause
            watched.pause = min(_LONGEST_PAUSE_SECONDS, pause * 2) if watched.failures is not None else pause
            try:
                await self._compare(workload, watched)
            except ApiError as error:
                logger.log(level_of(error), "can't read why %s has no Pods: %s", key, error, extra={"workload": key})

    async def _compare(self, workload: Workload, watched: _Watched) -> None:
        """What is refused now as it was at the last look has lasted."""
        before, watched.failures = watched.failures, await self._failures(workload)
        if before is None:
            return
        for event, failure in watched.failures.items():
            again = event not in before or failure.times > before[event].times
            if again and is_denial(failure.note) and await self._is_of(workload, failure):
                self._let_go(workload, failure.note)
                return

    async def _is_of(self, workload: Workload, failure: _Failure) -> bool:
        """Whether it is about a Pod of the workload; a CronJob's Pods are made by its Jobs."""
        if workload.kind != "CronJob":
            return True
        try:
            job = await self._office.api.get(paths.workload(f"Job/{workload.namespace}/{failure.name}"))
        except NotFound:
            return False
        owners = job["metadata"].get("ownerReferences") or ()
        return any(owner.get("controller") and owner.get("uid") == workload.uid for owner in owners)

    async def _failures(self, workload: Workload) -> Failures:
        found: Failures = {}

        def note(event: Json) -> None:
            count = (event.get("series") or {}).get("count") or event.get("deprecatedCount") or 1
            name = str(event["regarding"].get("name"))
            if workload.kind != "CronJob" or name.startswith(f"{workload.name}-"):
                found[event["metadata"]["name"]] = _Failure(int(count), name, str(event.get("note") or ""))

        maker = "regarding.kind=Job" if workload.kind == "CronJob" else f"regarding.uid={workload.uid}"
        selector = f"reason=FailedCreate,{maker}"
        await pages(self._office.api, paths.events(workload.namespace), note, fieldSelector=selector)
        return found

    def _let_go(self, workload: Workload, sentence: str) -> None:
        text = (
            f"no Pod could be made of the template with its hostPorts: {sentence.rstrip('.')}; the template gets back"
            " what it had, and its old Pods stay"
        )
        self._failing.pop(workload.key, None)
        self._office.state.let_go[workload.key] = LetGo("PodsForbidden", workload.digest, text)
        self._touch(workload.key)

    def _numbers(self, workload: Workload) -> set[tuple[Protocol, int]]:
        """The numbers of the template that are leased to it."""
        own = self._office.state.book.of_owner(workload.key)
        leased = {(key.protocol, key.port) for (_, key), lease in own.items() if not lease.released}
        return leased & {(claim.protocol, claim.port) for claim in workload.claims}

    def _shows_ours(self, workload: Workload) -> bool:
        return bool(self._numbers(workload))

    def _has_pod(self, workload: Workload) -> bool:
        """Whether there is a Pod of the template, on a node or not: then Pods can be made."""
        takers = self._office.state.occupancy.takers
        return any(
            taker.owner == workload.key and taker.by.startswith("Pod ")
            for protocol, port in self._numbers(workload)
            for taker in takers(protocol, port)
        )
