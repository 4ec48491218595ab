"""Ports that a template does not declare: one number as containerPort and hostPort, on Pods that really run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

HTTP = {"name": "http", "containerPort": 80, "protocol": "TCP"}


def game(scene: Scene, pool: str, ports: list[Json] | None = None, **fields: Any) -> Json:
    """The manifest of `game`, which passes `game/UDP` through unless told otherwise."""
    notes = {"hostport/auto": "true", "hostport/pool": pool, "hostport/passthrough": "game/UDP"}
    return deployment("game", ports or [], annotations=notes | fields.pop("annotations", {}), **fields)


def container(scene: Scene) -> Json:
    found: Json = scene.get("deployment", "game")["spec"]["template"]["spec"]["containers"][0]
    return found


def assigned(scene: Scene) -> dict[str, int]:
    notes = scene.get("deployment", "game")["metadata"]["annotations"]
    return dict(json.loads(notes.get("hostport/assigned", "{}")))


def given(scene: Scene, *ports: str) -> list[int]:
    """The numbers of these PORTs, as soon as they and no others have one."""
    until(lambda: assigned(scene).keys() == set(ports), f"exactly {ports} have numbers", scene.operator_log)
    return [assigned(scene)[port] for port in ports]


def generation(scene: Scene) -> int:
    return int(scene.get("deployment", "game")["metadata"]["generation"])


def entry(number: int, protocol: str = "UDP") -> Json:
    return {"containerPort": number, "hostPort": number, "protocol": protocol}


def test_a_pod_runs_on_its_number_and_is_told_it(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(game(scene, pool, [HTTP], annotations={"hostport/passthrough": "game/UDP, rdma"}))

    http, udp, rdma = given(scene, "app/http", "app/game", "app/rdma")
    (pod,) = scene.running("game")

    spec = pod["spec"]["containers"][0]
    assert spec["ports"] == [{**HTTP, "hostPort": http}, entry(udp), entry(rdma, "TCP")]
    assert spec["env"] == [
        {"name": "HOSTPORT_GAME", "value": str(udp)},
        {"name": "HOSTPORT_RDMA", "value": str(rdma)},
    ]
    leases = scene.leases(pool)
    assert {key: lease["port"] for key, lease in leases.items()} == {
        f"{http}/TCP": "app/http",
        f"{udp}/UDP": "app/game",
        f"{rdma}/TCP": "app/rdma",
    }
    assert f"app/game → hostPort {udp} from pool {pool}" in scene.event("game", "PortsAssigned")


def test_on_the_nodes_network_pods_run_on_their_number_and_it_is_nobody_elses(scene: Scene) -> None:
    pool = scene.pool()
    web = {"name": "http", "containerPort": scene.first}
    scene.apply(game(scene, pool, [web], hostNetwork=True, replicas=2))

    (number,) = given(scene, "app/game")
    pods = scene.running("game")

    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    assert all(pod["spec"]["containers"][0]["ports"][1] == entry(number) for pod in pods)
    until(lambda: scene.status(pool).get("allocated") == 1, "it counts as allocated")
    # The declared port is on the node too: foreign to the pool; what was added is not.
    until(
        lambda: scene.status(pool).get("foreign") == 1, "only the declared one is foreign", lambda: scene.status(pool)
    )
    assert number != scene.first
    scene.bystander_is_served(pool)


def test_the_same_manifest_applied_again_changes_nothing_and_replaced_gets_it_back(scene: Scene) -> None:
    pool = scene.pool()
    manifest = game(scene, pool, [HTTP])
    scene.apply(manifest)
    numbers = given(scene, "app/http", "app/game")
    before = generation(scene)

    scene.apply(manifest)
    scene.apply(manifest)
    scene.bystander_is_served(pool)

    assert generation(scene) == before
    scene.replace(manifest)
    assert given(scene, "app/http", "app/game") == numbers
    assert container(scene)["ports"][1:] == [entry(numbers[1])]
    assert container(scene)["env"] == [{"name": "HOSTPORT_GAME", "value": str(numbers[1])}]


def test_a_port_that_the_user_declares_with_the_same_number_breaks_nothing(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(game(scene, pool, [HTTP]))
    numbers = given(scene, "app/http", "app/game")

    # kubectl writes it into the entry of ours: both have the merge key containerPort.
    declared = {"name": "play", "containerPort": numbers[1], "protocol": "UDP"}
    scene.apply(game(scene, pool, [HTTP, declared]))
    scene.bystander_is_served(pool)

    assert given(scene, "app/http", "app/game") == numbers
    assert container(scene)["ports"][1:] == [{**entry(numbers[1]), "name": "play"}]
    scene.apply(game(scene, pool, [HTTP]))
    until(lambda: container(scene)["ports"][1:] == [entry(numbers[1])], "the entry is there again", scene.operator_log)
    assert given(scene, "app/http", "app/game") == numbers
    scene.running("game")


def test_ports_come_and_go_in_a_live_workload_and_the_others_keep_their_numbers(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(game(scene, pool, [HTTP]))
    http, udp = given(scene, "app/http", "app/game")

    scene.apply(game(scene, pool, [HTTP], annotations={"hostport/passthrough": "rdma, game/UDP"}))
    _, _, rdma = given(scene, "app/http", "app/game", "app/rdma")
    assert container(scene)["ports"] == [{**HTTP, "hostPort": http}, entry(udp), entry(rdma, "TCP")]

    scene.apply(game(scene, pool, [HTTP], annotations={"hostport/passthrough": "rdma"}))
    given(scene, "app/http", "app/rdma")
    assert container(scene)["ports"] == [{**HTTP, "hostPort": http}, entry(rdma, "TCP")]
    assert container(scene)["env"] == [{"name": "HOSTPORT_RDMA", "value": str(rdma)}]
    until(lambda: "released" in scene.leases(pool)[f"{udp}/UDP"], "the number rests", scene.operator_log)


@pytest.mark.parametrize("network", [False, True])
def test_what_was_added_is_taken_away_again(scene: Scene, network: bool) -> None:
    pool = scene.pool()
    manifest = game(scene, pool, hostNetwork=network)
    before = scene.apply(manifest)["spec"]
    (number,) = given(scene, "app/game")
    scene.running("game")

    scene.kubectl("-n", scene.name, "annotate", "deployment", "game", "hostport/auto-")

    until(lambda: scene.get("deployment", "game")["spec"] == before, "the template is as it was", scene.operator_log)
    notes = scene.get("deployment", "game")["metadata"]["annotations"]
    assert not {"hostport/assigned", "hostport/env-added"} & notes.keys()
    until(lambda: "released" in scene.leases(pool)[f"{number}/UDP"], "the number rests", scene.operator_log)


def test_a_copy_gets_numbers_of_its_own(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(game(scene, pool, [HTTP]))
    numbers = given(scene, "app/http", "app/game")
    exported = scene.kubectl("-n", scene.name, "get", "deployment", "game", "-o", "yaml", "--show-managed-fields=false")

    scene.kubectl(
        "-n", scene.name, "apply", "-f", "-", input=exported.replace("game", "copy")
    )  # its port is `copy` too
    scene.running("copy")

    def own() -> list[int]:
        ports = scene.get("deployment", "copy")["spec"]["template"]["spec"]["containers"][0]["ports"]
        return [] if {port["hostPort"] for port in ports} & set(numbers) else [port["hostPort"] for port in ports]

    http, udp = until(own, "the copy has numbers of its own", scene.operator_log)
    spec = scene.get("deployment", "copy")["spec"]["template"]["spec"]["containers"][0]
    assert spec["ports"] == [{**HTTP, "hostPort": http}, entry(udp)]
    assert spec["env"] == [{"name": "HOSTPORT_COPY", "value": str(udp)}]
    assert given(scene, "app/http", "app/game") == numbers


def test_rollout_undo_ends_with_one_entry_of_the_present_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(game(scene, pool))
    (first,) = given(scene, "app/game")
    scene.running("game")
    moved = {"hostport/request": f"game={scene.first + 50}"}
    scene.apply(game(scene, pool, annotations=moved))
    until(lambda: given(scene, "app/game") == [scene.first + 50], "it has moved", scene.operator_log)
    scene.running("game")
    assert first != scene.first + 50

    scene.kubectl("-n", scene.name, "rollout", "undo", "deployment/game")
    scene.kubectl("-n", scene.name, "annotate", "deployment", "game", f"hostport/request=game={first}", "--overwrite")

    until(lambda: container(scene)["ports"] == [entry(first)], "the number of old is back", scene.operator_log)
    until(lambda: container(scene)["env"][0]["value"] == str(first), "and told", scene.operator_log)
    assert len(container(scene)["env"]) == 1


def test_a_cron_job_is_served_in_its_own_template(scene: Scene) -> None:
    pool = scene.pool()
    made = game(scene, pool)
    template = {**made["spec"]["template"]}
    template["spec"] = {**template["spec"], "restartPolicy": "Never"}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    scene.apply({**made, "apiVersion": "batch/v1", "kind": "CronJob", "spec": spec})

    def ports() -> list[Json]:
        spec = scene.get("cronjob", "game")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return list(spec["containers"][0].get("ports") or ())

    (port,) = until(ports, "the entry is there", scene.operator_log)
    assert port == entry(port["hostPort"])
    assert f"{port['hostPort']}/UDP" in scene.leases(pool)


def test_names_that_can_not_be_meant(scene: Scene) -> None:
    pool = scene.pool()
    declared = {"name": "game", "containerPort": 80}
    scene.apply(game(scene, pool, [declared]))
    assert "app/game is a port that the template declares" in scene.event("game", "InvalidAnnotation")

    scene.apply(game(scene, pool, [declared], annotations={"hostport/passthrough": "play/UDP"}))

    given(scene, "app/game", "app/play")
