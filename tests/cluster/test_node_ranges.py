"""Numbers that hold on some nodes alone: the scheduler puts the Pods there and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

ZONE = "example.com/zone"


@pytest.fixture
def zones(scene: Scene) -> Iterator[Scene]:
    """node-1 and node-2 are in zone a, node-3 in zone b."""
    for node, zone in (("node-1", "a"), ("node-2", "a"), ("node-3", "b")):
        scene.kubectl("label", "node", node, f"{ZONE}={zone}", "--overwrite")
    yield scene
    scene.kubectl("label", "nodes", "--all", f"{ZONE}-")


def by_zone(zone: str) -> Json:
    return {"matchLabels": {ZONE: zone}}


def nodes_of(scene: Scene, name: str) -> set[str]:
    return {pod["spec"]["nodeName"] for pod in scene.running(name)}


def affinity(scene: Scene, name: str = "web") -> Json | None:
    found: Json | None = scene.get("deployment", name)["spec"]["template"]["spec"].get("affinity")
    return found


def terms(scene: Scene, name: str = "web") -> list[Json]:
    node = (affinity(scene, name) or {}).get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return list(required.get("nodeSelectorTerms") or ())


def in_zone(zone: str) -> Json:
    return {"key": ZONE, "operator": "In", "values": [zone]}


def test_each_node_hands_out_its_own_ranges(zones: Scene) -> None:
    first = zones.first
    pool = zones.pool(
        2,
        nodes=[
            {"name": "node-3", "ranges": [f"{first + 20}-{first + 21}"]},
            {"nodeSelector": by_zone("a"), "ranges": [f"{first + 10}-{first + 11}"]},
        ],
    )
    for name, node in (("one", "node-1"), ("three", "node-3")):
        zones.deployment(name, pool, nodeSelector={"kubernetes.io/hostname": node})

    assert zones.served("one") == [first + 10]
    assert zones.served("three") == [first + 20]
    assert nodes_of(zones, "three") == {"node-3"}


def test_pods_land_only_where_their_number_holds(zones: Scene) -> None:
    first = zones.first
    pool = zones.pool(2, nodes=[{"nodeSelector": by_zone("b"), "ranges": [f"{first + 10}-{first + 11}"]}])
    for i in range(3):
        zones.deployment(f"web-{i}", pool, replicas=1)

    numbers = [zones.served(f"web-{i}")[0] for i in range(3)]

    assert sorted(numbers) == [first, first + 1, first + 10]
    for i, number in enumerate(numbers):
        assert nodes_of(zones, f"web-{i}") <= ({"node-3"} if number == first + 10 else {"node-1", "node-2"})


def test_a_pool_for_some_nodes_keeps_the_pods_on_them_and_says_so(zones: Scene) -> None:
    pool = zones.pool(nodeSelector=by_zone("a"))
    zones.deployment("web", pool, replicas=2)
    zones.served("web")

    assert nodes_of(zones, "web") == {"node-1", "node-2"}
    assert terms(zones) == [{"matchExpressions": [in_zone("a")]}]
    assert f"kept by node affinity to the nodes where that holds: {ZONE}=a" in zones.event("web", "PortsAssigned")


def test_the_affinity_goes_with_the_number_and_the_users_own_stays(zones: Scene) -> None:
    pool = zones.pool(nodeSelector=by_zone("a"))
    own = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [own]}}
    zones.deployment("bare", pool)
    zones.deployment("own", pool, affinity={"nodeAffinity": required})
    for name in ("bare", "own"):
        zones.served(name)
    assert terms(zones, "own") == [{"matchExpressions": [*own["matchExpressions"], in_zone("a")]}]

    for name in ("bare", "own"):
        zones.kubectl("-n", zones.name, "annotate", "deployment", name, "hostport/auto-")
        until(lambda name=name: zones.host_ports(name) == [0], f"{name} has no hostPort")  # type: ignore[misc]

    assert affinity(zones, "bare") is None
    assert affinity(zones, "own") == {"nodeAffinity": required}
    for name in ("bare", "own"):
        assert "hostport/affinity-was" not in zones.get("deployment", name)["metadata"]["annotations"]


def test_applying_again_and_a_node_that_joins_change_no_template(zones: Scene) -> None:
    pool = zones.pool(nodeSelector=by_zone("a"))
    zones.deployment("web", pool)
    zones.served("web")
    generation = zones.get("deployment", "web")["metadata"]["generation"]

    zones.deployment("web", pool)
    zones.kubectl("label", "node", "node-3", f"{ZONE}=a", "--overwrite")
    zones.bystander_is_served(pool)

    assert zones.get("deployment", "web")["metadata"]["generation"] == generation


def test_an_affinity_that_is_set_back_is_written_again(zones: Scene) -> None:
    """As often as the budget allows: test_fights.py."""
    pool = zones.pool(nodeSelector=by_zone("a"))
    zones.deployment("web", pool)
    zones.served("web")

    def set_back() -> None:
        patch = [{"op": "remove", "path": "/spec/template/spec/affinity"}]
        zones.kubectl("-n", zones.name, "patch", "deployment", "web", "--type=json", "-p", json.dumps(patch))

    for _ in range(2):
        set_back()
        until(lambda: terms(zones), "the affinity stands again", zones.operator_log)


def test_a_daemon_set_runs_on_the_nodes_of_its_pool(zones: Scene) -> None:
    pool = zones.pool(nodeSelector=by_zone("a"))
    pod = {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 80}]}]}
    spec = {"selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {"labels": {"app": "d"}}, "spec": pod}}
    metadata = {"name": "d", "annotations": {"hostport/auto": "true", "hostport/pool": pool}}
    zones.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec})

    def nodes() -> set[str]:
        pods = json.loads(zones.kubectl("-n", zones.name, "get", "pods", "-l", "app=d", "-o", "json"))["items"]
        ports = [
            (pod["spec"].get("nodeName"), pod["spec"]["containers"][0]["ports"][0].get("hostPort")) for pod in pods
        ]
        return {str(node) for node, port in ports} if ports and all(port for _, port in ports) else set()

    until(lambda: nodes() == {"node-1", "node-2"}, "there is a Pod on each node of the pool alone", nodes, 90)


def test_pinned_workloads_share_a_number_and_a_pool_of_one_address_is_apart(scene: Scene) -> None:
    local = scene.pool(1, hostIP="127.0.0.1")
    for node in ("node-1", "node-2"):
        scene.deployment(f"on-{node}", local, nodeSelector={"kubernetes.io/hostname": node})

    assert scene.served("on-node-1") == scene.served("on-node-2") == [scene.first]
    entry = scene.get("deployment", "on-node-1")["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    assert entry["hostIP"] == "127.0.0.1"
    assert set(scene.leases(local)) == {f"[127.0.0.1]:{scene.first}/TCP@node-{i}" for i in (1, 2)}
    assert nodes_of(scene, "on-node-1") == {"node-1"}
