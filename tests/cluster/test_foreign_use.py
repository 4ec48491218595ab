"""A number that somebody else is on is never handed out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def pod(name: str, containers: list[dict[str, Any]], **spec: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def container(port: int, **entry: object) -> dict[str, Any]:
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


# Nobody's numbers are given, and all others are


def all_that_is_given(scene: Scene, pool: str, count: int) -> list[int]:
    """So many workloads come, and one more who gets nothing: what they were given."""
    until(lambda: scene.status(pool).get("free") == count, f"{count} are free", lambda: scene.status(pool))
    for i in range(count):
        scene.deployment(f"web-{i}", pool, replicas=0)
    given = [scene.served(f"web-{i}")[0] for i in range(count)]
    scene.deployment("one-too-many", pool, replicas=0)
    scene.event("one-too-many", "PoolExhausted")
    return sorted(given)


def four(scene: Scene) -> str:
    """A pool of the scene's first four numbers."""
    return scene.pool(4, protocols=["TCP"])


def test_a_static_pod(scene: Scene) -> None:
    """The kubelet runs it from a file and shows the API server its mirror."""
    pool = four(scene)
    mirror = pod("etcd-node-1", [container(80, hostPort=scene.first + 1)], nodeName="node-1")
    mirror["metadata"] = {"name": "etcd-node-1", "annotations": {"kubernetes.io/config.mirror": "0a1b2c"}}
    scene.apply(mirror)

    assert all_that_is_given(scene, pool, 3) == [scene.first, scene.first + 2, scene.first + 3]


def svclb(*ports: int) -> dict[str, Any]:
    """What k3s' ServiceLB makes of a Service of type LoadBalancer: a DaemonSet that maps the Service's ports."""
    spec = deployment("svclb-traefik-1f2e3d4c")
    del spec["spec"]["replicas"]
    spec["spec"]["template"]["spec"] = {
        "automountServiceAccountToken": False,
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [
            {
                "name": f"lb-tcp-{port}",
                "image": "rancher/klipper-lb",
                "ports": [{"name": f"lb-tcp-{port}", "containerPort": port, "hostPort": port, "protocol": "TCP"}],
            }
            for port in ports
        ],
    }
    return {**spec, "kind": "DaemonSet"}


def test_the_load_balancer_of_k3s(scene: Scene) -> None:
    pool = scene.pool(ranges=["80-81", "443-444"], protocols=["TCP"])
    scene.apply(svclb(80, 443))
    scene.kubectl("-n", scene.name, "rollout", "status", "daemonset/svclb-traefik-1f2e3d4c", "--timeout=120s")

    assert all_that_is_given(scene, pool, 2) == [81, 444]


def test_init_containers_on_the_host_network_and_sidecars_anywhere(scene: Scene) -> None:
    pool = four(scene)
    app = {"name": "app", "image": "app"}
    init = {**container(scene.first), "name": "init"}
    scene.apply(pod("init", [app], initContainers=[init], hostNetwork=True))
    sidecar = {**container(80, hostPort=scene.first + 2), "name": "sidecar", "restartPolicy": "Always"}
    scene.apply(pod("sidecar", [app], initContainers=[sidecar]))

    assert all_that_is_given(scene, pool, 2) == [scene.first + 1, scene.first + 3]


def test_every_node_port_of_a_service_by_its_protocol(scene: Scene) -> None:
    pool = scene.pool(ranges=["30510-30513"], protocols=["TCP", "UDP"])
    ports = [{"name": "tcp", "port": 80, "nodePort": 30510}]
    ports += [{"name": "udp", "port": 81, "nodePort": 30512, "protocol": "UDP"}]
    health = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30513}
    spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": ports, **health}
    scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "squatter"}, "spec": spec})
    until(lambda: scene.status(pool).get("foreign") == 3, "all three are known", lambda: scene.status(pool))

    both = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53}]
    scene.deployment("dns", pool, both)
    assert scene.served("dns") == [30511, 30511]
    scene.deployment("tcp", pool)
    assert scene.served("tcp") == [30512], "of the Service only UDP is on it"
    scene.deployment("udp", pool, both[:1])
    assert scene.served("udp")[0] in (30510, 30513), "of the Service only TCP is on them"


def template(kind: str, port: int) -> dict[str, Any]:
    """A workload whose template has a hand-written number and that has no Pods yet."""
    made = deployment("squatter", [{"containerPort": 80, "hostPort": port}], replicas=0)
    made["kind"] = kind
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = "squatter"
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
        made["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "node-3"}
        made["spec"]["template"]["spec"]["schedulerName"] = "nobody"
    if kind in ("Job", "CronJob"):
        made["apiVersion"] = "batch/v1"
        made["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        job = {"template": made["spec"]["template"]}
        made["spec"] = {**job, "suspend": True}
        if kind == "CronJob":
            made["spec"] = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": job}}
    return made


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job"])
def test_a_number_that_somebody_wrote_into_a_template_of_any_kind(scene: Scene, kind: str) -> None:
    pool = four(scene)
    scene.apply(template(kind, scene.first + 3))

    assert all_that_is_given(scene, pool, 3) == [scene.first, scene.first + 1, scene.first + 2]


def test_the_template_of_a_workload_on_the_host_network(scene: Scene) -> None:
    pool = four(scene)
    scene.apply(deployment("squatter", [{"containerPort": scene.first}], replicas=0, hostNetwork=True))

    assert all_that_is_given(scene, pool, 3) == [scene.first + 1, scene.first + 2, scene.first + 3]


def test_all_of_them_are_known_before_a_restarted_operator_gives_anything(scene: Scene) -> None:
    """Adopt before granting: those who came while it was down, and the workloads that wait for it, all at once."""
    pool = four(scene)
    scene.operator.kill()
    for i in range(4):
        scene.deployment(f"web-{i}", pool, replicas=0)
    scene.apply(pod("squatter", [container(80, hostPort=scene.first)], nodeName="node-2"))
    scene.apply(template("StatefulSet", scene.first + 2))

    scene.operator.start()

    def given() -> list[int]:
        return sorted(port for i in range(4) for port in scene.host_ports(f"web-{i}") if port)

    until(lambda: given() == [scene.first + 1, scene.first + 3], "two are served", scene.operator_log)
    until(lambda: sum(len(scene.events(f"web-{i}", "PoolExhausted")) for i in range(4)) == 2, "two are told")


def test_a_foreigner_who_comes_later_moves_nobody(scene: Scene) -> None:
    pool = four(scene)
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    before = scene.running("web")

    scene.apply(pod("squatter", [container(80, hostPort=port)], nodeName=before[0]["spec"]["nodeName"]))
    scene.bystander_is_served(pool)

    assert scene.host_ports("web") == [port]
    assert [p["metadata"]["uid"] for p in scene.running("web")] == [p["metadata"]["uid"] for p in before]
