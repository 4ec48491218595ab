"""The desk: dirty keys in; plan, commit, patch, tell.

One round at a time: all that is dirty is planned against one state and committed together, so that the first who comes
does not wait for company and the rest share the next write. Templates are patched side by side, while the next round
is already at work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from hostport.allocation.footing import has_moved
from hostport.allocation.plan import Plan
from hostport.api.errors import InvalidAnnotation, PatchRefused, PatchReverted
from hostport.api.workload import Kind, Workload
from hostport.cluster.client import Json
from hostport.cluster.foreign import template_use
from hostport.ledger.book import Change
from hostport.run import clock
from hostport.run.budget import Budget
from hostport.run.delivery import Delivery
from hostport.run.inquiries import Inquiries
from hostport.run.office import Office
from hostport.run.refused_pods import RefusedPods
from hostport.run.remarks import Remarks
from hostport.run.waiting import Waiting

logger = logging.getLogger(__name__)

# Under load a round begins at most this often: a write to a block costs the same for one lease as for fifty.
ROUND_SECONDS = 0.1
_RETRY_SECONDS = 1.0

# Nothing elsewhere mends these: the workload itself must be another one.
_ITS_OWN = (InvalidAnnotation, PatchRefused, PatchReverted)


class Desk:
    """Decides for every workload that is touched."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._dirty: dict[str, float] = {}
        self._steps: list[tuple[Change, object]] = []
        self._wake = asyncio.Event()
        self._at_work = asyncio.Lock()
        self._missing: set[str] = set()
        self._leaks: set[str] = set()
        self._gone: set[str] = set()
        self._waiting = Waiting(office)
        self._openings = 0
        self._moves = 0
        self._is_new = True
        self._remarks = Remarks(office)
        self._budget = Budget(clock.monotonic)
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self.refused_pods = RefusedPods(office, self.touch)
        self._delivery = Delivery(office, self._budget, again=self.touch, gone=self._confirmed_gone, found=self.see)
        self._inquiries = Inquiries(self._delivery, again=self.touch)

    # What happens

    def see(self, kind: Kind, raw: Json) -> None:
        """A workload as it is now; what is older than what is known is passed over."""
        workload = Workload.parse(kind, raw)
        known = self._office.workloads.get(workload.key)
        if known is not None and known.version >= workload.version:
            return
        self._forget_loss(workload.key)
        self._note_template(workload)
        if self._office.namespace not in ("", workload.namespace):
            return
        if workload.annotations or self._office.state.book.of_owner(workload.key):
            self._office.workloads[workload.key] = workload
            self.refused_pods.see(workload)
            if known is None or _essence(known) != _essence(workload):
                self.touch(workload.key)
        elif known is not None:
            self.gone(workload.key)

    def gone(self, key: str) -> None:
        """A workload is said to be gone."""
        self._office.workloads.pop(key, None)
        self._office.state.forget_use(key)
        self._office.state.let_go.pop(key, None)
        for part in (self._remarks, self._inquiries, self._budget, self.refused_pods):
            part.forget(key)
        self._missing.add(key)
        self.touch(key)

    def leaks(self, key: str) -> None:
        """Repair has seen leases twice whose workload was not there."""
        if key not in self._office.workloads:
            self._leaks.add(key)
            self.gone(key)

    def _forget_loss(self, key: str) -> None:
        for said in (self._missing, self._leaks, self._gone):
            said.discard(key)

    def _note_template(self, workload: Workload) -> None:
        use = template_use(workload)
        if use is None:
            self._office.state.forget_use(workload.key)
        else:
            self._office.state.see_use(workload.key, use)

    def touch(self, key: str) -> None:
        """Something about a workload, or about what it holds, is new."""
        now = clock.monotonic()
        # While another replica works, it is served by that one: waiting begins with its last change.
        self._dirty[key] = self._dirty.get(key, now) if self._office.leadership.leads else now
        self._wake.set()

    def step(self, change: Change) -> None:
        """A lease is to go on to its next state, if it is still as it is now."""
        self._steps.append((change, self._office.state.book.get(change.pool, change.key)))
        self._wake.set()

    def retry_waiting(self) -> None:
        """Something has become free, or a pool or node is other than it was: look again at those who wait.

        Where nodes are, at those too who are warned of having too few, or have to be.
        """
        self._openings = self._office.state.openings
        for key in self._waiting.due():
            self.touch(key)
        if self._moves != self._office.state.moves:
            self._moves = self._office.state.moves
            for key, workload in self._office.workloads.items():
                if key in self._remarks or has_moved(self._office.state, workload):
                    self.touch(key)

    def _confirmed_gone(self, key: str) -> None:
        self._gone.add(key)
        self.touch(key)

    # The loop

    async def run(self) -> None:
        """Work until cancelled; after that nothing of it is under way."""
        try:
            await self._work()
        finally:
            await self._delivery.abandon()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await self._office.leadership.awaited()
            began = clock.monotonic()
            async with self._at_work:
                doubt = not await self._office.ledger.clear_doubts()
                if not doubt and self._office.leadership.leads:
                    await self._round()
            if doubt:
                await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(max(0.0, ROUND_SECONDS - (clock.monotonic() - began)))

    async def finish(self) -> None:
        """End after the round and the patches that are under way."""
        await self._at_work.acquire()
        await self._delivery.drain()

    def stand_by(self) -> None:
        """Forget what was found out and what was told: when this process works again, another may have worked."""
        self._gone.clear()
        self._leaks.clear()
        self._steps.clear()
        self._waiting.forget_all()
        self._inquiries.forget_all()
        self._is_new = True

    def tidy(self) -> None:
        """While another replica works: forget those who are not there any more and have nothing."""
        for key in [key for key in self._dirty if key not in self._office.workloads]:
            if not self._office.state.book.of_owner(key):
                del self._dirty[key]
                self._forget_loss(key)

    async def _round(self) -> None:
        keys, self._dirty = self._dirty, {}
        self._wake.clear()
        now = clock.now()
        changes = self._take_steps()
        plans: list[tuple[Plan, float]] = []
        for key, since in self._in_turn(keys).items():
            workload = self._office.workloads.get(key)
            if workload is None:
                changes += self._plan_gone(key, now)
            elif not self._delivery.expects(workload):
                plan = self._plan(workload, now)
                if plan is not None:
                    changes += plan.changes
                    plans.append((plan, since))
        failed = await self._office.ledger.commit(changes) if changes else set()
        self._count_released(changes, failed)
        for plan, since in plans:
            self._finish(plan, since, failed)
        for key in failed:
            self.touch(key)
        self._office.news.set()

    def _in_turn(self, keys: dict[str, float]) -> dict[str, float]:
        """Those who wait go first, oldest first: a newcomer takes nothing that has become free before they could."""
        if self._is_new:  # nobody knows any more who came first: they are taken in the order of their age
            self._is_new = False
            keys = dict(sorted(keys.items(), key=lambda item: self._born(item[0])))
        waiting, state = self._waiting.due(), self._office.state
        if self._openings == state.openings or all(key in waiting for key in keys):
            return {**{key: keys[key] for key in waiting if key in keys}, **keys}
        self._openings = state.openings
        now = clock.monotonic()
        return {**{key: keys.get(key, now) for key in waiting}, **keys}

    def _born(self, key: str) -> str:
        workload = self._office.workloads.get(key)
        return workload.created if workload is not None else ""

    def _plan(self, workload: Workload, now: str) -> Plan | None:
        known = self._office.workloads
        answers = self._inquiries.answers(workload.key)

        def uid_of(owner: str) -> str | None:
            return known[owner].uid if owner in known else answers.get(owner)

        try:
            plan = self._office.planner.plan(workload, now, uid_of)
        except Exception:  # one workload that nobody thought of must not keep all others waiting
            logger.exception("no plan for %s: please report this", workload.key, extra={"workload": workload.key})
            return None
        if plan.suspects:
            for owner in plan.suspects & known.keys():
                self.touch(owner)  # another object of that name, which has not been planned for yet
            self._inquiries.ask(workload.key, plan.suspects, {*known, *answers})
            return None
        return plan

    def _take_steps(self) -> list[Change]:
        steps, self._steps = self._steps, []
        book, put = self._office.state.book, self._office.state.put
        valid = [change for change, before in steps if book.get(change.pool, change.key) == before]
        for change in valid:
            put(change)
        return valid

    def _plan_gone(self, key: str, now: str) -> list[Change]:
        if all(lease.state != "active" for lease in self._office.state.book.of_owner(key).values()):
            self._forget_loss(key)
            self._waiting.forget(key)
        elif key in self._gone:
            return self._free(key, now)
        elif key in self._missing:
            self._delivery.confirm_gone(key)
        else:
            # Nobody has said that it is gone: it may not have been seen yet. If it is a leak, repair sees it twice.
            self._office.suspicion.set()
        return []

    def _free(self, key: str, now: str) -> list[Change]:
        changes = self._office.planner.plan_gone(key, now)
        for pool in {change.pool for change in changes} if key in self._leaks else ():
            numbers = ", ".join(str(change.key) for change in changes if change.pool == pool)
            text = f"{numbers} goes back: {key}, which had it, does not exist"
            self._office.metrics.repairs.labels("released").inc()
            self._office.tell_pool(pool, "PortsReleased", text)
            logger.info("repair: pool %s: %s", pool, text, extra={"pool": pool, "workload": key, "port": numbers})
        self._forget_loss(key)
        return changes

    def _finish(self, plan: Plan, since: float, failed: set[str]) -> None:
        workload = plan.workload
        if workload.key in failed:
            return
        if plan.refusal is not None:
            self._waiting.add(workload, plan.refusal, wakes=not isinstance(plan.refusal, _ITS_OWN))
        else:
            self._waiting.forget(workload.key)
            self._tell_found(plan)
        if plan.patches_template:
            self._deliver(plan, since)
        elif plan.refusal is None:
            self._remarks.tell(workload, plan.remarks)
            if plan.assigned:
                self.refused_pods.await_pod(workload)

    def _deliver(self, plan: Plan, since: float) -> None:
        key, verdict = plan.workload.key, self._budget.verdict(plan)
        if verdict.let_go is not None:
            self._office.state.let_go[key] = verdict.let_go
            self.touch(key)
        elif verdict.wait:
            self._touch_later(key, verdict.wait)
        else:
            self._delivery.send(plan, since)

    def _touch_later(self, key: str, seconds: float) -> None:
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
        self._alarms[key] = asyncio.get_running_loop().call_later(seconds, self._wake_up, key)

    def _wake_up(self, key: str) -> None:
        del self._alarms[key]
        self.touch(key)

    def _tell_found(self, plan: Plan) -> None:
        """What was found in the template and is not as it was."""
        workload = plan.workload
        for text in plan.conflicts:
            self._office.metrics.conflicts.labels(plan.changes[0].pool if plan.changes else "").inc()
            self._office.tell(workload, "PortConflict", text, warning=True)
        if plan.adopted:
            self._tell_adopted(plan)

    def _tell_adopted(self, plan: Plan) -> None:
        text = "; ".join(
            f"{ref} keeps hostPort {port}, whose lease was not there" for ref, port in plan.adopted.items()
        )
        self._office.tell(plan.workload, "PortsAssigned", text)
        fields = {"workload": plan.workload.key, "reason": "PortsAssigned", "port": text}
        logger.info("%s PortsAssigned: %s", plan.workload.key, text, extra=fields)

    def _count_released(self, changes: Iterable[Change], failed: set[str]) -> None:
        for change in changes:
            if change.lease is not None and change.lease.released and change.lease.owner not in failed:
                self._office.metrics.releases.labels(change.pool).inc()


def _essence(workload: Workload) -> tuple[object, ...]:
    """What a plan depends on; all else is status."""
    return workload.uid, workload.generation, workload.annotations, workload.deleting
