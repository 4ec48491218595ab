"""What a test of the operator plays with: a namespace, pools, Deployments, and what users see of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.cluster import ControlPlane
from controlplane.errors import KubectlError
from hostport.cli.look import find
from hostport.diagnosis.check import Finding
from hostport.ledger.book import BLOCK_SIZE
from tests.support.operator import OperatorProcess
from tests.support.wait import until

Json = dict[str, Any]

# The tests' operator is told that the API server exempts this namespace from Pod Security.
EXEMPT = "pod-security-exempt"

_ROOT = Path(__file__).parent.parent.parent
# Neither where Services get their numbers nor where some tests have large pools.
_FREE = ((11000, 18000), (20000, 30000), (33000, 40000), (42000, 50000), (2000, 10000))
_taken = itertools.chain.from_iterable(range(*span, 100) for span in _FREE)
_CROWD = 100


def install(plane: ControlPlane) -> None:
    """All of the manifests but the operator's own Deployment, which the tests run as a process."""
    rendered = yaml.safe_load_all(plane.kubectl("kustomize", str(_ROOT / "manifests")))
    wanted = [item for item in rendered if item["kind"] != "Deployment"]
    plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    until(lambda: _is_stored(plane), "the API server has storage for pools and blocks")


def _is_stored(plane: ControlPlane) -> bool:
    try:
        plane.kubectl("get", "hostportpools,hostportblocks")
    except KubectlError:
        return False
    return True


