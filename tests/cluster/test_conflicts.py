"""Who is in whose way is told to all whom it concerns, with the way out; and nobody who runs is moved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

ONE_NODE = {"kubernetes.io/hostname": "node-1"}
PATIENCE = 120.0


def first_choice(scene: Scene) -> str:
    """A pool that everyone in the scene's namespace, and nobody else, would draw from first."""
    own = {"matchLabels": {"kubernetes.io/metadata.name": scene.name}}
    return scene.pool(10, protocols=["TCP"], default=True, priority=1000, namespaceSelector=own, policy="LowestFree")


def by_hand(scene: Scene, name: str, port: int, **fields: Any) -> None:
    """A Deployment whose hostPort somebody has picked."""
    scene.apply(deployment(name, [{"name": "http", "containerPort": 80, "hostPort": port}], **fields))


def pod(scene: Scene, name: str, port: int, **spec: Any) -> None:
    """A Pod of nobody's with a hostPort."""
    container = {"name": "app", "image": "app", "ports": [{"containerPort": 80, "hostPort": port}]}
    spec = {"containers": [container], **spec}
    scene.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def pods(scene: Scene, name: str) -> list[Json]:
    return list(json.loads(scene.kubectl("-n", scene.name, "get", "pods", "-l", f"app={name}", "-o", "json"))["items"])


def pending(scene: Scene, name: str) -> str:
    """The name of a Pod of the Deployment that the scheduler has found no free port for."""

    def refused(found: Json) -> bool:
        conditions = found["status"].get("conditions") or ()
        return any("free ports" in condition.get("message", "") for condition in conditions)

    def look() -> str:
        return next((p["metadata"]["name"] for p in pods(scene, name) if refused(p)), "")

    return until(look, f"a Pod of {name} finds no free port", scene.operator_log, PATIENCE)


def told(scene: Scene, name: str) -> str:
    """The text of the first PortConflict about an object of that name."""
    events = until(
        lambda: scene.events(name, "PortConflict"), f"a PortConflict on {name}", scene.operator_log, PATIENCE
    )
    return str(min(events, key=lambda event: event["eventTime"])["note"])


def conflicts(scene: Scene, pool: str) -> float:
    return scene.operator.metric("hostport_scheduling_conflicts_total", pool=pool)


def test_a_pod_without_a_free_port_is_told_who_has_it_and_what_to_do(scene: Scene) -> None:
    pool = first_choice(scene)
    by_hand(scene, "holder", scene.first, nodeSelector=ONE_NODE)
    (holder,) = scene.running("holder")
    by_hand(scene, "waiter", scene.first, nodeSelector=ONE_NODE)
    stuck = pending(scene, "waiter")

    said = told(scene, stuck)

    assert said == (
        f"hostPort {scene.first}/TCP is taken: on node-1 by Pod {scene.name}/{holder['metadata']['name']} of "
        f"Deployment/{scene.name}/holder. {scene.first + 1} is free in pool {pool}; for a number that stays free take "
        f"hostPort {scene.first} out of its template and run: "
        f"kubectl -n {scene.name} annotate deployment waiter hostport/auto=true"
    )
    assert told(scene, "waiter") == f"Pod {scene.name}/{stuck} can't be placed: {said}"
    assert conflicts(scene, pool) == 1

    drop = [{"op": "remove", "path": "/spec/template/spec/containers/0/ports/0/hostPort"}]
    scene.kubectl("-n", scene.name, "patch", "deployment", "waiter", "--type=json", "-p", json.dumps(drop))
    scene.kubectl(*said.rpartition("run: kubectl ")[2].split())
    assert scene.served("waiter") == [scene.first + 1]
    scene.running("waiter")
    assert conflicts(scene, pool) == 1
    assert len(scene.events("waiter", "PortConflict")) == 1


def test_pods_that_wait_for_one_number_are_one_conflict_of_their_workload(scene: Scene) -> None:
    pool = first_choice(scene)
    by_hand(scene, "holder", scene.first, nodeSelector=ONE_NODE)
    scene.running("holder")
    by_hand(scene, "waiter", scene.first, nodeSelector=ONE_NODE, replicas=3)
    pending(scene, "waiter")

    for waiting in pods(scene, "waiter"):
        assert f"of Deployment/{scene.name}/holder" in told(scene, waiting["metadata"]["name"])
    assert len(scene.events("waiter", "PortConflict")) == 1
    assert conflicts(scene, pool) == 1


