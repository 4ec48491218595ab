"""A cluster on paper, with the operator's planning at work in it.

What a user applies is planned for at once; the numbers are written into the manifest as the operator's patch would.
The ledger is a dictionary: the real one has tests of its own. After every step what must always be true is looked at.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import jsonpatch

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.settle import next_steps
from hostport.allocation.state import State
from hostport.allocation.summary import Counts, summarize
from hostport.api.errors import PatchRefused, PatchReverted, PodsForbidden
from hostport.api.lease import Lease
from hostport.api.names import ASSIGNED
from hostport.api.workload import Workload
from hostport.cluster.foreign import pod_use, service_use, template_use
from hostport.cluster.templates import operations
from hostport.ledger.book import Change, Place
from tests.core import build, truths
from tests.core.apply import merge
from tests.core.build import Json

# A plan that is carried out must be followed by one that changes nothing; one more round is for a moved number.
_MOST_ROUNDS = 3
# What can't have its numbers at all gives back those that its template does not show.
_GIVES_BACK = (PatchRefused, PatchReverted, PodsForbidden)


class Unacceptable(Exception):
    """The API server would not have it."""


class World:
    """Nodes, pools, workloads and Pods. Its clock stands still unless told to `wait`."""

    def __init__(self, *nodes: str, most_views: int = 64) -> None:
        self.state = State(most_views)
        self.planner = Planner(self.state, Random(0))
        self.seconds = 0
        self.plans: list[Plan] = []
        self.before: list[truths.Leases] = []
        self.ledger: truths.Leases = {}
        self._objects: dict[str, Json] = {}
        self._applied: dict[str, Json] = {}
        self._versions = 0
        self._resting: dict[Place, int] = {}
        self._overlaps: set[frozenset[Place]] = set()
        self.state.see_nodes(build.node(name) for name in nodes or ("n1", "n2", "n3"))

    @property
    def now(self) -> str:
        """The time as it stands in leases."""
        return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # The administrator

    def pool(self, name: str, *ranges: str, age: int = 0, **spec: object) -> None:
        """Create a pool, or change all of its spec."""
        self._versions += 1
        self.state.see_pool(build.pool(name, *ranges, age=age, generation=self._versions, **spec))
        self._accept_overlaps()
        self.check()

    def forget_pool(self, name: str) -> None:
        """A pool is gone, torn away with its leases."""
        self.state.forget_pool(name)
        self.ledger = {place: lease for place, lease in self.ledger.items() if place[0] != name}
        self.check()

    def delete_pool(self, name: str) -> None:
        """Delete a pool, which stays as long as its leases do."""
        self.state.see_pool(dataclasses.replace(self.state.pools[name], terminating=True))
        self.check()

    def node(self, name: str, *taints: str, **labels: str) -> None:
        """Add or change a node."""
        self.state.see_nodes((build.node(name, *taints, **labels),))
        self._accept_overlaps()
        self.check()

    def drop_node(self, name: str) -> None:
        """Take a node away."""
        self.state.forget_node(name)
        self._accept_overlaps()
        self.check()

    def empty_ledger(self) -> None:
        """Take every lease out of every pool, as a status restored from an old backup would."""
        for pool, key in list(self.ledger):
            self.state.put(Change(pool, key, None))
        self.ledger.clear()
        self._resting.clear()
        self.check()

    # Users

    def deploy(self, name: str, entries: str = "http:80", **more: object) -> dict[str, int]:
        """Apply a Deployment and see which hostPort each of its ports gets; raises the refusal if it is refused."""
        return self.apply(build.deployment(name, entries, **more))  # type: ignore[arg-type]

    def apply(self, manifest: Json) -> dict[str, int]:
        """`kubectl apply`: hostPorts that the user has never written stay."""
        known = self._objects.get(_key(manifest))
        applied = self._applied.get(_key(manifest), known)
        merged = copy.deepcopy(manifest)
        if known is not None and applied is not None:
            merge(known, applied, merged)
        return self._store(merged, applied=manifest)

    def replace(self, manifest: Json) -> dict[str, int]:
        """`kubectl replace`: what is not in the manifest is gone."""
        return self._store(manifest, applied=self._applied.get(_key(manifest), manifest))

    def copy(self, manifest: Json) -> dict[str, int]:
        """Somebody else's manifest takes an object's place: all of it is the user's."""
        return self._store(manifest, applied=manifest)

    def _store(self, manifest: Json, applied: Json) -> dict[str, int]:
        self._write(manifest, applied)
        return self.reconcile(_key(manifest))

    def _write(self, manifest: Json, applied: Json) -> None:
        known = self._objects.get(_key(manifest))
        self._versions += 1
        uid = known["metadata"]["uid"] if known else f"uid-{self._versions}"
        manifest = copy.deepcopy(manifest)
        manifest["metadata"] = {**manifest["metadata"], "uid": uid}
        if _doubles(manifest):
            raise Unacceptable
        self._objects[_key(manifest)] = manifest
        self._applied[_key(manifest)] = copy.deepcopy(applied)

    def reconcile(self, name: str) -> dict[str, int]:
        """Plan and patch until nothing is left to do."""
        for _ in range(_MOST_ROUNDS):
            workload = self.workload(name)
            self._note_template(workload)
            before = truths.Snapshot.of(self.state)
            plan = self._plan(workload)
            self.plans.append(plan)
            self.before.append(before.leases)
            self._write_down(plan.changes)
            if plan.refusal is not None:
                if not isinstance(plan.refusal, _GIVES_BACK):
                    before.assert_still(self.state)
                self.check()
                raise plan.refusal
            if not plan.patches_template and not plan.changes:
                self.check()
                return plan.assigned
            patch(self._objects[_named(name)], plan)
        raise AssertionError(f"{name} does not come to rest: {[p.ports for p in self.plans[-_MOST_ROUNDS:]]}")

    def deploy_at_once(self, *manifests: Json) -> list[dict[str, int]]:
        """Deployments that are new in one round: planned for one after the other, before any template says so.

        Returns what each was given, nothing where it was refused.
        """
        for manifest in manifests:
            self._write(manifest, applied=manifest)
        plans = [self._plan(self.workload(_key(manifest))) for manifest in manifests]
        for plan in plans:
            self._write_down(plan.changes)
        self.check()
        for plan in plans:
            if plan.refusal is None:
                patch(self._objects[plan.workload.key], plan)
                self.reconcile(plan.workload.key)
        return [plan.assigned for plan in plans]

    def _plan(self, workload: Workload) -> Plan:
        plan = self.planner.plan(workload, self.now, self.uid_of)
        truths.assert_views_are_true(self.state)
        return plan

    def uid_of(self, owner: str) -> str:
        """What the API server says of an owner: the uid of the object of that name, "" where there is none."""
        known = self._objects.get(owner)
        return known["metadata"]["uid"] if known is not None else ""

    def delete(self, name: str) -> Json:
        """Delete a workload; returns its manifest as it stood. Its Pods are deleted on their own."""
        manifest = self._objects.pop(_named(name))
        self._applied.pop(_named(name), None)
        self.state.forget_use(_named(name))
        self._write_down(self.planner.plan_gone(_named(name), self.now))
        self.check()
        return manifest

    # What a crash, a hand or a backup does

    def vanish(self, name: str) -> None:
        """A workload is gone, and nothing of it has been given back."""
        self._objects.pop(_named(name))
        self._applied.pop(_named(name), None)
        self.state.forget_use(_named(name))
        self.check()

    def free(self, owner: str) -> None:
        """What is done for an owner that is gone for certain."""
        self._write_down(self.planner.plan_gone(owner, self.now))
        self.check()

    def plant(self, pool: str, key: str, lease: Lease | None) -> None:
        """Write a lease, or take one out."""
        change = Change(pool, truths.key(key), lease)
        self.state.put(change)
        self._write_down([change])
        self._resting.pop((pool, change.key), None)
        self._accept_overlaps()
        self.check()

    def strip(self, name: str) -> None:
        """A template as it was before its numbers were written."""
        manifest = self._objects[_named(name)]
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            for port in container["ports"]:
                port.pop("hostPort", None)
        manifest["metadata"]["annotations"].pop(ASSIGNED, None)
        self._note_template(self.workload(name))
        self.check()

    # Pods and Services

    def run(self, name: str, on: str) -> None:
        """Start a Pod of a workload's present template on a node."""
        template = self._objects[_named(name)]["spec"]["template"]["spec"]
        owner = {"kind": "Deployment", "name": name, "controller": True}
        meta = {"namespace": "default", "name": f"{name}-{on}", "ownerReferences": [owner]}
        self._see_pod({"metadata": meta, "spec": {**copy.deepcopy(template), "nodeName": on}})

    def pod(self, name: str, entries: str, on: str = "", **spec: object) -> None:
        """Somebody's Pod with hostPorts."""
        self._see_pod(build.pod(name, entries, on=on, **spec))  # type: ignore[arg-type]

    def stop(self, name: str) -> None:
        """End a Pod."""
        self.state.forget_use(f"Pod default/{name}")
        self.state.ready.forget(f"Pod default/{name}")
        self.check()

    def service(self, name: str, *node_ports: int, protocol: str = "TCP") -> None:
        """A Service with nodePorts."""
        use = service_use(build.service(name, *node_ports, protocol=protocol))
        assert use is not None
        self.state.see_use(use.by, use)
        self.check()

    def drop_service(self, name: str) -> None:
        """Delete a Service."""
        self.state.forget_use(f"Service default/{name} (nodePort)")
        self.check()

    # Time

    def wait(self, seconds: int = 0) -> None:
        """Let time pass, and leases on their way out take their steps."""
        self.seconds += seconds
        self._count_rest()
        while steps := next_steps(self.state, self._rested, self.now):
            for change in steps:
                self.state.put(change)
            self._write_down(steps)
            self._count_rest()
        self.check()

    def _count_rest(self) -> None:
        """Since when each resting lease has been resting without a break, as the keeper counts it."""
        resting = {place for place, lease in self.state.book.leaving.items() if lease.released}
        self._resting = {place: self._resting.get(place, self.seconds) for place in resting}

    def _rested(self, place: Place) -> bool:
        since = self._resting.get(place)
        return since is not None and self.seconds - since >= self.state.pools[place[0]].cooldown

    # What there is to see

    def workload(self, name: str) -> Workload:
        """A workload as the operator reads it."""
        self._versions += 1
        manifest = self._objects[_named(name)]
        return build.workload(manifest, uid=manifest["metadata"]["uid"], version=self._versions)

    def manifest(self, name: str) -> Json:
        """A workload's manifest as it stands now."""
        return copy.deepcopy(self._objects[_named(name)])

    def shown(self, name: str) -> list[int]:
        """The hostPorts in a workload's template, 0 for a port without."""
        return [port for _, port in self.numbers(name)]

    def numbers(self, name: str) -> list[tuple[str, int]]:
        """As `shown`, each with its protocol."""
        containers = self._objects[_named(name)]["spec"]["template"]["spec"]["containers"]
        return [(port["protocol"], port.get("hostPort", 0)) for c in containers for port in c.get("ports", ())]

    def leases(self, owner: str = "") -> dict[str, str]:
        """The leases of all pools, or of one owner, as `key: state`."""
        found = truths.leases(self.state)
        return {str(key): lease.state for (_, key), lease in found.items() if not owner or _named(owner) == lease.owner}

    def lease(self, pool: str, key: str) -> Lease | None:
        """One lease."""
        return self.state.book.get(pool, truths.key(key))

    def counts(self, pool: str) -> Counts:
        """A pool's figures, all protocols together."""
        return summarize(self.state, self.state.pools[pool]).total

    def check(self) -> None:
        """What must be true at any time."""
        assert truths.leases(self.state) == self.ledger, "the state has changed otherwise than the plan says"
        assert truths.overlaps(self.state) <= self._overlaps
        truths.assert_books_agree(self.state)
        truths.assert_views_are_true(self.state)
        truths.assert_counts_add_up(self.state)

    # Behind the scenes

    def _write_down(self, changes: Iterable[Change]) -> None:
        """What would stand in the real ledger."""
        for pool, key, lease in changes:
            if lease is None:
                self.ledger.pop((pool, key), None)
            else:
                self.ledger[pool, key] = lease

    def _accept_overlaps(self) -> None:
        """Overlaps that nodes and pools bring about by moving are reported, not prevented."""
        self._overlaps |= truths.overlaps(self.state)

    def _see_pod(self, manifest: Json) -> None:
        use = pod_use(manifest)
        assert use is not None, "a Pod without hostPorts takes nothing"
        self.state.see_use(use.by, use)
        if isinstance(use.nodes, frozenset):
            self.state.ready.note(use.by, use.owner, use.claims)
        self.check()

    def _note_template(self, workload: Workload) -> None:
        use = template_use(workload)
        if use is None:
            self.state.forget_use(workload.key)
        else:
            self.state.see_use(workload.key, use)


def patch(manifest: Json, plan: Plan) -> None:
    """Send the operator's own JSON patch."""
    served = {"uid": plan.workload.uid, "generation": plan.workload.generation}
    shown = {**manifest, "metadata": {**manifest["metadata"], **served}}
    jsonpatch.apply_patch(shown, operations(plan), in_place=True)
    assert not _doubles(manifest), "the API server refuses this patch"


def _doubles(manifest: Json) -> bool:
    """Whether a template has one <hostIP, hostPort, protocol> twice."""
    containers = manifest["spec"]["template"]["spec"]["containers"]
    triples = [
        (port.get("hostIP", ""), port["hostPort"], port["protocol"])
        for container in containers
        for port in container.get("ports", ())
        if port.get("hostPort")
    ]
    return len(triples) != len(set(triples))


def _key(manifest: Json) -> str:
    return f"Deployment/{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _named(name: str) -> str:
    return name if "/" in name else f"Deployment/default/{name}"
