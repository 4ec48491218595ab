"""Who gets what, and in which turn: selectors, quotas, priorities, defaults, and the queue before an empty pool."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]


def delete(scene: Scene, *names: str) -> None:
    scene.kubectl("-n", scene.name, "delete", "deployment", *names)


def enlarge(scene: Scene, pool: str, count: int) -> None:
    ranges = {"spec": {"ranges": [f"{scene.first}-{scene.first + count - 1}"]}}
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", json.dumps(ranges))


def waits(scene: Scene, name: str, pool: str) -> None:
    """A Deployment comes and is told to wait; the next one is a second younger."""
    made = scene.deployment(name, pool)
    scene.event(name, "PoolExhausted")
    until(lambda: made["metadata"]["creationTimestamp"] < f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "a second later")


def served_in_turn(scene: Scene, pool: str, *names: str) -> None:
    """The pool grows by one number at a time, and each time the next of these is served."""
    size = len(scene.leases(pool))
    for done, name in enumerate(names, 1):
        enlarge(scene, pool, size + done)
        assert scene.served(name)
        assert [other for other in names if scene.host_ports(other) != [0]] == list(names[:done])


# The queue


def test_those_who_wait_are_served_in_the_order_in_which_they_were_refused(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    for name in ("zoe", "adam", "mia"):
        waits(scene, name, pool)

    served_in_turn(scene, pool, "zoe", "adam", "mia")


def test_a_restart_of_the_operator_changes_nothing_in_their_order(scene: Scene) -> None:
    """In a list of the API server they stand by name."""
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    for name in ("zoe", "adam", "mia"):
        waits(scene, name, pool)

    scene.operator.kill()
    scene.operator.start()

    served_in_turn(scene, pool, "zoe", "adam", "mia")


def test_what_became_free_while_the_operator_was_down_is_the_oldest_ones(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    for name in ("zoe", "adam"):
        waits(scene, name, pool)
    scene.operator.kill()
    enlarge(scene, pool, 2)

    scene.operator.start()

    assert scene.served("zoe") == [scene.first + 1]
    scene.event("adam", "PoolExhausted")
    assert scene.host_ports("adam") == [0]


def test_a_newcomer_does_not_jump_the_queue(scene: Scene) -> None:
    """He comes in the very moment in which the pool grows: the operator stands still until both have happened."""
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    waits(scene, "zoe", pool)
    process = psutil.Process(scene.operator.pid)
    process.send_signal(signal.SIGSTOP)
    try:
        enlarge(scene, pool, 2)
        scene.deployment("adam", pool)
    finally:
        process.send_signal(signal.SIGCONT)

    assert scene.served("zoe") == [scene.first + 1]
    scene.event("adam", "PoolExhausted")
    assert scene.host_ports("adam") == [0]


def test_a_number_that_has_rested_goes_to_the_one_who_has_waited_longest(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"], cooldownSeconds=1)
    scene.deployment("first", pool)
    scene.served("first")
    for name in ("zoe", "adam"):
        waits(scene, name, pool)

    delete(scene, "first")
    assert scene.served("zoe") == [scene.first]
    assert scene.host_ports("adam") == [0]
    delete(scene, "zoe")
    assert scene.served("adam") == [scene.first]


def test_who_asks_for_too_much_keeps_nobody_behind_him_waiting(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    two = [{"name": "http", "containerPort": 80}, {"name": "admin", "containerPort": 9000}]
    scene.deployment("greedy", pool, two)
    scene.event("greedy", "PoolExhausted")
    waits(scene, "modest", pool)

    enlarge(scene, pool, 2)

    assert scene.served("modest") == [scene.first + 1]
    assert scene.host_ports("greedy") == [0, 0]
    enlarge(scene, pool, 4)
    assert scene.served("greedy")


def requests(scene: Scene) -> int:
    """All requests the API server has had for what the operator reads or writes, watches aside."""
    resources = "deployments|statefulsets|daemonsets|cronjobs|hostportpools|hostportblocks|events|pods"
    rows = re.finditer(
        rf'^apiserver_request_total{{[^}}]*resource="(?:{resources})"[^}}]*verb="(?!WATCH)\w+"[^}}]*}} (\S+)$',
        scene.kubectl("get", "--raw", "/metrics"),
        re.MULTILINE,
    )
    return sum(int(float(row[1])) for row in rows)


def test_waiting_costs_no_requests(scene: Scene) -> None:
    """Thirty wait while five others come and are served: what is asked of the API server is what those five cost."""
    pool, other = scene.pool(1, protocols=["TCP"]), scene.pool(20, ranges=[f"{scene.first + 50}-{scene.first + 69}"])
    scene.deployment("first", pool)
    scene.served("first")

    def cost_of_five() -> int:
        before = requests(scene)
        for _ in range(5):
            scene.bystander_is_served(other)
        return requests(scene) - before

    alone = cost_of_five()
    names, dropped = [f"late-{i}" for i in range(30)], scene.operator.metric("hostport_events_dropped_total")

    def said() -> list[int]:
        return [len(scene.events(name)) for name in names]

    def all_is_said() -> bool:
        return sum(said()) + scene.operator.metric("hostport_events_dropped_total") - dropped >= len(names)

    scene.apply({"apiVersion": "v1", "kind": "List", "items": [asking(name, pool) for name in names]})
    until(lambda: scene.operator.metric("hostport_pending_workloads") >= 30, "thirty wait", scene.operator_log)
    until(all_is_said, "they are told, or too many were told at once", scene.operator_log)
    told = said()

    assert cost_of_five() < 2 * alone + 30
    assert said() == told


def asking(name: str, pool: str) -> Json:
    """Without Pods, which would be requests of their own."""
    return deployment(name, annotations={"hostport/auto": "true", "hostport/pool": pool}, replicas=0)


# Who may draw from which pool


def test_a_pool_is_for_the_namespaces_that_it_selects(scene: Scene) -> None:
    pool = scene.pool(namespaceSelector={"matchLabels": {"team": scene.name}})
    scene.deployment("web", pool)
    assert f"is not for namespace {scene.name} (its namespaceSelector)" in scene.event("web", "NoMatchingPool")

    scene.kubectl("label", "namespace", scene.name, f"team={scene.name}")

    (port,) = scene.served("web")
    scene.kubectl("label", "namespace", scene.name, "team-")
    scene.deployment("late", pool)
    scene.event("late", "NoMatchingPool")
    assert scene.host_ports("web") == [port], "what runs keeps what it has"


def test_a_namespace_holds_no_more_than_its_quota_and_what_rests_does_not_count(scene: Scene) -> None:
    pool = scene.pool(quotaPerNamespace=2)
    for name in ("a", "b"):
        scene.deployment(name, pool)
        scene.served(name)
    scene.deployment("c", pool)
    text = scene.event("c", "QuotaExceeded")
    assert f"namespace {scene.name} holds 2 of the 2 numbers that pool {pool} allows it" in text

    delete(scene, "a")

    assert scene.served("c")
    assert len(scene.leases(pool)) == 3
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", '{"spec":{"quotaPerNamespace":1}}')
    scene.deployment("d", pool)
    scene.event("d", "QuotaExceeded")
    assert scene.host_ports("b") != [0], "a smaller quota takes nothing away"
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", '{"spec":{"quotaPerNamespace":3}}')
    assert scene.served("d")


def test_another_namespace_has_a_quota_of_its_own(scene: Scene) -> None:
    pool = scene.pool(quotaPerNamespace=1)
    scene.deployment("web", pool)
    scene.served("web")
    there = f"{scene.name}-2"
    scene.kubectl("create", "namespace", there)

    scene.kubectl("-n", there, "apply", "-f", "-", input=json.dumps(asking("web", pool)))

    until(lambda: len(scene.leases(pool)) == 2, "both namespaces have a number", scene.operator_log)
    scene.kubectl("delete", "namespace", there, "--wait=false")


def ours(scene: Scene) -> Json:
    """A pool for the scene's namespace only: one that anybody may draw from would serve other tests."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.name}}}


