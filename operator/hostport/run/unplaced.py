"""Pods that the scheduler can't place for their ports, annotated or not."""

from __future__ import annotations

from dataclasses import dataclass

from hostport.cluster.client import Json
from hostport.cluster.stuck import is_leaving, stuck_pod
from hostport.diagnosis.pending import Conflict, Parties, Stuck, diagnose, outdated
from hostport.run import clock
from hostport.run.disputes import TELL_AGAIN_SECONDS, Disputes
from hostport.run.office import Office

# What is over within two seconds was none; a Pod that is being deleted has thirty by default.
_MOMENT_SECONDS = 2.0
_GRACE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 15.0
# One look takes at most this long; whoever has waited longest for it goes first.
_MOST_SECONDS = 0.05


@dataclass(slots=True)
class _Waiting:
    """A Pod that can't be placed: since when, when to look at it next, and what was told of it when."""

    stuck: Stuck
    since: float
    due: float
    parties: Parties | None = None
    told: float = 0.0


class Unplaced:
    """Keeps of the Pods only those that wait, and the names of those that are leaving."""

    def __init__(self, office: Office, disputes: Disputes) -> None:
        self._office = office
        self._disputes = disputes
        self._waiting: dict[str, _Waiting] = {}
        self._leaving: set[str] = set()

    @property
    def parties(self) -> set[Parties]:
        """The conflicts that were told of them and last."""
        return {waiting.parties for waiting in self._waiting.values() if waiting.parties is not None}

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

    def forget(self, key: str) -> None:
        """A Pod is gone or claims nothing any more."""
        self._waiting.pop(key, None)
        self._leaving.discard(key.removeprefix("Pod "))

    async def tell(self) -> None:
        """Tell what is due."""
        until = clock.monotonic() + _MOST_SECONDS
        for waiting in sorted(self._waiting.values(), key=lambda waiting: waiting.due):
            if waiting.due <= clock.monotonic() < until and self._disputes.has_room:
                await self._look_at(waiting)

    async def _look_at(self, waiting: _Waiting) -> None:
        now, state, stuck = clock.monotonic(), self._office.state, waiting.stuck
        waiting.due = now + _LOOK_AGAIN_SECONDS
        found = diagnose(state, self._office.workloads, stuck, self._leaving)
        if found is None or outdated(state, stuck.owner, stuck.claims):
            waiting.parties, waiting.due = None, now + _MOMENT_SECONDS
        elif found.passing and now - waiting.since < _GRACE_SECONDS:
            waiting.due = now + _MOMENT_SECONDS
        elif waiting.parties != found.parties or now - waiting.told >= TELL_AGAIN_SECONDS:
            waiting.parties, waiting.told = found.parties, now
            await self._tell_conflict(stuck, found)

    async def _tell_conflict(self, stuck: Stuck, found: Conflict) -> None:
        self._disputes.count(found.parties, found.pool)
        self._disputes.tell_pod(stuck.namespace, stuck.name, stuck.uid, found.text)
        if not stuck.owner.startswith("Pod/"):
            text = f"{stuck.by} can't be placed: {found.text}"
            await self._disputes.tell_once(found.parties, stuck.owner, text)
