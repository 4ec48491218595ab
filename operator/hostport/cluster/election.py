"""The Lease of coordination.k8s.io that says which of several replicas works.

The rules are those of client-go's leaderelection: every write is a compare-and-set, and a holder is thought dead when
the record has not changed for its duration by the looker's own clock; the times in the record are for people.
`kubernetes.aio.leaderelection` is not used: it can't give a Lease up, ends with the first refused connection, measures
by the wall clock, and logs a traceback for every 409.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import Conflict, NotFound

# Three renewals may fail before the holder stops, and he stops well before anybody else may begin.
LEASE_SECONDS = 10
NAME = "hostport-operator"


class Record(NamedTuple):
    """A Lease as it stands; without a holder it is there to be had. Times are RFC 3339."""

    version: str
    holder: str = ""
    seconds: int = LEASE_SECONDS
    renewed: str = ""
    acquired: str = ""
    transitions: int = 0

    @classmethod
    def parse(cls, raw: Json) -> Record:
        """A Lease as the API server shows it."""
        spec = raw.get("spec") or {}
        return cls(
            raw["metadata"]["resourceVersion"],
            spec.get("holderIdentity") or "",
            int(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
            spec.get("renewTime") or "",
            spec.get("acquireTime") or "",
            int(spec.get("leaseTransitions") or 0),
        )

    def spec(self) -> Json:
        """What is written of it."""
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.seconds,
            "renewTime": self.renewed,
            "acquireTime": self.acquired,
            "leaseTransitions": self.transitions,
        }


class Candidate:
    """One process's part in an election. `holder` is who was seen to hold the Lease last."""

    def __init__(
        self, api: Api, namespace: str, identity: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._path = paths.named(paths.leases(namespace), NAME)
        self._collection = paths.leases(namespace)
        self._monotonic = monotonic
        self._seen = Record("")
        self._seen_at = 0.0
        self.name = f"{namespace}/{NAME}"
        self.identity = identity

    @property
    def holder(self) -> str:
        """Who was seen to hold the Lease last; nobody is the empty string."""
        return self._seen.holder

    async def win(self) -> bool:
        """Take the Lease if it is to be had, or is ours; tells whether it is ours now. Raises `ApiError`."""
        try:
            self._note(Record.parse(await self._api.get(self._path)))
            if self.holder not in ("", self.identity) and not self._has_run_out():
                return False
            await self._claim()
        except Conflict:
            return False
        except NotFound:
            return await self._make()
        return True

    async def renew(self) -> bool:
        """Renew the Lease that is ours; tells whether it still is. Raises `ApiError`."""
        try:
            await self._claim()
        except (Conflict, NotFound):
            # Somebody has it; or has put a label on it, or deleted it, which takes it from nobody.
            return await self.win()
        return True

    async def give_up(self) -> None:
        """Let others have the Lease at once, if it is ours. Raises `ApiError`."""
        if self.holder != self.identity:
            return
        # Read anew: a renewal that nobody waits for any more may have been carried out.
        self._note(Record.parse(await self._api.get(self._path)))
        if self.holder == self.identity:
            await self._write(self._seen._replace(holder="", seconds=1, renewed=_now()))

    def _has_run_out(self) -> bool:
        return self._monotonic() - self._seen_at >= self._seen.seconds

    async def _claim(self) -> None:
        await self._write(self._mine())

    async def _make(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME},
            "spec": Record("", self.identity, LEASE_SECONDS, _now(), _now()).spec(),
        }
        try:
            self._note(Record.parse(await self._api.create(self._collection, body)))
        except Conflict:
            return False
        return True

    def _mine(self) -> Record:
        now, mine = _now(), self.holder == self.identity
        return self._seen._replace(
            holder=self.identity,
            seconds=LEASE_SECONDS,
            renewed=now,
            acquired=self._seen.acquired if mine else now,
            transitions=self._seen.transitions + (not mine),
        )

    async def _write(self, record: Record) -> None:
        body = {"metadata": {"resourceVersion": record.version}, "spec": record.spec()}
        done = await self._api.patch(self._path, body)
        self._note(record._replace(version=str(done["metadata"]["resourceVersion"])))

    def _note(self, record: Record) -> None:
        if record != self._seen:
            self._seen, self._seen_at = record, self._monotonic()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
