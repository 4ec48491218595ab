"""What a pool says of itself, and how it ends."""

from __future__ import annotations

import pytest

from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def counts(scene: Scene, pool: str) -> dict[str, int]:
    status = scene.status(pool)
    return {name: status.get(name, -1) for name in ("capacity", "allocated", "cooling", "foreign", "free")}


def condition(scene: Scene, pool: str, kind: str) -> dict[str, str]:
    return next((c for c in scene.status(pool).get("conditions", []) if c["type"] == kind), {})


def test_kubectl_get_shows_what_is_taken_and_what_is_free(scene: Scene) -> None:
    pool = scene.pool(10, protocols=["TCP"])
    scene.deployment("web", pool)
    scene.served("web")
    until(lambda: scene.status(pool).get("allocated") == 1, "the lease is counted")

    heading, row = scene.kubectl("get", "hostportpools", pool).splitlines()

    assert heading.split() == ["NAME", "RANGES", "CAPACITY", "ALLOCATED", "FREE", "READY", "AGE"]
    assert row.split()[2:6] == ["10", "1", "9", "True"]


def test_the_four_counts_add_up_to_the_capacity(scene: Scene) -> None:
    pool = scene.pool(10, exclude=[str(scene.first + 9)])
    scene.deployment("stays", pool)
    scene.deployment("goes", pool)
    scene.served("stays")
    scene.served("goes")
    scene.kubectl("-n", scene.name, "delete", "deployment", "goes")

    wanted = {"capacity": 18, "allocated": 1, "cooling": 1, "foreign": 0, "free": 16}
    until(lambda: counts(scene, pool) == wanted, "the counts are right", lambda: counts(scene, pool))

    metrics = scene.operator.metric
    assert metrics("hostport_pool_capacity_ports", pool=pool) == 18
    assert metrics("hostport_pool_allocated_ports", pool=pool, protocol="TCP") == 1
    assert metrics("hostport_pool_cooling_ports", pool=pool, protocol="TCP") == 1
    assert metrics("hostport_pool_free_ports", pool=pool) == 16


def test_a_pool_with_leases_is_held_until_they_are_gone_and_says_why(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool)
    (port,) = scene.served("web")

    scene.kubectl("delete", "hostportpool", pool, "--wait=false")

    until(lambda: condition(scene, pool, "Ready").get("reason") == "Terminating", "it says that it is being deleted")
    assert scene.host_ports("web") == [port]
    scene.deployment("late", pool)
    assert "is being deleted" in scene.event("late", "NoMatchingPool")
    scene.kubectl("-n", scene.name, "delete", "deployment", "web")
    scene.kubectl("wait", "--for=delete", f"hostportpool/{pool}", "--timeout=120s")
    until(lambda: pool not in scene.operator.metrics(), "its series are gone")


def test_shrinking_a_pool_leaves_what_runs_and_says_so(scene: Scene) -> None:
    pool = scene.pool(10)
    scene.deployment("web", pool, annotations={"hostport/request": f"http={scene.first + 9}"})
    assert scene.served("web") == [scene.first + 9]

    ranges = f'{{"spec":{{"ranges":["{scene.first}-{scene.first + 4}"]}}}}'
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", ranges)

    until(lambda: condition(scene, pool, "OutOfRange").get("status") == "True", "a lease is out of range, it says")
    assert scene.host_ports("web") == [scene.first + 9]
    assert f"{scene.first + 9}/TCP" in scene.leases(pool)


def test_where_two_pools_overlap_the_younger_withholds(scene: Scene) -> None:
    elder = scene.pool(10, name=f"a-{scene.name}"[:60])
    until(lambda: scene.status(elder).get("capacity"), "the elder is known")
    younger = scene.pool(12, name=f"b-{scene.name}"[:60], protocols=["TCP"])
    scene.deployment("web", younger)

    assert scene.served("web") == [scene.first + 10]

    overlap = until(lambda: condition(scene, younger, "Overlap"), "the younger has conditions")
    assert overlap["status"] == "True"
    assert f"{scene.first}-{scene.first + 9} belong to the older pool {elder}" in overlap["message"]


def test_leases_beyond_the_first_block_stand_in_blocks_of_their_own(scene: Scene) -> None:
    pool = scene.pool(ranges=["64000-64599"], protocols=["TCP"])
    for number in (64000, 64300, 64599):
        scene.deployment(f"web-{number}", pool, annotations={"hostport/request": f"http={number}"})
    for number in (64000, 64300, 64599):
        assert scene.served(f"web-{number}") == [number]

    assert len(scene.leases(pool)) == 3
    blocks = scene.kubectl("get", "hostportblocks", "-l", f"hostport.dev/pool={pool}", "--no-headers").splitlines()
    assert len(blocks) == 2
