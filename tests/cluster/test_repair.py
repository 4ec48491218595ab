"""Leases of workloads that are not there, written by hand: freed when they have been seen twice, and never too soon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster

_SECONDS = 90


def plant(scene: Scene, pool: str, leases: dict[str, dict[str, str] | None]) -> None:
    """Write leases into a pool's status; None takes one out."""
    body = json.dumps({"status": {"leases": leases}})
    scene.kubectl("patch", "hostportpool", pool, "--subresource=status", "--type=merge", "-p", body)


def ghost(scene: Scene, **more: str) -> dict[str, str]:
    """The lease of a Deployment that has never been."""
    return {"owner": f"Deployment/{scene.name}/ghost", "uid": "1", "since": "2026-01-01T00:00:00Z", **more}


def lease(scene: Scene, pool: str, key: str) -> dict[str, Any] | None:
    return scene.leases(pool).get(key)


def notes_on(scene: Scene, pool: str) -> list[str]:
    """What events say about a pool."""
    events = json.loads(scene.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
    return [event["note"] for event in events if event["regarding"].get("name") == pool]


def opened(scene: Scene, **spec: object) -> str:
    """A pool with its first lease: from then on it says which numbers stand in its status."""
    first = scene.window()
    pool = scene.pool(policy="LowestFree", ranges=[f"{first}-{first + 49}"], **spec)
    scene.deployment("first", pool)
    assert scene.served("first") == [first]
    return pool


@pytest.mark.parametrize("at_work", [True, False], ids=["at_work", "stopped"])
def test_a_lease_without_a_workload_is_freed_and_its_pool_says_so(scene: Scene, at_work: bool) -> None:
    pool = opened(scene)
    keys = [f"{scene.window() + number}/TCP" for number in (5, 6)]
    before = scene.operator.metric("hostport_repairs_total", result="released")
    if not at_work:
        scene.operator.stop()

    plant(scene, pool, {key: ghost(scene) for key in keys})
    if not at_work:
        scene.operator.start()
        before = 0

    for key in keys:
        until(
            lambda key=key: "released" in (lease(scene, pool, key) or {}), f"{key} rests", scene.operator_log, _SECONDS
        )
    assert scene.operator.metric("hostport_repairs_total", result="released") - before == 1
    texts = [f"Deployment/{scene.name}/ghost", *keys]
    until(
        lambda: any(all(text in note for text in texts) for note in notes_on(scene, pool)),
        "the pool says so",
        lambda: notes_on(scene, pool),
    )
    assert scene.operator.log.count(f"repair: pool {pool}: ") == 1
    assert scene.host_ports("first") == [scene.window()]


def test_a_number_that_a_pod_runs_on_stays_leased_until_the_pod_has_gone(scene: Scene) -> None:
    pool = opened(scene)
    port = scene.window() + 5
    container = {"name": "app", "image": "app", "ports": [{"containerPort": 80, "hostPort": port}]}
    scene.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lives"}, "spec": {"containers": [container]}})
    scene.kubectl("-n", scene.name, "wait", "--for=condition=Ready", "pod/lives", "--timeout=120s")

    plant(scene, pool, {f"{port}/TCP": ghost(scene)})

    until(lambda: "releasing" in (lease(scene, pool, f"{port}/TCP") or {}), "it leaves", scene.operator_log, _SECONDS)
    scene.bystander_is_served(pool)
    assert "released" not in (lease(scene, pool, f"{port}/TCP") or {})
    scene.kubectl("-n", scene.name, "delete", "pod", "lives", "--grace-period=0", "--force")
    until(lambda: "released" in (lease(scene, pool, f"{port}/TCP") or {}), "it rests", scene.operator_log, _SECONDS)


def test_half_a_grant_is_finished_or_undone(scene: Scene) -> None:
    pool = opened(scene)
    two = [{"name": "a", "containerPort": 80}, {"name": "b", "containerPort": 81}]
    scene.operator.stop()
    scene.deployment("web", pool, two)
    uid = scene.get("deployment", "web")["metadata"]["uid"]
    mine = {"owner": f"Deployment/{scene.name}/web", "uid": uid, "port": "app/a", "grant": "abcde/2"}
    plant(
        scene,
        pool,
        {
            f"{scene.window() + 5}/TCP": {**mine, "since": "2026-01-01T00:00:00Z"},
            f"{scene.window() + 7}/TCP": ghost(scene, port="app/a", grant="fghij/2"),
        },
    )

    scene.operator.start()

    finished = scene.served("web")
    assert scene.window() + 5 in finished
    undone = f"{scene.window() + 7}/TCP"
    until(lambda: "released" in (lease(scene, pool, undone) or {}), "the other half", scene.operator_log, _SECONDS)
    until(lambda: "HalfGrant" in scene.operator.log, "it is told", scene.operator_log)


def test_an_owner_that_names_no_workload_is_told_once_and_left_alone(scene: Scene) -> None:
    pool = opened(scene)
    key = f"{scene.window() + 5}/TCP"

    plant(scene, pool, {key: {"owner": "somebody"}, "nonsense": {"owner": "somebody"}})

    for kind in ("NoOwner", "Unreadable"):
        until(
            lambda kind=kind: f"repair: {kind}" in scene.operator.log, f"{kind} is told", scene.operator_log, _SECONDS
        )
    scene.bystander_is_served(pool)
    assert lease(scene, pool, key) == {"owner": "somebody"}
    assert scene.operator.log.count(f"repair: NoOwner {pool} {key}") == 1
    plant(scene, pool, {key: None, "nonsense": None})


def test_a_lease_among_those_of_other_numbers_is_told_and_is_none(scene: Scene) -> None:
    pool = opened(scene)
    key = f"{scene.window() + 300}/TCP"

    plant(scene, pool, {key: ghost(scene)})

    until(lambda: f"'{key}' is no lease" in scene.operator.log, "it is told", scene.operator_log, _SECONDS)
    scene.bystander_is_served(pool)
    assert lease(scene, pool, key) == ghost(scene)
    assert not json.loads(scene.kubectl("get", "hpb", "-l", f"hostport.dev/pool={pool}", "-o", "json"))["items"]
    plant(scene, pool, {key: None})


def test_two_operators_at_once_free_the_same_leak_once(scene: Scene, tmp_path: Path) -> None:
    pool = opened(scene)
    second = OperatorProcess(scene.plane, tmp_path, "--no-leader-elect")
    second.start()
    try:
        leaks = {f"{scene.window() + number}/TCP": ghost(scene) for number in range(20, 40)}
        plant(scene, pool, leaks)

        def all_rest() -> bool:
            leases = scene.leases(pool)
            return all("released" in leases[key] for key in leaks)

        until(all_rest, "all rest", scene.operator_log, _SECONDS)
        assert scene.host_ports("first") == [scene.window()]
    finally:
        assert second.stop() == 0
    assert "Traceback" not in second.log + scene.operator.log
