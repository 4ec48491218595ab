"""No number twice: under load, with two operators at once, and when the operator is killed in the middle of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.load import DEPLOYMENTS, deployment, load
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def create(scene: Scene, pool: str, count: int, at_once: int = 32, first: int = 0) -> None:
    """Deployments `web-<first>` … created by so many clients at once."""

    async def run() -> None:
        async with load(scene.plane, at_once) as client:
            path = DEPLOYMENTS.format(scene.name)
            await client.each(
                range(first, first + count), lambda i: client.call("POST", path, asking(f"web-{i}", pool))
            )

    asyncio.run(run())


def asking(name: str, pool: str) -> dict[str, object]:
    made = deployment(name)
    made["metadata"]["annotations"]["hostport/pool"] = pool
    return made


def numbers(scene: Scene) -> dict[str, int]:
    """The hostPort of every Deployment of the scene, 0 for none."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "deployments", "-o", "json"))["items"]
    return {f"Deployment/{scene.name}/{item['metadata']['name']}": first_number(item) for item in items}


def first_number(item: dict[str, Any]) -> int:
    return int(item["spec"]["template"]["spec"]["containers"][0]["ports"][0].get("hostPort", 0))


def all_have_numbers(scene: Scene, count: int, seconds: float = 120) -> dict[str, int]:
    """Every Deployment's number once all have one; every number is distinct and leased to just its Deployment."""

    def complete() -> dict[str, int]:
        found = numbers(scene)
        return found if len(found) == count and all(found.values()) else {}

    return until(complete, f"all {count} have a number", scene.operator_log, seconds)


def each_number_has_its_lease(scene: Scene, pool: str, given: dict[str, int]) -> None:
    twice = {number: times for number, times in Counter(given.values()).items() if times > 1}
    assert not twice
    wanted = {f"{number}/TCP": owner for owner, number in given.items()}
    until(lambda: active(scene, pool) == wanted, "leases and templates agree", scene.operator_log, 90)


def active(scene: Scene, pool: str) -> dict[str, str]:
    """Key and owner of every lease that is not on its way out."""
    leases = scene.leases(pool).items()
    return {key: lease["owner"] for key, lease in leases if not {"released", "releasing"} & lease.keys()}


def test_a_thousand_at_once_by_32_clients_get_a_thousand_numbers(scene: Scene) -> None:
    pool = scene.pool(ranges=["50000-51999"])

    create(scene, pool, 1000)

    given = all_have_numbers(scene, 1000)
    each_number_has_its_lease(scene, pool, given)
    assert scene.operator.resident_bytes() < 160 * 2**20


def test_two_operators_at_once_never_give_the_same_number(scene: Scene, tmp_path: Path) -> None:
    """Whether they meet in one block is chance, so Deployments are created until they have."""
    pool = scene.pool(ranges=["52000-53999"], policy="LowestFree")
    second = OperatorProcess(scene.plane, tmp_path, "--no-leader-elect")
    second.start()
    before, count = conflicts(scene.operator, second), 0
    try:
        while conflicts(scene.operator, second) == before:
            assert count < 1500, "the two never met, so this shows nothing"
            create(scene, pool, 300, first=count)
            count += 300
            given = all_have_numbers(scene, count)
    finally:
        assert second.stop() == 0

    each_number_has_its_lease(scene, pool, given)


def conflicts(*operators: OperatorProcess) -> float:
    """How often one found that the other had written the block that it was about to write."""
    return sum(operator.metric("hostport_ledger_commits_total", result="conflict") for operator in operators)


def test_killed_again_and_again_in_the_middle_of_it(scene: Scene) -> None:
    pool = scene.pool(ranges=["54000-54999"])
    kills = 0

    with ThreadPoolExecutor() as threads:
        creating = threads.submit(create, scene, pool, 600, 4)
        while not creating.done():
            until(lambda: creating.done() or scene.operator.metric("hostport_ledger_commits_total") >= 1, "it works")
            scene.operator.kill()
            kills += 1
            scene.operator.start()
        creating.result()

    given = all_have_numbers(scene, 600)
    each_number_has_its_lease(scene, pool, given)
    assert kills >= 2


def test_what_was_deleted_while_the_operator_was_down_is_given_back(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("stays", pool)
    scene.deployment("goes", pool)
    (stays,) = scene.served("stays")
    (goes,) = scene.served("goes")
    scene.operator.kill()
    scene.kubectl("-n", scene.name, "delete", "deployment", "goes")

    scene.operator.start()

    until(lambda: "released" in scene.leases(pool)[f"{goes}/TCP"], "its number rests", scene.operator_log)
    assert scene.host_ports("stays") == [stays]
    assert "released" not in scene.leases(pool)[f"{stays}/TCP"]