class Scene:
    """One test's corner of the cluster. `first` is the first of a hundred numbers that no other test uses."""

    def __init__(self, plane: ControlPlane, operator: OperatorProcess, name: str) -> None:
        self.plane = plane
        self.operator = operator
        self.first = next(_taken)
        self.name = f"t{self.first}-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[5:40].strip("-")
        self._pools: list[str] = []
        self._bystanders = itertools.count()
        self.kubectl("create", "namespace", self.name)

    def kubectl(self, *args: str, input: str | None = None) -> str:
        """Kubectl as admin."""
        return self.plane.kubectl(*args, input=input)

    def apply(self, manifest: Json) -> Json:
        """Kubectl apply, in the scene's namespace."""
        out = self.kubectl("-n", self.name, "apply", "-o", "json", "-f", "-", input=json.dumps(manifest))
        return dict(json.loads(out))

    def replace(self, manifest: Json) -> None:
        """Kubectl replace, in the scene's namespace; it reads the version, so that it loses to whoever writes then."""
        until(lambda: self._is_replaced(json.dumps(manifest)), "it is replaced", self.operator_log)

    def _is_replaced(self, text: str) -> bool:
        try:
            self.kubectl("-n", self.name, "replace", "-f", "-", input=text)
        except KubectlError as error:
            if "the object has been modified" not in error.stderr:
                raise
            return False
        return True

    # Pools

    def pool(self, count: int = 100, *, name: str = "", **spec: object) -> str:
        """A pool of the scene's first `count` numbers that only those use who name it; returns its name."""
        pool = name or f"{self.name}-{len(self._pools)}"[-63:].strip("-")
        self._pools.append(pool)
        body: Json = {"ranges": [f"{self.first}-{self.first + count - 1}"], "default": False, **spec}
        self.apply({"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": pool}, "spec": body})
        return pool

    def window(self, count: int = 50) -> int:
        """The first of so many numbers of the scene, 50 at most, whose leases stand in one object."""
        left = -self.first % BLOCK_SIZE
        return self.first if left == 0 or left >= count else self.first + left

    def status(self, pool: str) -> Json:
        """A pool's status."""
        return dict(self.get("hostportpool", pool).get("status") or {})

    def leases(self, pool: str) -> dict[str, Json]:
        """All leases of a pool, from all of its blocks."""
        blocks = json.loads(self.kubectl("get", "hostportblocks", "-l", f"hostport.dev/pool={pool}", "-o", "json"))
        found: dict[str, Json] = dict(self.status(pool).get("leases") or {})
        for block in blocks["items"]:
            found.update((block.get("status") or {}).get("leases") or {})
        return found

    # Workloads

    def deployment(self, name: str, pool: str, ports: list[Json] | None = None, **fields: Any) -> Json:
        """Apply a Deployment of one container `app` that asks for hostPorts from `pool`."""
        annotations = {"hostport/auto": "true", "hostport/pool": pool, **fields.pop("annotations", {})}
        return self.apply(deployment(name, ports, annotations=annotations, **fields))

    def get(self, kind: str, name: str) -> Json:
        """An object as the API server has it."""
        return dict(json.loads(self.kubectl("-n", self.name, "get", kind, name, "-o", "json")))

    def host_ports(self, name: str) -> list[int]:
        """The hostPorts in a Deployment's template, 0 for a port without."""
        spec = self.get("deployment", name)["spec"]["template"]["spec"]
        return [port.get("hostPort", 0) for container in spec["containers"] for port in container.get("ports") or ()]

    def served(self, name: str) -> list[int]:
        """The hostPorts of a Deployment as soon as all of its ports have one."""

        def all_served() -> list[int]:
            ports = self.host_ports(name)
            return ports if all(ports) else []

        return until(all_served, f"{name} has its hostPorts", self.operator_log)

    def running(self, name: str) -> list[Json]:
        """The Pods of a Deployment's present revision, once all of them are Ready and no other is left."""
        self.kubectl("-n", self.name, "rollout", "status", f"deployment/{name}", "--timeout=120s")

        def pods() -> list[Json]:
            found = json.loads(self.kubectl("-n", self.name, "get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
            return [] if any("deletionTimestamp" in pod["metadata"] for pod in found) else found

        return until(pods, f"only the Pods of the present revision of {name}")

    def events(self, name: str, reason: str = "") -> list[Json]:
        """The operator's events on an object of that name."""
        items = json.loads(self.kubectl("-n", self.name, "get", "events.events.k8s.io", "-o", "json"))["items"]
        ours = [
            e
            for e in items
            if e.get("reportingController") == "hostport.dev/operator" and e["regarding"].get("name") == name
        ]
        return [e for e in ours if not reason or e["reason"] == reason]

    def event(self, name: str, reason: str) -> str:
        """The text of the newest event of that reason, once there is one."""
        found = until(lambda: self.events(name, reason), f"an event {reason} on {name}", self.operator_log)
        return str(max(found, key=lambda e: e["eventTime"])["note"])

    def bystander_is_served(self, pool: str) -> str:
        """Another workload comes and is served: the operator has gone on since, and had every chance to do wrong."""
        name = f"bystander-{next(self._bystanders)}"
        self.deployment(name, pool)
        self.served(name)
        return name

    def operator_log(self) -> str:
        """The end of the operator's log, for failures."""
        return self.operator.log[-3000:]

    def findings(self) -> list[Finding]:
        """What `hostport check` finds about the scene's own pools and workloads, whatever others leave behind."""
        names = (*self._pools, f"/{self.name}/")
        return [f for f in findings(self.plane) if any(name in f"{f.subject} {f.text}" for name in names)]

    # The end

    def end(self, patience: float = 120) -> None:
        """Ledger and cluster agree; then everything goes, and the pools with it.

        Where that is not so it is this test's failure alone: what would stay goes by force, and the operator works.
        """
        try:
            if not self.operator.is_running:
                self.operator.start()
            until(lambda: not self.findings(), "ledger and cluster agree", lambda: compact(self.findings()), patience)
            crowd = sum(self._standing().values()) > _CROWD
            self._leave()
            if crowd:  # hundreds of workloads on their way out would keep the machine from the next test
                until(lambda: not self._standing(), "the scene's pools are gone", self._standing, 300)
        except (Exception, pytest.fail.Exception):
            self._leave()
            self._tear_out()
            raise

    def _leave(self) -> None:
        # First those who ask: nobody is to be told at length that his pool is going. Of hundreds a slow server breaks
        # off after a minute; the namespace takes the rest with it.
        with contextlib.suppress(KubectlError):
            self.kubectl("delete", "--raw", f"/apis/apps/v1/namespaces/{self.name}/deployments")
        self.kubectl("delete", "namespace", self.name, "--ignore-not-found", "--wait=false")
        if self._pools:
            self.kubectl("delete", "hostportpool", *self._pools, "--ignore-not-found", "--wait=false")

    def _tear_out(self) -> None:
        """Take the leases and the finalizers of pools that don't go by themselves."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self._standing(), "the scene's pools are gone", seconds=60)
        for pool in self._standing():
            blocks = self.kubectl("get", "hostportblocks", "-l", f"hostport.dev/pool={pool}", "-o", "name").split()
            for held in (*blocks, f"hostportpool/{pool}"):
                with contextlib.suppress(KubectlError):  # it may go meanwhile
                    self.kubectl("patch", held, "--subresource=status", "--type=merge", "-p", '{"status": null}')
                    self.kubectl("patch", held, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    def _standing(self) -> dict[str, int]:
        """The scene's pools that are still there, with how many leases they have."""
        items = json.loads(self.kubectl("get", "hostportpools", "-o", "json"))["items"]
        counts = {item["metadata"]["name"]: (item.get("status") or {}).get("leaseCount", 0) for item in items}
        return {pool: counts[pool] for pool in self._pools if pool in counts}


def findings(plane: ControlPlane) -> list[Finding]:
    """What `hostport check` finds, in the whole cluster."""
    return asyncio.run(find(str(plane.kubeconfig)))


def compact(found: list[Finding]) -> str:
    """Findings for the end of a failure: how many, and the first ten, a line each."""
    lines = [" ".join(finding.row().values()) for finding in found[:10]]
    return "\n".join([f"findings: {len(found)}", *lines])


def deployment(name: str, ports: list[Json] | None = None, **fields: Any) -> Json:
    """The manifest of a Deployment `name` with one container `app`, one port `http` unless told otherwise.

    `fields`: annotations, replicas, strategy, and whatever a pod spec has.
    """
    ports = [{"name": "http", "containerPort": 80}] if ports is None else ports
    metadata = {"name": name, "annotations": fields.pop("annotations", {})}
    spec: Json = {"replicas": fields.pop("replicas", 1), "selector": {"matchLabels": {"app": name}}}
    if "strategy" in fields:
        spec["strategy"] = fields.pop("strategy")
    pod = {"containers": [{"name": "app", "image": "app", "ports": ports}], **fields}
    spec["template"] = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
