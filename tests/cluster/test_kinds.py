"""A workload is what has a Pod template: every kind is served the same way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def workload(kind: str, pool: str) -> dict[str, Any]:
    """A workload `web` of that kind that asks for a hostPort."""
    made = deployment("web", annotations={"hostport/auto": "true", "hostport/pool": pool})
    made["kind"] = kind
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = "web"
    if kind == "CronJob":
        made["apiVersion"] = "batch/v1"
        template = made["spec"]["template"]
        template["spec"]["restartPolicy"] = "Never"
        made["spec"] = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    return made


def host_port(scene: Scene, kind: str) -> int:
    spec = scene.get(kind, "web")["spec"]
    spec = spec["jobTemplate"]["spec"] if kind == "CronJob" else spec
    return int(spec["template"]["spec"]["containers"][0]["ports"][0].get("hostPort", 0))


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "CronJob"])
def test_it_is_served_and_gives_back(scene: Scene, kind: str) -> None:
    pool = scene.pool()
    scene.apply(workload(kind, pool))

    port = until(lambda: host_port(scene, kind), f"the {kind} has a hostPort", scene.operator_log)

    assert scene.leases(pool)[f"{port}/TCP"]["owner"] == f"{kind}/{scene.name}/web"
    scene.kubectl("-n", scene.name, "annotate", kind, "web", "hostport/auto-")
    until(lambda: not host_port(scene, kind), "the number is out of the template", scene.operator_log)
    scene.kubectl("-n", scene.name, "delete", kind, "web")
    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the number rests", scene.operator_log)


def test_the_replica_sets_of_a_deployment_get_nothing_of_their_own(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.running("web")
    scene.bystander_is_served(pool)

    owners = {lease["owner"] for lease in scene.leases(pool).values()}

    assert owners == {f"Deployment/{scene.name}/web", f"Deployment/{scene.name}/bystander-0"}
    assert port


def test_a_job_is_told_that_it_comes_too_late(scene: Scene) -> None:
    pool = scene.pool()
    job = workload("CronJob", pool)
    job = {**job, "kind": "Job", "spec": job["spec"]["jobTemplate"]["spec"]}
    scene.apply(job)

    assert "can't be changed once it is there" in scene.event("web", "InvalidAnnotation")


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [("ReplicaSet", None), ("StatefulSet", {"type": "OnDelete"}), ("DaemonSet", {"type": "OnDelete"})],
)
def test_who_does_not_replace_his_pods_is_told_how_and_it_helps(
    scene: Scene, kind: str, strategy: dict[str, Any] | None
) -> None:
    pool = scene.pool()
    made = workload(kind, pool)
    if strategy is not None:
        made["spec"]["updateStrategy"] = strategy
    made["metadata"]["annotations"]["hostport/auto"] = "false"
    scene.apply(made)
    until(lambda: pods(scene), f"the {kind} has a Pod")
    scene.kubectl("-n", scene.name, "annotate", kind, "web", "hostport/auto=true", "--overwrite")
    port = until(lambda: host_port(scene, kind), f"the {kind} has a hostPort", scene.operator_log)

    said = scene.event("web", "PortsAssigned")

    assert "its Pods get what is new when they are replaced" in said
    command = said.rpartition("kubectl ")[2]
    assert command == f"-n {scene.name} delete pod -l app=web"
    scene.kubectl(*command.split(), "--wait=false")

    def all_have_it() -> bool:
        numbers = [pod["spec"]["containers"][0]["ports"][0].get("hostPort") for pod in pods(scene)]
        return bool(numbers) and set(numbers) == {port}

    until(all_have_it, "every Pod has the number", lambda: pods(scene))


def pods(scene: Scene) -> list[dict[str, Any]]:
    """The Pods of `web` that are not on their way out."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "pods", "-l", "app=web", "-o", "json"))["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def test_who_has_written_his_numbers_himself_is_told_that_there_is_nothing_to_do(scene: Scene) -> None:
    pool = scene.pool()
    ports = [{"name": "http", "containerPort": 80, "hostPort": scene.first + 7}]
    scene.deployment("web", pool, ports)

    said = scene.event("web", "InvalidAnnotation")

    assert f"nothing to hand out, the template has app/http={scene.first + 7} by hand" in said
    assert scene.host_ports("web") == [scene.first + 7]
    assert not scene.leases(pool)


def test_every_pod_of_a_daemon_set_runs_on_its_own_node_with_the_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(workload("DaemonSet", pool))
    port = until(lambda: host_port(scene, "DaemonSet"), "it has a hostPort", scene.operator_log)
    scene.kubectl("-n", scene.name, "rollout", "status", "daemonset/web", "--timeout=120s")

    pods = json.loads(scene.kubectl("-n", scene.name, "get", "pods", "-l", "app=web", "-o", "json"))["items"]

    live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert {pod["spec"]["nodeName"] for pod in live} == {"node-1", "node-2", "node-3"}
    assert {pod["spec"]["containers"][0]["ports"][0]["hostPort"] for pod in live} == {port}


def test_a_hand_written_number_of_a_lone_replica_set_is_seen_before_it_has_pods(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"])
    by_hand = deployment("squatter", [{"containerPort": 80, "hostPort": scene.first}], replicas=0)
    scene.apply({**by_hand, "kind": "ReplicaSet"})
    until(lambda: scene.status(pool).get("foreign") == 1, "the pool counts it as foreign")

    scene.deployment("web", pool)

    assert scene.served("web") == [scene.first + 1]
