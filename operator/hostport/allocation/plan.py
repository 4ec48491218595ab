"""The plan for one workload: which leases it keeps, gets and leaves, and what its template must say.

A plan takes effect in the `State` it was made against, at once, so that the next plan of the same round sees it.
Whoever makes it must commit its changes to the ledger, or put the state back to what the ledger says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from hostport.allocation.added import recognised
from hostport.allocation.confine import Confinement, confine, release, unconfined
from hostport.allocation.draft import Draft
from hostport.allocation.environment import Environment, environment
from hostport.allocation.found import look, nothing_to_give, written
from hostport.allocation.holding import Holding
from hostport.allocation.keeping import keep
from hostport.allocation.let_go import LetGo, let_go_in
from hostport.allocation.pick import Picker
from hostport.allocation.rollout import Adjustment, Remark, adjust, fits, remarks, restore
from hostport.allocation.runs import RunPicker
from hostport.allocation.state import State
from hostport.allocation.staying import replaced, staying
from hostport.allocation.usurped import Owners, unasked
from hostport.api import names
from hostport.api.errors import PodsForbidden, Refusal
from hostport.api.lease import Lease
from hostport.api.placement import Placement
from hostport.api.podspec import PortEntry
from hostport.api.ports import Protocol
from hostport.api.request import Request, parse_request
from hostport.api.workload import Workload
from hostport.ledger.book import Book, Change, Place


@dataclass(slots=True)
class Plan:
    """What is to be done for a workload.

    `changes` go to the ledger, all before the template is touched. `ports` is what the template must say: an entry, its
    hostPort (0 to take ours out) and its hostIP. `assigned` is what `hostport/assigned` must say. `adopted` are numbers
    that stood in the template already and had no lease. `remarks` are about the workload as it is, and hold if nothing
    is to be patched. `suspects` are owners of leases: before it is known whether they are there nothing is decided, and
    the workload stays as it is.
    """

    workload: Workload
    changes: list[Change] = field(default_factory=list)
    ports: list[tuple[PortEntry, int, str]] = field(default_factory=list)
    assigned: dict[str, int] = field(default_factory=dict)
    granted: dict[str, int] = field(default_factory=dict)
    adopted: dict[str, int] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    environment: Environment | None = None
    rollout: Adjustment | None = None
    confinement: Confinement | None = None
    remarks: tuple[Remark, ...] = ()
    refusal: Refusal | None = None
    suspects: frozenset[str] = frozenset()

    def numbers(self) -> set[tuple[Protocol, int]]:
        """What is assigned, by protocol."""
        return {(e.protocol, self.assigned[e.ref]) for e in self.workload.entries if e.ref in self.assigned}

    @property
    def patches_template(self) -> bool:
        """Whether the object differs from what it should say."""
        if self.ports or self.rollout is not None or self.confinement is not None:
            return True
        env = self.environment
        if env is not None and (env.settings or env.added != self.workload.env_added()):
            return True
        return self.assigned != self.workload.assigned()

    def stands_in(self, book: Book) -> bool:
        """Whether every number that it writes into the template is leased to the workload."""
        workload = self.workload
        leases = book.of_owner(workload.key).items()
        active = {
            (key.protocol, key.port)
            for (_, key), lease in leases
            if lease.state == "active" and lease.uid == workload.uid
        }
        return all((entry.protocol, port) in active for entry, port, _ in self.ports if port)


class Planner:
    """Makes plans against one state. `rng` names grants and throws the dice of the policy `Random`."""

    def __init__(self, state: State, rng: Random) -> None:
        self._state = state
        self._rng = rng

    def plan(self, workload: Workload, now: str, owners: Owners = unasked) -> Plan:
        """The plan for a workload as it was last seen; `now` is RFC 3339, `owners` what the API server says of others.

        A refusal changes nothing, except that what an earlier workload of that name had goes back. Whatever else is
        raised changes nothing at all.
        """
        if workload.deleting:
            # Its leases go when it is gone; a template that is on its way out is nobody's to patch.
            return Plan(workload, assigned=workload.assigned())
        try:
            with Draft(self._state) as draft:
                workload = recognised(workload, self._state.book.of_owner(workload.key))
                request = parse_request(workload)
                if request is None:
                    self._state.let_go.pop(workload.key, None)
                    return self._give_back(workload, now, draft)
                given_up = self._given_up(workload)
                if given_up is not None:
                    return self._let_go(workload, given_up, now, draft)
                if any(not entry.host_port for entry in request.entries):
                    self._must_be_allowed(workload)
                found = look(self._state, workload, request, owners)
                if found.suspects:
                    return Plan(workload, assigned=workload.assigned(), suspects=frozenset(found.suspects))
                return self._serve(Holding(self._state, workload, request, draft, found), now)
        except Refusal as refusal:
            left = self._left_behind(workload, now, refusal)
            return Plan(workload, refusal=refusal, assigned=workload.assigned(), changes=left)

    def plan_gone(self, owner: str, now: str) -> list[Change]:
        """What leaves the ledger's active part when a workload is gone for certain."""
        with Draft(self._state) as draft:
            for place, lease in list(self._state.book.of_owner(owner).items()):
                if lease.state == "active":
                    draft.put(*place, lease._replace(releasing=now))
            return draft.changes

    def _given_up(self, workload: Workload) -> LetGo | None:
        """Why nothing more is written for what the workload asks for now."""
        known = self._state.let_go.get(workload.key)
        if known is not None and known.digest == workload.digest:
            return known
        self._state.let_go.pop(workload.key, None)
        return let_go_in(self._state.book.of_owner(workload.key).values(), workload)

    def _let_go(self, workload: Workload, given_up: LetGo, now: str, draft: Draft) -> Plan:
        """The numbers that its template does not show go back, and those it shows stay its own."""
        if given_up.gives_back:
            plan = self._give_back(workload, now, draft, given_up.mark)
            plan.refusal = given_up.refusal()
            return plan
        shown = {(entry.protocol, entry.host_port) for entry in workload.entries}
        for (pool, key), lease in list(self._state.book.of_owner(workload.key).items()):
            marked = lease._replace(abandoned=given_up.mark)
            if lease.state == "active" and (key.protocol, key.port) not in shown:
                marked = marked._replace(releasing=now)
            if marked != lease and not lease.released:
                draft.put(pool, key, marked)
        return Plan(workload, refusal=given_up.refusal(), assigned=workload.assigned(), changes=draft.changes)

    def _must_be_allowed(self, workload: Workload) -> None:
        security = pod_security(self._state, workload)
        if security is not None:
            raise security

    def _serve(self, holding: Holding, now: str) -> Plan:
        workload, request, draft, found = holding.workload, holding.request, holding.draft, holding.found
        own = dict(self._state.book.of_owner(workload.key))
        self._fill(holding)
        plan = Plan(workload, conflicts=[*found.conflicts, *replaced(holding)])
        plan.adopted = {entry.ref: holding.numbers[entry][0] for entry in holding.adopted}
        plan.assigned.update((entry.ref, entry.host_port) for entry in holding.stays)
        for entry, (port, ip) in holding.numbers.items():
            plan.assigned[entry.ref] = port
            if entry.host_port != port or (ip and entry.claim.ip != ip):
                plan.ports.append((entry, port, ip))
        if own:
            self._leave(own, draft, now, plan)
            plan.ports += [(entry, 0, ip) for entry, ip in found.ours.items() if entry not in holding.numbers]
        plan.granted = self._stamp(draft, now)
        plan.changes = draft.changes
        if any(port for _, port, _ in plan.ports):
            self._must_be_allowed(workload)
        self._confine(plan, holding.placement)
        where = workload.placement if plan.confinement is None else holding.placement
        self._see_to_rollouts(plan, request, where)
        numbers = {e: port for e, (port, _) in holding.numbers.items()} | {e: e.host_port for e in holding.stays}
        self._tell_containers(plan, {e: port for e, port in numbers.items() if request.env or e.passthrough})
        plan.remarks += tuple(staying(holding))
        security = pod_security(self._state, workload)
        if security is not None:
            plan.remarks += (Remark(security.reason, security.message, lasting=True),)
        if not found.wanted and not found.left:
            plan.remarks += (nothing_to_give(workload, request),)
        return plan

    def _fill(self, holding: Holding) -> None:
        if holding.request.contiguous:
            RunPicker(holding).serve()
            return
        if not keep(holding):
            return
        confined = holding.workload.home != holding.workload.placement
        keeps = bool(holding.numbers)
        if not keeps and not holding.found.copies and confined:
            self._fill_at_home(holding)
            return
        try:
            self._pick(holding)
        except Refusal:
            if keeps or not confined:
                raise
            self._fill_at_home(holding)

    def _fill_at_home(self, holding: Holding) -> None:
        """Without what the operator had added to the affinity, which kept the Pods from where their numbers hold."""
        holding.start_at_home()
        if keep(holding):
            self._pick(holding)

    def _pick(self, holding: Holding) -> None:
        Picker(holding, self._rng).grant(holding.candidates())

    def _confine(self, plan: Plan, placement: Placement) -> None:
        workload = plan.workload
        if not plan.assigned:
            plan.confinement = release(workload)
        elif placement != workload.placement:
            plan.confinement = confine(workload, placement, writes=_writes(plan))
            if plan.confinement is None:
                plan.remarks = (unconfined(placement),)

    def _see_to_rollouts(self, plan: Plan, request: Request, placement: Placement) -> None:
        workload, room, keep_it = plan.workload, self._state.room(placement), request.keeps_strategy
        if fits(workload, room):
            return
        if not plan.assigned:
            plan.rollout = restore(workload)
            return
        runs = self._state.ready.any_on(workload.key, plan.numbers())
        plan.rollout = adjust(workload, room, keep=keep_it, runs=runs)
        if plan.rollout is None:
            plan.remarks += tuple(remarks(workload, room, placement, keep=keep_it))

    def _tell_containers(self, plan: Plan, told: Mapping[PortEntry, int]) -> None:
        if told or names.ENV_ADDED in plan.workload.annotations:
            plan.environment = environment(plan.workload, told)
            plan.remarks += tuple(plan.environment.remarks())

    def _give_back(self, workload: Workload, now: str, draft: Draft, mark: str = "") -> Plan:
        """`mark` stands in its leases if nothing more is to be written for it."""
        own = dict(self._state.book.of_owner(workload.key))
        plan = Plan(workload, rollout=restore(workload), confinement=release(workload))
        self._leave(own, draft, now, plan)
        for place in own:
            lease = self._state.book.get(*place)
            if lease is not None and lease.abandoned != mark:
                draft.put(*place, lease._replace(abandoned=mark))
        plan.ports += [(entry, 0, ip) for entry, ip in written(workload, own).items()]
        plan.changes = draft.changes
        self._tell_containers(plan, {})
        return plan

    def _left_behind(self, workload: Workload, now: str, refusal: Refusal) -> list[Change]:
        """What leaves the active part: leases of an earlier workload of that name, which is gone, and numbers that the
        template has lost where no hostPort may be written.
        """
        shown = {(entry.protocol, entry.host_port) for entry in workload.entries}
        with Draft(self._state) as draft:
            for place, lease in list(self._state.book.of_owner(workload.key).items()):
                lost = isinstance(refusal, PodsForbidden) and (place[1].protocol, place[1].port) not in shown
                if lease.state == "active" and (lost or lease.uid != workload.uid):
                    draft.put(*place, lease._replace(releasing=now))
            return draft.changes

    def _leave(self, own: Mapping[Place, Lease], draft: Draft, now: str, plan: Plan) -> None:
        """Every lease of the workload that nothing wants goes."""
        for (pool, key), lease in own.items():
            if lease.state != "active" or (pool, key) in draft.kept or self._state.book.get(pool, key) is None:
                continue
            draft.put(pool, key, lease._replace(releasing=now))
            number = f"{lease.port}={key.port}"
            if number not in plan.released:
                plan.released.append(number)

    def _stamp(self, draft: Draft, now: str) -> dict[str, int]:
        """Date the new leases and give them their common grant id; returns the number of each port."""
        active = ((pool, key, lease) for pool, key, lease in draft.changes if lease and lease.state == "active")
        fresh = [(pool, key, lease) for pool, key, lease in active if not lease.since]
        grant = f"{self._rng.getrandbits(25):05x}/{len(fresh)}"
        for pool, key, lease in fresh:
            draft.amend(pool, key, Lease(lease.owner, lease.uid, lease.port, now, grant))
        return {lease.port: key.port for _, key, lease in fresh}


def pod_security(state: State, workload: Workload) -> PodsForbidden | None:
    """The refusal of hostPorts in a namespace that enforces a level which forbids them.

    Source: `PolicyToEvaluate` in pod-security-admission/api/helpers.go: what is no level counts as restricted. That
    a namespace is exempt stands in the API server's configuration alone, so that the operator must be told.
    """
    level = state.namespaces.get(workload.namespace, {}).get(names.POD_SECURITY_ENFORCE, "privileged")
    if level == "privileged" or workload.namespace in state.exempt:
        return None
    return PodsForbidden(
        f"namespace {workload.namespace} enforces the Pod Security level {level}, which forbids hostPorts: no Pod with"
        f" one could be made here. To allow them: kubectl label namespace {workload.namespace} --overwrite"
        f" {names.POD_SECURITY_ENFORCE}=privileged; if the API server exempts the namespace, tell the operator so with"
        " --pod-security-exempt-namespaces"
    )


def _writes(plan: Plan) -> bool:
    """Whether the workload gets something, so that its template is another one anyway."""
    return bool(plan.ports) or any(c.lease is not None and c.lease.state == "active" for c in plan.changes)
