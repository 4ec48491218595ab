"""Pools that grow, shrink, overlap and end, and nodes that come, change and go, while leases stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]


def change(scene: Scene, pool: str, **spec: object) -> None:
    """Change a pool's spec, and wait until the operator has said something about it."""
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", json.dumps({"spec": spec}))
    generation = scene.get("hostportpool", pool)["metadata"]["generation"]
    until(lambda: scene.status(pool).get("observedGeneration") == generation, "it is observed", scene.operator_log)


def condition(scene: Scene, pool: str, kind: str) -> Json:
    return next((c for c in scene.status(pool).get("conditions", []) if c["type"] == kind), {})


def says(scene: Scene, pool: str, kind: str, reason: str) -> str:
    """What a condition says once it has that reason."""

    def text() -> str:
        found = condition(scene, pool, kind)
        return f"{found['status']}: {found['message']}" if found.get("reason") == reason else ""

    return until(text, f"{kind} of {pool} is {reason}", lambda: scene.status(pool), 60)


def span(scene: Scene, first: int, last: int) -> str:
    return f"{scene.first + first}-{scene.first + last}"


def asks_for(number: int) -> dict[str, str]:
    return {"hostport/request": f"http={number}"}


# Ranges


def test_a_pool_that_has_grown_again_has_everybody_inside(scene: Scene) -> None:
    pool = scene.pool(10)
    scene.deployment("web", pool, annotations=asks_for(scene.first + 9))
    (port,) = scene.served("web")

    change(scene, pool, ranges=[span(scene, 0, 4)])
    text = says(scene, pool, "OutOfRange", "LeasesOutside")
    assert text.startswith("True: leases on numbers that the pool does not hand out any more: 1")
    assert "put them back into spec.ranges, or take hostport/auto off those workloads" in text
    change(scene, pool, ranges=[span(scene, 0, 9)])

    says(scene, pool, "OutOfRange", "AllInside")
    assert scene.host_ports("web") == [port]
    assert scene.get("deployment", "web")["metadata"]["generation"] == 2, "nobody has written to it"


