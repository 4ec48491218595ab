"""Repair, carried out: the ledger is held against the cluster now and then, and soon after something looks wrong.

Nothing is written here. Workloads are handed to the desk, which plans them anew and commits by compare-and-set like
everything else; so two operators may repair the same thing, and repairing it again changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from hostport.diagnosis.check import Entry, Evidence, Finding, check
from hostport.diagnosis.repair import Repairs, repairs
from hostport.run.desk import Desk
from hostport.run.office import Office

logger = logging.getLogger(__name__)

_NOW_AND_THEN_SECONDS = 300.0
# What looks wrong is looked at again after that long; while there is ever more of it, less and less often.
_SOON_SECONDS = 5.0

Relist = Callable[[], Awaitable[bool]]


class Repairer:
    """Looks when work begins, every five minutes, and soon after `office.suspicion`.

    `relist` reads the workloads anew, so that deletions that a watch has missed are noticed; it tells whether it could.
    """

    def __init__(self, office: Office, desk: Desk, relist: Relist) -> None:
        self._office = office
        self._desk = desk
        self._relist = relist
        self._found: frozenset[Finding] = frozenset()
        self._done: frozenset[Finding] = frozenset()
        self._fresh = False
        self._pause = _SOON_SECONDS

    def begin(self) -> None:
        """Look as work begins, before anything is under way."""
        self._found = self._done = frozenset()
        self._see(self._entries(), begins=True)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._wait()
            await self._office.leadership.awaited()
            # Leases first, workloads second: whoever has a lease by now is in the list, or is gone.
            entries = self._entries()
            if not await self._relist():
                self._office.suspicion.set()
            elif self._office.leadership.leads:
                self._see(entries)

    async def _wait(self) -> None:
        await asyncio.sleep(self._pause)
        if not self._fresh:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NOW_AND_THEN_SECONDS):
                    await self._office.suspicion.wait()
        self._office.suspicion.clear()

    def _see(self, entries: list[Entry], *, begins: bool = False) -> None:
        office = self._office
        unreadable = [(where, *one) for where, some in office.unreadable.items() for one in some.items()]
        found = check(Evidence(office.state, entries, office.workloads, unreadable, {}))
        todo = repairs(found, self._found, begins=begins)
        self._found = frozenset(found)
        self._done &= self._found
        self._carry_out(todo)
        self._pause = min(_NOW_AND_THEN_SECONDS, self._pause * 2) if self._fresh and todo.fresh else _SOON_SECONDS
        self._fresh = bool(todo.fresh)

    def _carry_out(self, todo: Repairs) -> None:
        for finding in todo.again:
            self._touch(finding)
            self._tell(finding, "replanned", logging.INFO, "looking at it again")
        self._ask_for({owner for finding in todo.leaks for owner in finding.owners})
        for finding in todo.by_hand:
            self._tell(finding, "reported", logging.WARNING, "this must be mended by hand")
        self._done |= {*todo.again, *todo.by_hand}

    def _ask_for(self, owners: set[str]) -> None:
        """The desk gives nothing back before the API server itself has said that an owner is gone."""
        for owner in sorted(owners):
            self._desk.leaks(owner)
            self._office.metrics.repairs.labels("leak").inc()
            logger.info("repair: %s has leases and is not there: asking for it", owner, extra={"workload": owner})

    def _touch(self, finding: Finding) -> None:
        for owner in finding.owners:
            self._desk.touch(owner)

    def _tell(self, finding: Finding, result: str, level: int, text: str) -> None:
        """Once, as long as it is found."""
        if finding in self._done:
            return
        self._office.metrics.repairs.labels(result).inc()
        fields = {"reason": finding.kind, "pool": finding.pool, "workload": ",".join(finding.owners)}
        logger.log(level, "repair: %s %s: %s; %s", finding.kind, finding.subject, finding.text, text, extra=fields)
        if result == "reported" and finding.pool in self._office.state.pools:
            note = f"{finding.subject}: {finding.text}"
            self._office.tell_pool(finding.pool, finding.kind, note, warning=True)

    def _entries(self) -> list[Entry]:
        """Every lease as the API server has it; of an operator for one namespace, the leases of that namespace."""
        return list(self._standing())

    def _standing(self) -> Iterator[Entry]:
        ledger, served = self._office.ledger, self._office.namespace
        for pool in self._office.state.pools:
            for block in ledger.blocks(pool):
                where = f"HostPortPool {pool}" if block.home else f"HostPortBlock {block.name}"
                for key, lease in block.leases.items():
                    if served in ("", lease.namespace):
                        yield Entry(where, pool, key, lease)
