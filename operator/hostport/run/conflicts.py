"""Conflicts over ports, told to all whom they concern, annotated or not, and counted once.

Three kinds: a Pod that the scheduler can't place for its ports; a Pod that it has evicted for one of higher priority
that wants the number; and somebody who has come onto a number that is leased to another. Nothing is ever moved.
"""

from __future__ import annotations

import logging
from asyncio import sleep
from dataclasses import dataclass, field
from typing import NamedTuple

from hostport.api.names import AUTO
from hostport.api.podspec import Claim, claims
from hostport.api.workload import KINDS
from hostport.cluster import paths
from hostport.cluster.client import Json
from hostport.cluster.errors import ApiError, NotFound
from hostport.cluster.events import Note
from hostport.cluster.foreign import pod_owner
from hostport.cluster.stuck import is_leaving, is_preempted, stuck_pod
from hostport.diagnosis.advice import advise, placement_of
from hostport.diagnosis.intruders import Intrusion, intrusions, to_the_intruder, to_the_owner
from hostport.diagnosis.pending import Conflict, Parties, Stuck, diagnose, outdated, pool_of, preemptor
from hostport.run import clock
from hostport.run.office import Office

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# What is over within two seconds was none; a Pod that is being deleted has thirty by default.
_MOMENT_SECONDS = 2.0
_GRACE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 15.0
_TELL_AGAIN_SECONDS = 900.0
# Events have a limit for the whole operator; conflicts leave more than half of it to others.
_MOST_NOTES = 4
# Looking at every lease takes at most this part of the time, and so does looking at those who wait.
_SHARE = 0.05


@dataclass(slots=True)
class _Waiting:
    """A Pod that can't be placed: since when, when to look at it next, and what was told of it when."""

    stuck: Stuck
    since: float
    due: float
    parties: Parties | None = None
    told: float = 0.0


class _Evicted(NamedTuple):
    """A Pod that the scheduler has evicted."""

    owner: str
    uid: str
    node: str
    claims: frozenset[Claim]
    since: float


@dataclass(slots=True)
class _Open:
    """A conflict that is not over, nor before `until`: when each of its parties was told."""

    until: float = 0.0
    told: dict[str, float] = field(default_factory=dict)


