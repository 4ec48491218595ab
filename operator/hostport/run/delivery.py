"""Patches on their way to workloads, and live looks at those that seem gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from hostport.allocation.plan import Plan
from hostport.api.references import is_workload
from hostport.api.workload import KINDS, Kind, Workload
from hostport.cluster import paths, templates
from hostport.cluster.client import Json
from hostport.cluster.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, level_of
from hostport.run import clock
from hostport.run.budget import Budget
from hostport.run.office import Office

logger = logging.getLogger(__name__)

_AT_ONCE = 32
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 60.0


class Delivery:
    """Writes templates, at most 32 at once. `again` is called for a workload that must be planned anew,
    `gone` and `found` with what a live look has shown.
    """

    def __init__(
        self,
        office: Office,
        budget: Budget,
        *,
        again: Callable[[str], None],
        gone: Callable[[str], None],
        found: Callable[[Kind, Json], None],
    ) -> None:
        self._office = office
        self._budget = budget
        self._again = again
        self._gone = gone
        self._found = found
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._touched: set[str] = set()
        self._replies: dict[str, Callable[[], None]] = {}
        self._written: dict[str, tuple[str, int]] = {}
        self._pauses: dict[str, float] = {}
        self._ending = asyncio.Event()

    def expects(self, workload: Workload) -> bool:
        """Whether a patch of the workload is under way, or its outcome has not been seen yet: no use planning now."""
        if workload.key in self._under_way:
            self._touched.add(workload.key)
            return True
        uid, generation = self._written.get(workload.key, ("", 0))
        if uid == workload.uid and workload.generation < generation:
            return True
        self._written.pop(workload.key, None)
        return False

    def send(self, plan: Plan, since: float) -> None:
        """Write a plan whose leases stand. `since`: when the workload was first seen to need it."""
        self._start(plan.workload.key, self._write(plan, since))

    def confirm_gone(self, key: str) -> None:
        """Ask the API server itself whether a workload is gone before anything of it is given back."""
        if key in self._under_way:
            self._touched.add(key)
        else:
            self._start(key, self._confirm(key))

    def ask(self, owner: str, answered: Callable[[str, str | None], None], *, again: bool) -> None:
        """Ask the API server who has an owner's name; `answered` is told the uid: "" for nobody, None for no answer.

        `again`: the last answer has settled nothing, so that it is asked after a pause.
        """
        name = f"owner {owner}"
        if name not in self._under_way:
            self._start(name, self._ask(name, owner, answered, again=again))

    async def drain(self) -> None:
        """Wait for everything under way; what fails now is not tried again."""
        self._ending.set()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def abandon(self) -> None:
        """End everything under way as it stands; nothing of it goes on after that."""
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _start(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"deliver {key}")
        self._under_way[key] = task
        task.add_done_callback(partial(self._done, key))

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        del self._under_way[key]
        error = None if task.cancelled() else task.exception()
        if error is not None:  # one workload that nobody thought of must not keep all others waiting
            logger.error(
                "what was under way for %s has failed: please report this", key, exc_info=error, extra={"workload": key}
            )
        # Not before: whoever is told may ask again at once.
        self._replies.pop(key, _nothing)()
        if key in self._touched:
            self._touched.discard(key)
            self._again(key)

    async def _write(self, plan: Plan, since: float) -> None:
        key = plan.workload.key
        try:
            async with self._slots:
                if not self._office.leadership.leads:
                    self._touched.add(key)
                    return
                if not plan.stands_in(self._office.state.book):
                    # A lease of it was lost while the patch waited for its turn: another may have the number by now.
                    self._touched.add(key)
                    return
                self._written[key] = (plan.workload.uid, await templates.write(self._office.api, plan))
        except NotFound:
            return
        except ApiError as error:
            await self._failed(plan.workload, error)
        else:
            self._pauses.pop(key, None)
            self._budget.wrote(plan)
            self._told(plan, since)

    async def _failed(self, workload: Workload, error: ApiError) -> None:
        key = workload.key
        if isinstance(error, Conflict) or (isinstance(error, Invalid) and error.is_failed_test):
            # The object has moved on since it was planned for; what it is now is on its way to us.
            logger.debug("%s is not what was planned for: %s", key, error)
            await self._pause(key)
        elif error.refuses and not (isinstance(error, Forbidden) and error.is_farewell):
            self._touched.add(key)
            self._refused(workload, error)
        else:
            logger.log(level_of(error), "%s not patched: %s", key, error, extra={"workload": key})
            await self._pause(key, at_least=5.0 if isinstance(error, Forbidden) else 0.0)

    def _refused(self, workload: Workload, error: ApiError) -> None:
        """Only whoever has made the policy can mend this: its sentence is told, once, and the pauses grow."""
        transient = isinstance(error, Forbidden) and error.is_by_rbac
        if self._budget.refused(workload, error.message, transient=transient):
            text = (
                f"the API server refuses the template with its hostPorts: {error.message.rstrip('.')}. It is tried"
                " again for an hour, less and less often; then the numbers go back"
            )
            self._office.tell(workload, "PatchRefused", text, warning=True)
            self._office.metrics.allocations.labels("", "PatchRefused").inc()
            fields = {"workload": workload.key, "reason": "PatchRefused"}
            logger.warning("%s PatchRefused: %s", workload.key, text, extra=fields)

    async def _confirm(self, key: str) -> None:
        if not is_workload(key):
            logger.warning("a lease belongs to %r, which is no workload: take it out by hand", key)
            return
        kind = KINDS[key.partition("/")[0]]
        try:
            async with self._slots:
                raw = await self._office.api.get(paths.workload(key))
        except NotFound:
            self._gone(key)
        except ApiError as error:
            logger.log(level_of(error), "can't tell whether %s is gone: %s", key, error, extra={"workload": key})
            await self._pause(key)
        else:
            with self._office.api.unreadable.reading(paths.workloads(kind.name), raw):
                self._found(kind, raw)

    async def _ask(self, name: str, owner: str, answered: Callable[[str, str | None], None], *, again: bool) -> None:
        if again:
            await self._rest(name)
        try:
            async with self._slots:
                raw = await self._office.api.get(paths.workload(owner))
        except NotFound:
            uid: str | None = ""
        except ApiError as error:
            logger.log(level_of(error), "can't tell whether %s is there: %s", owner, error, extra={"workload": owner})
            await self._rest(name)
            uid = None
        else:
            kind, uid = KINDS[owner.partition("/")[0]], str(raw["metadata"]["uid"])
            with self._office.api.unreadable.reading(paths.workloads(kind.name), raw):
                self._found(kind, raw)
        if uid is not None and not again:
            self._pauses.pop(name, None)
        self._replies[name] = partial(answered, owner, uid)

    async def _pause(self, key: str, at_least: float = 0.0) -> None:
        self._touched.add(key)
        await self._rest(key, at_least)

    async def _rest(self, key: str, at_least: float = 0.0) -> None:
        pause = max(at_least, min(_LONGEST_PAUSE_SECONDS, self._pauses.get(key, _FIRST_PAUSE_SECONDS / 2) * 2))
        self._pauses[key] = pause
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._ending.wait()

    def _told(self, plan: Plan, since: float) -> None:
        workload, metrics = plan.workload, self._office.metrics
        metrics.allocation_seconds.observe(clock.monotonic() - since)
        for change in plan.changes:
            if change.lease is not None and change.lease.port in plan.granted and change.lease.state == "active":
                metrics.allocations.labels(change.pool, "granted").inc()
        pools = {lease.port: pool for (pool, _), lease in self._office.state.book.of_owner(workload.key).items()}
        given = [f"{e.ref} → hostPort {port} from pool {pools.get(e.ref, '?')}" for e, port, _ in plan.ports if port]
        how = workload.left_to_you
        confined = [plan.confinement.text] if plan.confinement is not None and plan.confinement.text else []
        if given or (confined and plan.assigned):
            given += [*confined, *([f"its Pods get what is new when they are replaced, {how}"] if how else [])]
            self._say(workload, "PortsAssigned", "; ".join(given), plan)
        if plan.released:
            farewells = [*self._farewells(plan), *confined]
            farewells += [f"its Pods use it until they are replaced, {how}"] if how else []
            self._say(workload, "PortsReleased", "; ".join(farewells), plan)
        if plan.rollout is not None and plan.rollout.text:
            self._say(workload, "RolloutAdjusted", plan.rollout.text, plan)

    def _farewells(self, plan: Plan) -> Iterator[str]:
        by_hand = {e.ref: e.host_port for e in plan.workload.entries if e.host_port and e.ref not in plan.assigned}
        for pool, key, lease in plan.changes:
            if lease is not None and lease.releasing:
                rest = f"{self._office.state.pools[pool].cooldown} s once no Pod uses it"
                own = by_hand.get(lease.port, key.port)
                stays = f"; the template has hostPort {own} there, written by hand: it stays" if own != key.port else ""
                yield f"{lease.port}: hostPort {key} goes back to pool {pool} and rests for {rest}{stays}"

    def _say(self, workload: Workload, reason: str, text: str, plan: Plan) -> None:
        self._office.tell(workload, reason, text)
        fields = {"workload": workload.key, "reason": reason, "pool": _pools(plan), "port": text}
        logger.info("%s %s: %s", workload.key, reason, text, extra=fields)


def _nothing() -> None:
    """Nobody waits for the outcome."""


def _pools(plan: Plan) -> str:
    return ",".join(sorted({change.pool for change in plan.changes}))
