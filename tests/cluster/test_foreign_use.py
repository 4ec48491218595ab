"""A number that somebody else is on is never handed out."""

from __future__ import annotations

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def pod(name: str, containers: list[dict[str, object]], **spec: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def container(port: int, **entry: object) -> dict[str, object]:
    return {"name": "app", "image": "app", "ports": [{"containerPort": port, **entry}]}


def second_number_is_given(scene: Scene, pool: str) -> None:
    """The first of the pool's two numbers is known to be in use, so a workload gets the second."""
    until(lambda: scene.status(pool).get("foreign") == 1, "the pool counts it as foreign", lambda: scene.status(pool))
    scene.deployment("web", pool)
    assert scene.served("web") == [scene.first + 1]
    assert scene.status(pool)["capacity"] == 2


def test_the_host_port_of_a_pod(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"])
    scene.apply(pod("squatter", [container(80, hostPort=scene.first)]))
    second_number_is_given(scene, pool)


def test_the_host_port_of_a_sidecar(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"])
    sidecar = {**container(80, hostPort=scene.first), "name": "sidecar", "restartPolicy": "Always"}
    scene.apply(pod("squatter", [{"name": "app", "image": "app"}], initContainers=[sidecar]))
    second_number_is_given(scene, pool)


def test_every_container_port_of_a_pod_on_the_host_network(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"])
    scene.apply(pod("squatter", [container(scene.first)], hostNetwork=True))
    second_number_is_given(scene, pool)


def test_the_node_port_of_a_service(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"], ranges=["30500-30501"])
    ports = [{"port": 80, "nodePort": 30500}]
    service = {"type": "NodePort", "selector": {"app": "x"}, "ports": ports}
    scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "squatter"}, "spec": service})
    until(lambda: scene.status(pool).get("foreign") == 1, "the pool counts it as foreign", lambda: scene.status(pool))
    scene.deployment("web", pool)
    assert scene.served("web") == [30501]


def test_a_hand_written_template_that_has_no_pod_yet(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"])
    scene.apply(deployment("squatter", [{"containerPort": 80, "hostPort": scene.first}], replicas=0))
    second_number_is_given(scene, pool)


def test_a_pod_that_is_gone_leaves_its_number_to_those_who_wait(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.apply(pod("squatter", [container(80, hostPort=scene.first)]))
    until(lambda: scene.status(pool).get("foreign") == 1, "the pool counts it as foreign")
    scene.deployment("web", pool)
    scene.event("web", "PoolExhausted")

    scene.kubectl("-n", scene.name, "delete", "pod", "squatter")

    assert scene.served("web") == [scene.first]


def test_a_pod_on_one_node_does_not_keep_the_number_from_another_node(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.apply(pod("squatter", [container(80, hostPort=scene.first)], nodeName="node-1"))
    until(lambda: scene.status(pool).get("foreign") == 1, "the pool counts it as foreign")

    scene.deployment("web", pool, nodeSelector={"kubernetes.io/hostname": "node-2"})

    assert scene.served("web") == [scene.first]
