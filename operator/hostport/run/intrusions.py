"""Those who have come onto a number that is leased to another: told to both sides, and nobody is moved."""

from __future__ import annotations

from hostport.api.names import AUTO
from hostport.diagnosis.intruders import Intrusion, intrusions, to_the_intruder, to_the_owner
from hostport.diagnosis.pending import Parties, outdated
from hostport.run import clock
from hostport.run.disputes import Disputes
from hostport.run.office import Office

# What is over within two seconds was none. Who asks for numbers is about to get another, and is told so by the desk.
_MOMENT_SECONDS = 2.0
_GRACE_SECONDS = 60.0
# Looking at every lease takes at most this part of the time.
_SHARE = 0.05


class Intrusions:
    """Looks at every lease where something has changed, or where those who were seen must be looked at again."""

    def __init__(self, office: Office, disputes: Disputes) -> None:
        self._office = office
        self._disputes = disputes
        self._found: dict[Parties, tuple[Intrusion, float]] = {}
        self._changes = -1
        self._due = 0.0

    @property
    def parties(self) -> set[Parties]:
        """The conflicts that last, told or not yet."""
        return set(self._found)

    async def tell(self) -> None:
        """Look, and tell what has lasted."""
        self._scan()
        for found, since in list(self._found.values()):
            if self._is_due(found, since) and self._disputes.has_room:
                await self._tell(found)

    def _scan(self) -> None:
        changes, began = self._office.state.changes, clock.monotonic()
        if began < self._due or (changes == self._changes and self._disputes.are_open(self._found.keys())):
            return
        seen = {found.parties: found for found in intrusions(self._office.state) if not self._is_passing(found)}
        before = self._found
        self._found = {p: (found, before[p][1] if p in before else began) for p, found in seen.items()}
        ended = clock.monotonic()
        self._changes, self._due = changes, ended + (ended - began) / _SHARE

    def _is_passing(self, found: Intrusion) -> bool:
        """Whether the intruder asks, and its template has got another number: it is on its way."""
        return self._asks(found.intruder) and outdated(self._office.state, found.intruder, {found.claim})

    def _is_due(self, found: Intrusion, since: float) -> bool:
        return clock.monotonic() - since >= (_GRACE_SECONDS if self._asks(found.intruder) else _MOMENT_SECONDS)

    def _asks(self, owner: str) -> bool:
        workload = self._office.workloads.get(owner)
        return workload is not None and workload.annotations.get(AUTO) == "true"

    async def _tell(self, found: Intrusion) -> None:
        state, workloads = self._office.state, self._office.workloads
        self._disputes.count(found.parties, found.pool)
        await self._disputes.tell_once(found.parties, found.owner, to_the_owner(state, workloads, found))
        await self._disputes.tell_once(found.parties, found.told, to_the_intruder(state, workloads, found))