def test_a_number_outside_is_given_to_nobody_once_it_comes_back(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"], cooldownSeconds=0)
    scene.deployment("web", pool, annotations=asks_for(scene.first + 1))
    scene.served("web")
    change(scene, pool, ranges=[f"{scene.first}"])
    says(scene, pool, "OutOfRange", "LeasesOutside")

    scene.kubectl("-n", scene.name, "delete", "deployment", "web")

    says(scene, pool, "OutOfRange", "AllInside")
    scene.deployment("next", pool)
    assert scene.served("next") == [scene.first]
    scene.deployment("late", pool, annotations=asks_for(scene.first + 1))
    assert "is outside of every pool" in scene.event("late", "RequestRefused")


def test_a_leased_number_that_is_excluded_stays_and_is_given_to_nobody_after(scene: Scene) -> None:
    pool = scene.pool(2, protocols=["TCP"], cooldownSeconds=0)
    scene.deployment("web", pool)
    (port,) = scene.served("web")

    change(scene, pool, exclude=[str(port)])

    says(scene, pool, "OutOfRange", "LeasesOutside")
    scene.deployment("other", pool)
    (other,) = scene.served("other")
    scene.kubectl("-n", scene.name, "rollout", "restart", "deployment/web")
    scene.running("web")
    assert scene.host_ports("web") == [port]
    scene.kubectl("-n", scene.name, "delete", "deployment", "web")
    says(scene, pool, "OutOfRange", "AllInside")
    scene.deployment("late", pool)
    assert "0 of 1 TCP numbers free" in scene.event("late", "PoolExhausted")
    assert other != port


def test_a_pool_of_which_nothing_is_left_says_so(scene: Scene) -> None:
    pool = scene.pool(4, exclude=[span(scene, 0, 3)])

    text = says(scene, pool, "Ready", "Empty")

    assert text == "False: spec.exclude and older pools leave no number of spec.ranges; enlarge it"


def test_another_policy_is_for_those_who_come_after_it(scene: Scene) -> None:
    pool = scene.pool(10, policy="RoundRobin", cooldownSeconds=0, protocols=["TCP"])
    for name in ("a", "b", "c"):
        scene.deployment(name, pool)
        scene.served(name)
    scene.kubectl("-n", scene.name, "delete", "deployment", "a")
    until(lambda: f"{scene.first}/TCP" not in scene.leases(pool), "the first number is free", scene.operator_log)

    change(scene, pool, policy="LowestFree")

    scene.deployment("d", pool)
    assert scene.served("d") == [scene.first]
    assert [scene.host_ports(name)[0] for name in ("b", "c")] == [scene.first + 1, scene.first + 2]


# The end of a pool


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_pool_of_several_blocks_stays_until_its_last_lease_is_gone(scene: Scene, cascade: str) -> None:
    """A foreground cascade deletes what the pool owns, its blocks, while the pool itself still waits."""
    pool = scene.pool(ranges=["62000-62599"])
    for number in (62000, 62300, 62599):
        scene.deployment(f"web-{number}", pool, annotations=asks_for(number))
        scene.served(f"web-{number}")
    leases = scene.leases(pool)

    scene.kubectl("delete", "hostportpool", pool, f"--cascade={cascade}", "--wait=false")

    text = says(scene, pool, "Ready", "Terminating")
    assert text == "False: being deleted; leases that still stand: 3; take hostport/auto off their workloads"
    scene.bystander_is_served(scene.pool(1))
    assert scene.leases(pool) == leases
    assert [scene.host_ports(f"web-{number}") for number in (62000, 62300, 62599)] == [[62000], [62300], [62599]]
    for number in (62300, 62000):
        scene.kubectl("-n", scene.name, "delete", "deployment", f"web-{number}")
    until(lambda: set(scene.leases(pool)) == {"62599/TCP"}, "one lease is left", scene.operator_log)
    scene.kubectl("-n", scene.name, "annotate", "deployment", "web-62599", "hostport/auto-")
    scene.kubectl("wait", "--for=delete", f"hostportpool/{pool}", "--timeout=120s")
    assert not scene.kubectl("get", "hostportblocks", "-l", f"hostport.dev/pool={pool}", "-o", "name")


def test_a_pool_made_anew_under_its_old_name_is_another_pool(scene: Scene) -> None:
    pool = scene.pool(2)
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.kubectl("delete", "hostportpool", pool, "--wait=false")
    says(scene, pool, "Ready", "Terminating")
    scene.kubectl("-n", scene.name, "delete", "deployment", "web")
    scene.kubectl("wait", "--for=delete", f"hostportpool/{pool}", "--timeout=120s")

    scene.pool(2, name=pool)

    scene.deployment("other", pool, annotations=asks_for(port))
    assert scene.served("other") == [port]


# Two pools on one node


def label(scene: Scene, node: str, /, **labels: str | None) -> None:
    words = [f"{key}={value}" if value is not None else f"{key}-" for key, value in labels.items()]
    scene.kubectl("label", "node", node, "--overwrite", *words)


@pytest.fixture
def nodes(scene: Scene) -> Iterator[list[str]]:
    """Two nodes that only this test has."""
    names = scene.plane.add_nodes([f"{scene.name[:6]}-a", f"{scene.name[:6]}-b"], labels={"scene": scene.name})
    yield names
    scene.kubectl("delete", "node", *names, "--ignore-not-found")


def on(pool: str, **more: str) -> Json:
    """What a template needs to land on the nodes of a pool alone."""
    return {"nodeSelector": {f"in-{pool[-1]}": "yes", **more}}


def test_a_node_relabelled_into_an_overlap(scene: Scene, nodes: list[str]) -> None:
    """Each pool has leased the number on its own node; now both are on one. Nobody is moved, nobody else gets it."""
    one, other = nodes
    elder = scene.pool(3, nodeSelector={"matchLabels": {"in-0": "yes"}}, protocols=["TCP"], cooldownSeconds=0)
    until(lambda: scene.status(elder).get("capacity") == 0, "the elder is known", scene.operator_log)
    assert "no node matches spec.nodeSelector; label one so that it does" in says(scene, elder, "Ready", "NoNodes")
    younger = scene.pool(4, nodeSelector={"matchLabels": {"in-1": "yes"}}, protocols=["TCP"], cooldownSeconds=0)
    label(scene, one, **{"in-0": "yes"})
    label(scene, other, **{"in-1": "yes"})
    for name, pool in (("old", elder), ("young", younger)):
        scene.deployment(name, pool, **on(pool))
        assert scene.served(name) == [scene.first]
        scene.running(name)

    label(scene, other, **{"in-0": "yes"})

    text = says(scene, younger, "Overlap", "LeasedTwice")
    assert f"{span(scene, 0, 2)} belong to the older pool {elder}: not handed out here" in text
    old, young = (f"Deployment/{scene.name}/{name}" for name in ("old", "young"))
    assert f"{scene.first}/TCP to {young} and to {old}; nobody else gets the number" in text
    assert f"{scene.first}/TCP to {old} and to {young}" in says(scene, elder, "Overlap", "LeasedTwice")
    assert scene.host_ports("old") == scene.host_ports("young") == [scene.first]
    scene.deployment("next", younger, **on(younger))
    assert scene.served("next") == [scene.first + 3]

    scene.kubectl("-n", scene.name, "delete", "deployment", "old")
    until(lambda: not scene.leases(elder), "the elder's lease is gone", scene.operator_log)
    scene.deployment("heir", elder, **on(elder))
    assert scene.served("heir") == [scene.first + 1], "the younger's lease still stands on the first"
    scene.kubectl("-n", scene.name, "annotate", "deployment", "young", "--overwrite", "hostport/auto=false")
    until(lambda: f"{scene.first}/TCP" not in scene.leases(younger), "the younger gives it back", scene.operator_log)
    says(scene, younger, "Overlap", "Withheld")
    says(scene, elder, "Overlap", "NoOverlap")


def test_relabelled_back_both_pools_serve_again(scene: Scene, nodes: list[str]) -> None:
    one, other = nodes
    elder = scene.pool(1, nodeSelector={"matchLabels": {"in-0": "yes"}}, protocols=["TCP"])
    until(lambda: scene.status(elder), "the elder is known", scene.operator_log)
    younger = scene.pool(1, nodeSelector={"matchLabels": {"in-1": "yes"}}, protocols=["TCP"])
    label(scene, one, **{"in-0": "yes", "in-1": "yes"})
    label(scene, other, **{"in-1": "yes"})
    says(scene, younger, "Overlap", "Withheld")
    scene.deployment("web", younger, **on(younger))
    assert "0 of 0 TCP numbers free" in scene.event("web", "PoolExhausted")

    label(scene, one, **{"in-1": None})

    assert scene.served("web") == [scene.first], "nobody has touched it or the pool"
    says(scene, younger, "Overlap", "NoOverlap")


def test_a_pool_in_the_node_port_range_is_warned_of(scene: Scene, tmp_path: Path) -> None:
    here = scene.pool(ranges=["30600-30609"])
    there = scene.pool(ranges=["61700-61709"])
    text = says(scene, here, "NodePorts", "InServiceRange")
    assert text.startswith("True: 30600-30609 lie in the cluster's NodePort range")
    assert "take them out of spec.ranges" in text
    says(scene, there, "NodePorts", "OutsideServiceRange")

    process = OperatorProcess(scene.plane, tmp_path, "--service-node-port-range", "61705-61800")
    scene.operator.kill()
    process.start()
    try:
        says(scene, here, "NodePorts", "OutsideServiceRange")
        assert "61705-61709 lie in" in says(scene, there, "NodePorts", "InServiceRange")
    finally:
        process.stop()
        scene.operator.start()


# Nodes


def roles(scene: Scene) -> Json:
    return {"nodeSelector": {"scene": scene.name}}


def warnings(scene: Scene, reason: str) -> int:
    """How often it has been told: repeats are counted into one event."""
    return sum(event.get("series", {}).get("count", 1) for event in scene.events("web", reason))


def test_a_node_that_is_gone_is_told_to_whom_it_is_missing(scene: Scene, nodes: list[str]) -> None:
    """Nobody has touched the workload."""
    pool = scene.pool(nodeSelector={"matchLabels": {"scene": scene.name}})
    scene.deployment("web", pool, replicas=2, **roles(scene))
    (port,) = scene.served("web")
    scene.running("web")
    scene.bystander_is_served(pool)
    assert not scene.events("web", "TooFewNodes")

    label(scene, nodes[0], scene=None)

    text = scene.event("web", "TooFewNodes")
    assert "2 replicas, and the Pods may run on 1 node" in text
    assert "1 Pod will stay Pending; it takes fewer replicas or more nodes" in text
    label(scene, nodes[0], scene=scene.name)
    until(lambda: scene.status(pool).get("nodes") == 2, "it is seen that the node is back", scene.operator_log)
    scene.bystander_is_served(pool)
    label(scene, nodes[0], scene=None)
    until(lambda: warnings(scene, "TooFewNodes") == 2, "gone again, told again", scene.operator_log)
    assert scene.host_ports("web") == [port]


def test_a_taint_counts_as_a_node_that_is_gone(scene: Scene, nodes: list[str]) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=2, **roles(scene))
    scene.served("web")
    scene.running("web")

    scene.kubectl("taint", "node", nodes[0], "dedicated=db:NoSchedule")

    assert "may run on 1 node" in scene.event("web", "TooFewNodes")
    cordoned = scene.get("deployment", "web")["metadata"]["generation"]
    scene.kubectl("taint", "node", nodes[0], "dedicated-")
    scene.kubectl("cordon", nodes[0])
    scene.bystander_is_served(pool)
    assert warnings(scene, "TooFewNodes") == 1, "a cordoned node keeps its Pods and comes back"
    assert scene.get("deployment", "web")["metadata"]["generation"] == cordoned


