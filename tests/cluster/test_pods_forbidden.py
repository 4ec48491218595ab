"""Where Pods with a hostPort may not exist, the Pods that run go on running, and the workload is told why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.policy import deny
from tests.support.scene import EXEMPT, Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

SENTENCE = "no Pod here may have a host port"
ONE_NODE = {"kubernetes.io/hostname": "node-1"}


@pytest.fixture
def pods_denied(scene: Scene) -> Iterator[None]:
    """A policy that no label of the namespace tells of: it refuses Pods, and lets every template in."""
    with deny(scene, "pods", "object.spec.containers", SENTENCE):
        yield


def uids(scene: Scene, name: str = "web") -> set[str]:
    """The Pods that are ready and stay."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
    return {pod["metadata"]["uid"] for pod in items if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)}


def _is_ready(pod: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def ask(scene: Scene, pool: str, kind: str = "deployment", name: str = "web") -> None:
    scene.kubectl("-n", scene.name, "annotate", kind, name, "hostport/auto=true", f"hostport/pool={pool}")


def ports_of(scene: Scene, kind: str) -> list[int]:
    """The hostPorts of the workload that is named like its kind."""
    spec = scene.get(kind, kind)["spec"]
    template = (spec["jobTemplate"]["spec"] if kind == "cronjob" else spec)["template"]
    return [port.get("hostPort", 0) for port in template["spec"]["containers"][0]["ports"]]


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_enforces_pod_security_is_refused_before_anything_is_touched(scene: Scene, level: str) -> None:
    pool = scene.pool()
    scene.apply(deployment("web", nodeSelector=ONE_NODE))
    before = {pod["metadata"]["uid"] for pod in scene.running("web")}
    enforce = f"pod-security.kubernetes.io/enforce={level}"
    scene.kubectl("label", "namespace", scene.name, "--overwrite", enforce)

    ask(scene, pool)

    text = scene.event("web", "PodsForbidden")
    assert f"namespace {scene.name} enforces the Pod Security level {level}, which forbids hostPorts" in text
    found = scene.get("deployment", "web")
    assert found["metadata"]["generation"] == 2, "applied, annotated by its user"
    assert scene.host_ports("web") == [0]
    assert uids(scene) == before
    assert scene.leases(pool) == {}

    scene.kubectl("label", "namespace", scene.name, "pod-security.kubernetes.io/enforce-")
    scene.served("web")


def test_a_namespace_that_the_operator_is_told_is_exempt_gets_numbers_whatever_its_label_says(scene: Scene) -> None:
    pool = scene.pool()
    scene.kubectl("create", "namespace", EXEMPT)
    scene.kubectl("label", "namespace", EXEMPT, "pod-security.kubernetes.io/enforce=restricted")
    manifest = deployment("web", replicas=0, annotations={"hostport/auto": "true", "hostport/pool": pool})
    scene.kubectl("-n", EXEMPT, "apply", "-f", "-", input=json.dumps(manifest))

    def host_port() -> str:
        path = "{.spec.template.spec.containers[0].ports[0].hostPort}"
        return scene.kubectl("-n", EXEMPT, "get", "deployment", "web", "-o", f"jsonpath={path}")

    until(host_port, "the number is written", scene.operator_log)
    scene.kubectl("delete", "namespace", EXEMPT)


@pytest.mark.usefixtures("pods_denied")
def test_where_a_policy_refuses_the_pods_the_old_ones_stay_and_the_template_gets_back_what_it_had(scene: Scene) -> None:
    pool = scene.pool(cooldownSeconds=0)
    scene.apply(deployment("web", nodeSelector=ONE_NODE))
    before = {pod["metadata"]["uid"] for pod in scene.running("web")}
    asked = scene.get("deployment", "web")["spec"]

    ask(scene, pool)

    scene.served("web")
    text = scene.event("web", "PodsForbidden")
    assert SENTENCE in text
    assert uids(scene) == before, "the only Pod runs on"
    until(lambda: scene.host_ports("web") == [0], "the number is out of the template", scene.operator_log)
    assert scene.get("deployment", "web")["spec"] == asked, "template and strategy are as they were"
    until(lambda: not scene.leases(pool), "the number is back", scene.operator_log)
    generation = scene.get("deployment", "web")["metadata"]["generation"]

    scene.kubectl("-n", scene.name, "label", "deployment", "web", "team=web")
    bystander(scene, pool)
    assert scene.get("deployment", "web")["metadata"]["generation"] == generation
    assert uids(scene) == before
    (told,) = scene.events("web", "PodsForbidden")
    assert told.get("series") is None, "told once"


def bystander(scene: Scene, pool: str) -> None:
    """Another workload asks for a number and gets one: the operator has been at work since."""
    scene.deployment("other", pool, replicas=0)
    scene.served("other")
    scene.kubectl("-n", scene.name, "delete", "deployment", "other")


@pytest.mark.usefixtures("pods_denied")
def test_kinds_that_only_tell_by_events_get_back_what_they_had_as_well(scene: Scene) -> None:
    """Of a StatefulSet and a DaemonSet the old Pod goes first; of a CronJob it is a Job that can make no Pod."""
    pool = scene.pool(cooldownSeconds=0)
    for kind, manifest in manifests().items():
        scene.apply(manifest)
        if kind != "cronjob":
            until(lambda kind=kind: len(uids(scene, kind)) == 1, f"the {kind}'s Pod runs")  # type: ignore[misc]
        ask(scene, pool, kind, kind)
    for kind in KINDS:
        until(lambda kind=kind: all(ports_of(scene, kind)), f"the {kind} has its number", scene.operator_log)  # type: ignore[misc]
    scene.kubectl("-n", scene.name, "create", "job", "--from=cronjob/cronjob", "cronjob-1")

    for kind in KINDS:
        assert SENTENCE in scene.event(kind, "PodsForbidden")
        until(lambda kind=kind: ports_of(scene, kind) == [0], f"the {kind}'s number is out", scene.operator_log)  # type: ignore[misc]
    for kind in KINDS[:2]:
        until(lambda kind=kind: len(uids(scene, kind)) == 1, f"a Pod of the {kind} runs again", seconds=120)  # type: ignore[misc]
    scene.kubectl("-n", scene.name, "delete", "statefulset,daemonset,cronjob,job", "--all")


KINDS = ("statefulset", "daemonset", "cronjob")


def manifests() -> dict[str, Json]:
    """One workload of each kind, named like it, that asks for nothing yet."""
    stateful, daemon, cron = (deployment(kind, nodeSelector=ONE_NODE) for kind in KINDS)
    stateful["spec"]["serviceName"] = "web"
    del daemon["spec"]["replicas"]
    template = cron["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    cron |= {"apiVersion": "batch/v1"}
    cron["spec"] = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    return {
        kind.lower(): {**manifest, "kind": kind}
        for kind, manifest in (("StatefulSet", stateful), ("DaemonSet", daemon), ("CronJob", cron))
    }


def test_pods_that_a_quota_refuses_for_a_while_are_no_reason_to_take_anything_back(scene: Scene) -> None:
    """The quota leaves room for the old Pod alone: the new one waits, and the number stays for when there is room."""
    pool = scene.pool()
    scene.apply(deployment("web"))
    before = {pod["metadata"]["uid"] for pod in scene.running("web")}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": {"hard": {"pods": "1"}}}
    scene.apply(quota)
    until(lambda: scene.get("resourcequota", "pods").get("status", {}).get("used"), "the quota is counted")

    ask(scene, pool)
    ports = scene.served("web")

    def refused() -> bool:
        conditions = scene.get("deployment", "web")["status"].get("conditions") or ()
        return any(c["type"] == "ReplicaFailure" and "exceeded quota" in c["message"] for c in conditions)

    until(refused, "the new Pod is refused")
    assert uids(scene) == before
    scene.kubectl("-n", scene.name, "delete", "resourcequota", "pods")
    scene.running("web")
    assert scene.host_ports("web") == ports
    assert not scene.events("web", "PodsForbidden")