def unnamed(scene: Scene, name: str) -> list[int]:
    """The numbers of a Deployment that names no pool."""
    scene.apply(deployment(name, annotations={"hostport/auto": "true"}))
    return scene.served(name)


def test_who_names_no_pool_is_served_by_the_default_pools_by_priority_and_then_by_name(scene: Scene) -> None:
    first, shared = scene.first, {**ours(scene), "default": True, "protocols": ["TCP"]}
    scene.pool(ranges=[f"{first}-{first + 9}"], **{**shared, "default": False, "priority": 99})
    for name, number, priority in (("z", 20, 5), ("b", 30, 0), ("a", 40, 0)):
        scene.pool(name=f"{scene.name[:40]}-{name}", ranges=[f"{first + number}"], priority=priority, **shared)

    numbers = [unnamed(scene, f"web-{i}") for i in range(3)]

    assert numbers == [[first + 20], [first + 40], [first + 30]]
    scene.apply(deployment("late", annotations={"hostport/auto": "true"}))
    assert scene.event("late", "PoolExhausted").count("0 of 1 TCP numbers free") == 3


def test_a_change_of_priority_is_for_those_who_come_after_it(scene: Scene) -> None:
    first, shared = scene.first, {**ours(scene), "default": True}
    low = scene.pool(ranges=[f"{first}-{first + 9}"], priority=1, **shared)
    scene.pool(ranges=[f"{first + 50}-{first + 59}"], priority=2, **shared)
    assert unnamed(scene, "before") == [first + 50]

    scene.kubectl("patch", "hostportpool", low, "--type=merge", "-p", '{"spec":{"priority":3}}')
    generation = scene.get("hostportpool", low)["metadata"]["generation"]
    until(lambda: scene.status(low).get("observedGeneration") == generation, "the operator knows", scene.operator_log)

    assert unnamed(scene, "after") == [first]
    assert scene.host_ports("before") == [first + 50]


def test_of_the_pools_that_are_named_the_first_that_has_room_serves(scene: Scene) -> None:
    liked = scene.pool(1, protocols=["TCP"])
    spare = scene.pool(ranges=[f"{scene.first + 50}-{scene.first + 59}"])

    for name in ("a", "b"):
        scene.deployment(name, f"{liked}, {spare}")
        scene.served(name)

    assert scene.host_ports("a") == [scene.first]
    assert scene.host_ports("b") == [scene.first + 50]