def test_a_node_that_is_labelled_lets_those_be_served_who_waited_for_one(scene: Scene, nodes: list[str]) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, nodeSelector={"scene": scene.name, "disk": "fast"})
    assert "no node on which these Pods may run" in scene.event("web", "NoMatchingPool")

    label(scene, nodes[0], disk="fast")

    assert scene.served("web")
    (pod,) = scene.running("web")
    assert pod["spec"]["nodeName"] == nodes[0]


def test_a_node_that_is_deleted_and_comes_back_finds_its_lease(scene: Scene, nodes: list[str]) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    pinned = {"nodeSelector": {"kubernetes.io/hostname": nodes[0]}}
    scene.deployment("web", pool, **pinned)
    scene.served("web")
    scene.running("web")

    scene.kubectl("delete", "node", nodes[0])
    scene.bystander_is_served(scene.pool(1, ranges=[f"{scene.first + 50}"]))
    assert list(scene.leases(pool)) == [f"{scene.first}/TCP@{nodes[0]}"]
    scene.plane.add_nodes([nodes[0]], labels={"scene": scene.name})
    scene.deployment("rival", pool, **pinned)

    scene.event("rival", "PoolExhausted")
    assert scene.host_ports("web") == [scene.first]
    scene.running("web")


def test_a_second_node_of_a_pinned_workload_gets_its_lease_when_it_comes(scene: Scene, nodes: list[str]) -> None:
    """The names are known, the node is not there yet: Pods may land on it the moment it joins."""
    pool = scene.pool(1, protocols=["TCP"])
    late = f"{nodes[0]}-late"
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [nodes[0], late]}]}
    node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    scene.deployment("web", pool, affinity={"nodeAffinity": node_affinity})
    assert scene.served("web") == [scene.first]
    assert list(scene.leases(pool)) == [f"{scene.first}/TCP@{nodes[0]}"]

    scene.plane.add_nodes([late])

    both = [f"{scene.first}/TCP@{node}" for node in (nodes[0], late)]
    until(lambda: sorted(scene.leases(pool)) == both, "the number is leased there too", scene.operator_log)
    scene.kubectl("delete", "node", late)


def test_a_heartbeat_is_no_change(scene: Scene) -> None:
    """Nodes write their status all the time; nobody is looked at for that."""
    pool = scene.pool()
    scene.deployment("web", pool, replicas=9, strategy={"type": "Recreate"})
    scene.served("web")
    scene.event("web", "TooFewNodes")
    before = scene.get("deployment", "web")["metadata"]["generation"]

    for memory in ("255Gi", "256Gi"):
        patch = json.dumps({"status": {"capacity": {"memory": memory}}})
        scene.kubectl("patch", "node", "node-1", "--subresource=status", "--type=merge", "-p", patch)
    scene.bystander_is_served(pool)

    assert warnings(scene, "TooFewNodes") == 1
    assert scene.get("deployment", "web")["metadata"]["generation"] == before
