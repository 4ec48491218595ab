"""Conflicts over ports that are not over: each is counted once, and told to each of its parties."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass, field

from hostport.api.workload import KINDS
from hostport.cluster import paths
from hostport.cluster.errors import NotFound
from hostport.cluster.events import Note
from hostport.diagnosis.pending import Parties
from hostport.run import clock
from hostport.run.office import Office

logger = logging.getLogger(__name__)

TELL_AGAIN_SECONDS = 900.0
# Events have a limit for the whole operator; conflicts leave more than half of it to others.
_MOST_NOTES = 4


@dataclass(slots=True)
class _Open:
    """A conflict that is not over, nor before `until`: when each of its parties was told."""

    until: float = 0.0
    told: dict[str, float] = field(default_factory=dict)


class Disputes:
    """What is to be remembered of conflicts, whatever their kind, and how they are told."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._open: dict[Parties, _Open] = {}
        self._notes = 0

    def begin(self) -> None:
        """A new look: there is room for notes again."""
        self._notes = 0

    @property
    def has_room(self) -> bool:
        """Whether more may be told in this look."""
        return self._notes < _MOST_NOTES

    def are_open(self, parties: Set[Parties]) -> bool:
        """Whether all of these have been counted."""
        return parties <= self._open.keys()

    def count(self, parties: Parties, pool: str, until: float = 0.0) -> None:
        """Count a conflict unless it is open already; it stays open at least `until` then."""
        if parties not in self._open:
            self._open[parties] = _Open(until)
            self._office.metrics.conflicts.labels(pool).inc()

    def close(self, lasting: Set[Parties]) -> None:
        """What nobody suffers from any more is over; should it come again, it is told and counted again."""
        for parties in self._open.keys() - lasting:
            if clock.monotonic() >= self._open[parties].until:
                del self._open[parties]

    async def tell_once(self, parties: Parties, owner: str, text: str) -> None:
        """Tell one of the parties (Kind/namespace/name), unless it was told lately."""
        told, now = self._open[parties].told, clock.monotonic()
        if owner not in told or now - told[owner] >= TELL_AGAIN_SECONDS:
            told[owner] = now
            await self.tell(owner, text)

    async def tell(self, owner: str, text: str) -> None:
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

    def tell_pod(self, namespace: str, name: str, uid: str, text: str) -> None:
        """An event on a Pod, which may be gone by now."""
        self._say(Note("v1", "Pod", namespace, name, uid, "PortConflict", text, warning=True))

    def _say(self, note: Note) -> None:
        if self._office.namespace not in ("", note.namespace):
            return
        self._notes += 1
        self._office.teller.tell(note)
        fields = {"workload": f"{note.kind}/{note.namespace}/{note.name}", "reason": note.reason}
        logger.warning("%s PortConflict: %s", fields["workload"], note.text, extra=fields)
