"""Pods that the scheduler has evicted for one of higher priority that wants their number."""

from __future__ import annotations

from typing import NamedTuple

from hostport.api.podspec import Claim, claims
from hostport.cluster.client import Json
from hostport.cluster.foreign import pod_owner
from hostport.cluster.stuck import is_preempted
from hostport.diagnosis.advice import advise, placement_of
from hostport.diagnosis.pending import Parties, pool_of, preemptor
from hostport.run import clock
from hostport.run.disputes import Disputes
from hostport.run.office import Office

# So long after an eviction whoever comes for the number is expected.
_GRACE_SECONDS = 60.0


class _Evicted(NamedTuple):
    """A Pod that the scheduler has evicted."""

    owner: str
    uid: str
    node: str
    claims: frozenset[Claim]
    since: float


class Evictions:
    """Keeps of the Pods only those that were evicted, until it is told why, or was for something else."""

    def __init__(self, office: Office, disputes: Disputes) -> None:
        self._office = office
        self._disputes = disputes
        self._evicted: dict[str, _Evicted] = {}
        self._told: set[str] = set()

    def see(self, key: str, raw: Json) -> None:
        """A Pod that claims ports, as it is now."""
        if is_preempted(raw) and key not in self._told:
            node, uid = raw["spec"].get("nodeName") or "", raw["metadata"]["uid"]
            found = _Evicted(pod_owner(raw), uid, node, claims(raw["spec"]), clock.monotonic())
            self._evicted.setdefault(key, found)

    def forget(self, key: str) -> None:
        """A Pod is gone. Why it was evicted may still have to be told."""
        self._told.discard(key)

    async def tell(self) -> None:
        """Tell of those whose number somebody has come for."""
        for key, evicted in list(self._evicted.items()):
            by = preemptor(self._office.state, evicted.owner, evicted.node, evicted.claims)
            if by is not None:
                del self._evicted[key]
                await self._tell(key, evicted, *by)
            elif clock.monotonic() - evicted.since > _GRACE_SECONDS:  # it was for something else
                del self._evicted[key]

    async def _tell(self, key: str, evicted: _Evicted, claim: Claim, pod: str, owner: str) -> None:
        state = self._office.state
        if state.use_of(key) is not None:
            self._told.add(key)
        way_out = advise(state, self._office.workloads, owner, claim, placement_of(state, owner))
        text = (
            f"{key} on {evicted.node} was evicted by the scheduler: {pod} has a higher priority and wants "
            f"hostPort {claim}. To {owner}: {way_out}"
        )
        parties = Parties(claim.protocol, claim.port, frozenset((evicted.owner, owner)))
        pool = pool_of(state, claim, frozenset((evicted.node,)))
        self._disputes.count(parties, pool, until=clock.monotonic() + _GRACE_SECONDS)
        namespace, name = key.removeprefix("Pod ").split("/")
        self._disputes.tell_pod(namespace, name, evicted.uid, text)
        if not evicted.owner.startswith("Pod/"):
            await self._disputes.tell(evicted.owner, text)