class Conflicts:
    """Keeps of the Pods only those that wait, were evicted or are leaving. `see` and `forget` are the Pods' sink's."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._waiting: dict[str, _Waiting] = {}
        self._evicted: dict[str, _Evicted] = {}
        self._evictions_told: set[str] = set()
        self._leaving: set[str] = set()
        self._open: dict[Parties, _Open] = {}
        self._intrusions: dict[Parties, tuple[Intrusion, float]] = {}
        self._scanned = (-1, 0.0)
        self._notes = 0

    def see(self, key: str, raw: Json) -> None:
        """A Pod that claims ports, as it is now."""
        stuck, name, now = stuck_pod(raw), key.removeprefix("Pod "), clock.monotonic()
        if stuck is None:
            self._waiting.pop(key, None)
        elif key not in self._waiting or self._waiting[key].stuck != stuck:
            self._waiting[key] = _Waiting(stuck, now, now + _MOMENT_SECONDS)
        if is_leaving(raw):
            self._leaving.add(name)
        else:
            self._leaving.discard(name)
        if is_preempted(raw) and key not in self._evictions_told:
            node, uid = raw["spec"].get("nodeName") or "", raw["metadata"]["uid"]
            self._evicted.setdefault(key, _Evicted(pod_owner(raw), uid, node, claims(raw["spec"]), now))

    def forget(self, key: str) -> None:
        """A Pod is gone or claims nothing any more. Why it was evicted may still have to be told."""
        self._waiting.pop(key, None)
        self._leaving.discard(key.removeprefix("Pod "))
        self._evictions_told.discard(key)

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
        self._notes = 0
        for key, evicted in list(self._evicted.items()):
            await self._tell_evicted(key, evicted)
        self._scan()
        for found, since in list(self._intrusions.values()):
            if self._is_due(found, since) and self._notes < _MOST_NOTES:
                await self._tell_intrusion(found)
        until = clock.monotonic() + _SHARE * _LOOK_SECONDS
        for waiting in sorted(self._waiting.values(), key=lambda waiting: waiting.due):
            if waiting.due <= clock.monotonic() < until and self._notes < _MOST_NOTES:
                await self._tell_waiting(waiting)
        self._close()

    # Pods that can't be placed

    async def _tell_waiting(self, waiting: _Waiting) -> None:
        now, state, stuck = clock.monotonic(), self._office.state, waiting.stuck
        waiting.due = now + _LOOK_AGAIN_SECONDS
        found = diagnose(state, self._office.workloads, stuck, self._leaving)
        if found is None or outdated(state, stuck.owner, stuck.claims):
            waiting.parties, waiting.due = None, now + _MOMENT_SECONDS
        elif found.passing and now - waiting.since < _GRACE_SECONDS:
            waiting.due = now + _MOMENT_SECONDS
        elif waiting.parties != found.parties or now - waiting.told >= _TELL_AGAIN_SECONDS:
            waiting.parties, waiting.told = found.parties, now
            await self._tell_conflict(stuck, found)

    async def _tell_conflict(self, stuck: Stuck, found: Conflict) -> None:
        self._count(found.parties, found.pool)
        self._say(Note("v1", "Pod", stuck.namespace, stuck.name, stuck.uid, "PortConflict", found.text, warning=True))
        if not stuck.owner.startswith("Pod/"):
            await self._tell_once(found.parties, stuck.owner, f"{stuck.by} can't be placed: {found.text}")

    # Pods that were evicted

    async def _tell_evicted(self, key: str, evicted: _Evicted) -> None:
        state, now = self._office.state, clock.monotonic()
        by = preemptor(state, evicted.owner, evicted.node, evicted.claims)
        if by is None:
            if now - evicted.since > _GRACE_SECONDS:  # it was for something else
                del self._evicted[key]
            return
        del self._evicted[key]
        if state.use_of(key) is not None:
            self._evictions_told.add(key)
        claim, pod, owner = by
        way_out = advise(state, self._office.workloads, owner, claim, placement_of(state, owner))
        text = (
            f"{key} on {evicted.node} was evicted by the scheduler: {pod} has a higher priority and wants "
            f"hostPort {claim}. To {owner}: {way_out}"
        )
        parties = Parties(claim.protocol, claim.port, frozenset((evicted.owner, owner)))
        self._count(parties, pool_of(state, claim, frozenset((evicted.node,))), until=now + _GRACE_SECONDS)
        namespace, name = key.removeprefix("Pod ").split("/")
        self._say(Note("v1", "Pod", namespace, name, evicted.uid, "PortConflict", text, warning=True))
        if not evicted.owner.startswith("Pod/"):
            await self._tell(evicted.owner, text)

    # Those who have come onto a leased number

    def _scan(self) -> None:
        """Look for intruders where something has changed, or where those who were seen must be looked at again."""
        changes, due = self._scanned
        unsettled = self._intrusions.keys() - self._open.keys()
        began = clock.monotonic()
        if began < due or (changes == self._office.state.changes and not unsettled):
            return
        changes = self._office.state.changes
        seen = {found.parties: found for found in intrusions(self._office.state) if not self._is_passing(found)}
        before = self._intrusions
        self._intrusions = {p: (found, before[p][1] if p in before else began) for p, found in seen.items()}
        ended = clock.monotonic()
        self._scanned = (changes, ended + (ended - began) / _SHARE)

    def _is_passing(self, found: Intrusion) -> bool:
        """Whether the intruder asks, and its template has got another number: it is on its way."""
        return self._asks(found.intruder) and outdated(self._office.state, found.intruder, {found.claim})

    def _is_due(self, found: Intrusion, since: float) -> bool:
        """Whether it has lasted; whoever asks is about to get another number, and is told so by the desk."""
        return clock.monotonic() - since >= (_GRACE_SECONDS if self._asks(found.intruder) else _MOMENT_SECONDS)

    def _asks(self, owner: str) -> bool:
        workload = self._office.workloads.get(owner)
        return workload is not None and workload.annotations.get(AUTO) == "true"

    async def _tell_intrusion(self, found: Intrusion) -> None:
        state, workloads = self._office.state, self._office.workloads
        self._count(found.parties, found.pool)
        await self._tell_once(found.parties, found.owner, to_the_owner(state, workloads, found))
        await self._tell_once(found.parties, found.told, to_the_intruder(state, workloads, found))

    # Counting and telling

    def _count(self, parties: Parties, pool: str, until: float = 0.0) -> None:
        if parties not in self._open:
            self._open[parties] = _Open(until)
            self._office.metrics.conflicts.labels(pool).inc()

    def _close(self) -> None:
        """What nobody suffers from any more is over; should it come again, it is told and counted again."""
        waiting = {waiting.parties for waiting in self._waiting.values()}
        for parties in self._open.keys() - waiting - self._intrusions.keys():
            if clock.monotonic() >= self._open[parties].until:
                del self._open[parties]

    async def _tell_once(self, parties: Parties, owner: str, text: str) -> None:
        told, now = self._open[parties].told, clock.monotonic()
        if owner not in told or now - told[owner] >= _TELL_AGAIN_SECONDS:
            told[owner] = now
            await self._tell(owner, text)

    async def _tell(self, owner: str, text: str) -> None:
        """An event on the object of an owner, if it is of a kind that we may read: an event wants its uid."""
        path = paths.owned(owner)
        if not path:
            return
        try:
            uid = (await self._office.api.get(path))["metadata"]["uid"]
        except NotFound:
            return
        kind, namespace, name = owner.split("/", 2)
        version = f"{KINDS[kind].group}/{KINDS[kind].version}" if kind in KINDS else "v1"
        self._say(Note(version, kind, namespace, name, uid, "PortConflict", text, warning=True))

    def _say(self, note: Note) -> None:
        if self._office.namespace not in ("", note.namespace):
            return
        self._notes += 1
        self._office.teller.tell(note)
        fields = {"workload": f"{note.kind}/{note.namespace}/{note.name}", "reason": note.reason}
        logger.warning("%s PortConflict: %s", fields["workload"], note.text, extra=fields)