def test_a_rollout_that_waits_for_its_own_old_pod_is_named(scene: Scene) -> None:
    first_choice(scene)
    by_hand(scene, "web", scene.first, nodeSelector=ONE_NODE)
    (old,) = scene.running("web")
    scene.kubectl("-n", scene.name, "rollout", "restart", "deployment/web")

    said = told(scene, pending(scene, "web"))

    name = f"{scene.name}/{old['metadata']['name']}"
    assert f"this rollout waits for its own old Pod {name} on node-1, which holds hostPort {scene.first}/TCP" in said
    assert "set maxSurge: 0 in spec.strategy.rollingUpdate, and maxUnavailable: 1 if it is 0" in said
    assert "this rollout waits" in told(scene, "web")
    rolling = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
    scene.kubectl("-n", scene.name, "patch", "deployment", "web", "-p", json.dumps({"spec": rolling}))
    scene.running("web")


def test_more_replicas_than_nodes_are_said_to_be_so(scene: Scene) -> None:
    pool = scene.pool(10)
    scene.deployment("web", pool, replicas=2, nodeSelector=ONE_NODE)
    (port,) = scene.served("web")

    said = told(scene, pending(scene, "web"))

    assert said.startswith(
        f"hostPort {port}/TCP fits once per node, and on every node where this Pod may run (node-1) another Pod of "
        f"Deployment/{scene.name}/web has it"
    )
    assert said.endswith("fewer replicas, or more nodes")
    assert scene.host_ports("web") == [port]


@pytest.mark.parametrize("late", ["pod", "deployment"])
def test_who_comes_onto_a_leased_number_is_told_and_so_is_its_owner(scene: Scene, late: str) -> None:
    pool = scene.pool(10, protocols=["TCP"])
    scene.deployment("roaming", pool)
    (port,) = scene.served("roaming")
    (running,) = scene.running("roaming")
    generation = scene.get("deployment", "roaming")["metadata"]["generation"]
    elsewhere = "node-2" if running["spec"]["nodeName"] != "node-2" else "node-3"

    where = {"nodeSelector": {"kubernetes.io/hostname": elsewhere}}
    if late == "pod":
        pod(scene, "late", port, **where)
    else:
        by_hand(scene, "late", port, **where)

    newcomer = f"{late.capitalize()}/{scene.name}/late"
    said = told(scene, "roaming")
    assert said.startswith(
        f"hostPort {port}/TCP of app/http is leased to this workload by pool {pool}, and {newcomer} has come onto it "
        f"on {elsewhere}"
    )
    assert "Nothing is moved" in said
    said = told(scene, "late")
    assert said.startswith(f"hostPort {port}/TCP is leased to Deployment/{scene.name}/roaming by pool {pool}")
    assert " is free in pool " in said
    assert conflicts(scene, pool) == 1
    scene.bystander_is_served(pool)
    assert scene.host_ports("roaming") == [port]
    assert scene.get("deployment", "roaming")["metadata"]["generation"] == generation
    scene.kubectl("-n", scene.name, "delete", late, "late")


def test_a_service_whose_node_port_is_leased_is_told(scene: Scene) -> None:
    pool = scene.pool(ranges=["30520-30521"], protocols=["TCP"], policy="LowestFree")
    scene.deployment("web", pool)
    assert scene.served("web") == [30520]

    ports = [{"port": 80, "nodePort": 30520}]
    service = {"type": "NodePort", "selector": {"app": "x"}, "ports": ports}
    scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": service})

    assert "give the Service another nodePort" in told(scene, "front")
    assert f"Service/{scene.name}/front has come onto it" in told(scene, "web")
    assert conflicts(scene, pool) == 1
    assert scene.host_ports("web") == [30520]
    scene.kubectl("-n", scene.name, "delete", "service", "front")


def test_a_pod_that_is_evicted_for_its_number_is_told_by_whom(scene: Scene) -> None:
    pool = first_choice(scene)
    by_hand(scene, "meek", scene.first, nodeSelector=ONE_NODE)
    (victim,) = scene.running("meek")
    important = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
    scene.apply({**important, "metadata": {"name": scene.name}})

    by_hand(scene, "mighty", scene.first, nodeSelector=ONE_NODE, priorityClassName=scene.name)

    (winner,) = scene.running("mighty")
    said = told(scene, victim["metadata"]["name"])
    assert said.startswith(
        f"Pod {scene.name}/{victim['metadata']['name']} on node-1 was evicted by the scheduler: "
        f"Pod {scene.name}/{winner['metadata']['name']} has a higher priority and wants hostPort {scene.first}/TCP"
    )
    assert f"is free in pool {pool}" in said
    assert "was evicted by the scheduler" in told(scene, "meek")
    assert f"of Deployment/{scene.name}/mighty" in told(scene, pending(scene, "meek"))
    scene.kubectl("delete", "priorityclass", scene.name)
