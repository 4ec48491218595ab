"""An annotated Deployment gets hostPorts, keeps them, and gives them back."""

from __future__ import annotations

import json

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

HTTP = {"name": "http", "containerPort": 80}
TCP_AND_UDP = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53}]


def test_an_annotated_deployment_gets_a_port_a_lease_and_an_event_and_runs_on_it(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)

    (port,) = scene.served("web")

    assert scene.first <= port < scene.first + 100
    lease = scene.leases(pool)[f"{port}/TCP"]
    assert lease["owner"] == f"Deployment/{scene.name}/web"
    assert lease["port"] == "app/http"
    assert lease["uid"] == scene.get("deployment", "web")["metadata"]["uid"]
    assert scene.event("web", "PortsAssigned") == f"app/http → hostPort {port} from pool {pool}"
    (pod,) = scene.running("web")
    assert pod["spec"]["containers"][0]["ports"][0]["hostPort"] == port


def test_nothing_of_kopf_and_no_finalizer_is_left_on_a_workload(scene: Scene) -> None:
    pool = scene.pool()
    before = scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.running("web")
    after = scene.get("deployment", "web")

    assert "finalizers" not in after["metadata"]
    ours = {k: v for k, v in after["metadata"]["annotations"].items() if k not in before["metadata"]["annotations"]}
    assert ours.pop("deployment.kubernetes.io/revision") in ("1", "2")
    assert ours == {"hostport/assigned": json.dumps({"app/http": port}, separators=(",", ":"))}
    after["spec"]["template"]["spec"]["containers"][0]["ports"][0].pop("hostPort")
    assert after["spec"] == before["spec"]
    assert after["metadata"].get("labels") == before["metadata"].get("labels")


def test_tcp_and_udp_of_one_container_port_share_a_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("dns", pool, TCP_AND_UDP)

    one, other = scene.served("dns")

    assert one == other
    assert {f"{one}/TCP", f"{one}/UDP"} <= scene.leases(pool).keys()


def test_only_the_ports_that_are_listed_get_a_number(scene: Scene) -> None:
    pool = scene.pool()
    ports = [HTTP, {"name": "admin", "containerPort": 9000}]
    scene.deployment("web", pool, ports, annotations={"hostport/ports": "admin"})

    until(lambda: scene.host_ports("web")[1], "admin has a number")

    assert scene.host_ports("web")[0] == 0
    assert [lease["port"] for lease in scene.leases(pool).values()] == ["app/admin"]


def test_taking_the_annotation_away_gives_the_number_back_and_it_rests(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.running("web")

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")

    until(lambda: scene.host_ports("web") == [0], "the number is out of the template")
    assert f"app/http: hostPort {port}/TCP goes back to pool {pool}" in scene.event("web", "PortsReleased")
    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the number rests", scene.operator_log)
    assert "hostport/assigned" not in scene.get("deployment", "web")["metadata"]["annotations"]
    until(lambda: scene.status(pool).get("cooling") == 1, "the pool counts it as cooling")


def test_a_port_that_is_dropped_from_the_template_is_released(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, [HTTP, {"name": "admin", "containerPort": 9000}])
    http, admin = scene.served("web")

    scene.deployment("web", pool, [HTTP])

    until(lambda: "released" in scene.leases(pool)[f"{admin}/TCP"], "admin's number rests", scene.operator_log)
    assert scene.host_ports("web") == [http]
    assert "released" not in scene.leases(pool)[f"{http}/TCP"]


def test_a_number_is_held_while_a_pod_of_an_older_revision_still_uses_it(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.running("web")
    scene.kubectl("-n", scene.name, "rollout", "pause", "deployment/web")

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")

    until(lambda: scene.host_ports("web") == [0], "the number is out of the template")
    until(lambda: "releasing" in scene.leases(pool)[f"{port}/TCP"], "the lease is releasing")
    held_until = scene.bystander_is_served(pool)
    assert "released" not in scene.leases(pool)[f"{port}/TCP"], held_until
    scene.kubectl("-n", scene.name, "rollout", "resume", "deployment/web")
    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the old Pod is gone and the number rests")


def test_deleted_and_recreated_within_the_cooldown_a_workload_gets_its_number_back(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("other", pool)
    scene.deployment("web", pool)
    scene.served("other")
    (port,) = scene.served("web")
    scene.kubectl("-n", scene.name, "delete", "deployment", "web", "other")
    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the number rests", scene.operator_log)

    scene.deployment("web", pool)

    assert scene.served("web") == [port]
    assert "released" not in scene.leases(pool)[f"{port}/TCP"]
    assert scene.leases(pool)[f"{port}/TCP"]["uid"] == scene.get("deployment", "web")["metadata"]["uid"]


def test_a_resting_number_goes_to_nobody_else_until_the_cooldown_is_over(scene: Scene) -> None:
    pool = scene.pool(1, cooldownSeconds=3)
    scene.deployment("first", pool)
    (port,) = scene.served("first")
    scene.running("first")
    scene.kubectl("-n", scene.name, "delete", "deployment", "first")
    until(lambda: "released" in scene.leases(pool).get(f"{port}/TCP", {}), "the number rests")

    scene.deployment("second", pool)

    assert "resting" in scene.event("second", "PoolExhausted")
    assert scene.leases(pool)[f"{port}/TCP"]["owner"].endswith("/first")
    assert scene.served("second") == [port]


def test_the_number_survives_apply_and_replace_of_the_manifest_without_it(scene: Scene) -> None:
    pool = scene.pool()
    notes = {"hostport/auto": "true", "hostport/pool": pool}
    manifest = deployment("web", annotations=notes)
    scene.apply(manifest)
    (port,) = scene.served("web")

    scene.apply(manifest)
    assert scene.host_ports("web") == [port]
    scene.replace(manifest)

    assert scene.served("web") == [port]
    assert list(scene.leases(pool)) == [f"{port}/TCP"]


def test_rollout_undo_brings_back_no_number_that_is_somebody_elses(scene: Scene) -> None:
    pool = scene.pool(2, cooldownSeconds=0)
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    scene.running("web")
    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")
    until(lambda: not scene.leases(pool), "the number is free", scene.operator_log)
    scene.deployment("rival", pool, annotations={"hostport/request": f"http={port}"})
    assert scene.served("rival") == [port]

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto=true")
    (other,) = scene.served("web")
    scene.kubectl("-n", scene.name, "rollout", "undo", "deployment/web", "--to-revision=2")

    until(lambda: scene.host_ports("web") == [other], "web has its own number", scene.operator_log)
    assert port != other


def test_a_copy_of_a_manifest_gets_a_number_of_its_own(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    copy = json.loads(json.dumps(scene.get("deployment", "web")).replace('"web"', '"copy"'))
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        copy["metadata"].pop(field, None)

    scene.apply(copy)

    until(lambda: scene.host_ports("copy") not in ([port], [0]), "the copy has a number of its own", scene.operator_log)
    assert f"hostPort {port}/TCP" in scene.event("copy", "PortConflict")
    assert scene.host_ports("web") == [port]


def test_a_number_written_by_hand_is_left_alone_and_not_leased(scene: Scene) -> None:
    pool = scene.pool()
    by_hand = {"name": "admin", "containerPort": 9000, "hostPort": scene.first + 7}
    scene.deployment("web", pool, [HTTP, by_hand])

    http, admin = scene.served("web")

    assert admin == scene.first + 7
    assert list(scene.leases(pool)) == [f"{http}/TCP"]


def test_a_pool_with_a_host_ip_writes_it_beside_the_number(scene: Scene) -> None:
    pool = scene.pool(hostIP="127.0.0.1")
    scene.deployment("web", pool)
    (port,) = scene.served("web")

    entry = scene.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    assert entry["hostIP"] == "127.0.0.1"
    assert list(scene.leases(pool)) == [f"[127.0.0.1]:{port}/TCP"]


@pytest.mark.parametrize("policy", ["RoundRobin", "LowestFree", "Random", "Stable"])
def test_every_policy_hands_out_every_number_once(scene: Scene, policy: str) -> None:
    pool = scene.pool(5, policy=policy)
    for i in range(5):
        scene.deployment(f"web-{i}", pool)

    numbers = sorted(scene.served(f"web-{i}")[0] for i in range(5))

    assert numbers == list(range(scene.first, scene.first + 5))


def test_workloads_pinned_to_different_nodes_may_hold_the_same_number(scene: Scene) -> None:
    pool = scene.pool(1)
    for node in ("node-1", "node-2"):
        scene.deployment(node, pool, nodeSelector={"kubernetes.io/hostname": node})

    assert scene.served("node-1") == scene.served("node-2") == [scene.first]
    assert sorted(scene.leases(pool)) == [f"{scene.first}/TCP@node-1", f"{scene.first}/TCP@node-2"]


def test_contiguous_ports_lie_side_by_side(scene: Scene) -> None:
    pool = scene.pool()
    ports = [{"name": f"rtp-{i}", "containerPort": 5000 + i, "protocol": "UDP"} for i in range(8)]
    scene.deployment("media", pool, ports, annotations={"hostport/contiguous": "true"})

    numbers = scene.served("media")

    assert numbers == list(range(numbers[0], numbers[0] + 8))
