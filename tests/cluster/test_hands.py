"""Whatever people's hands or an old backup make of the ledger, it is rebuilt from what runs, and nothing is moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.support import etcd
from tests.support.crowd import Crowd
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene, install
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Status = dict[str, object]

# Numbers in the first of three blocks in a row; those that a test takes of each no other test uses.
_edges = (block + number for block in range(55296, 57600, 768) for number in range(0, 256, 64))


def write_status(scene: Scene, kind: str, name: str, status: Status | None) -> None:
    body = json.dumps({"status": status})
    scene.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", body)


def holders(scene: Scene, pool: str) -> dict[tuple[str, str], str]:
    """The pool and its blocks, as kind and name, each with the key of a lease that stands in it."""
    found = [("hpp", pool), *(("hpb", block.partition("/")[2]) for block in blocks(scene, pool))]
    return {(kind, name): min(scene.get(kind, name)["status"]["leases"]) for kind, name in found}


def blocks(scene: Scene, pool: str) -> list[str]:
    """The names of a pool's further blocks."""
    return scene.kubectl("get", "hpb", "-l", f"hostport.dev/pool={pool}", "-o", "name").split()


@contextmanager
def nobody_at_work(scene: Scene) -> Iterator[None]:
    scene.operator.stop()
    try:
        yield
    finally:
        scene.operator.start()


@pytest.fixture
def crowd(scene: Scene) -> Crowd:
    """Twelve Deployments that run, their leases in the pool itself and in two further blocks."""
    first = next(_edges)
    ranges = [f"{first}-{first + 3}", f"{first + 256}-{first + 259}", f"{first + 512}-{first + 561}"]
    crowd = Crowd(scene, scene.pool(ranges=ranges, policy="LowestFree"))
    crowd.create(12)
    crowd.served()
    scene.kubectl("-n", scene.name, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    assert len(blocks(scene, crowd.pool)) == 2
    return crowd


def stays(crowd: Crowd, before: dict[str, int]) -> None:
    """Every workload has the number that it had, and its lease; the next one gets a number of its own."""
    crowd.create(1)
    assert before.items() <= crowd.served().items()


def test_a_lease_deleted_by_hand_stands_again(scene: Scene, crowd: Crowd) -> None:
    before = crowd.numbers()
    torn = holders(scene, crowd.pool)
    for (kind, name), key in torn.items():
        write_status(scene, kind, name, {"leases": {key: None}})

    until(lambda: crowd.leased() == before, "they stand again", scene.operator_log)
    stays(crowd, before)
    for key in torn.values():
        (name,) = (name for name, port in before.items() if key == f"{port}/TCP")
        until(lambda name=name, key=key: kept(scene, name, key), f"an event on {name}", scene.operator_log)


def kept(scene: Scene, name: str, key: str) -> bool:
    """Whether it is told that a workload keeps its number."""
    text = f"keeps hostPort {key.partition('/')[0]}, whose lease was not there"
    return any(text in event["note"] for event in scene.events(name, "PortsAssigned"))


@pytest.mark.parametrize("at_work", [True, False], ids=["at_work", "stopped"])
def test_a_lease_that_somebody_has_put_into_another_name_is_taken_back(
    scene: Scene, crowd: Crowd, at_work: bool
) -> None:
    before = crowd.numbers()
    other = {"owner": f"Deployment/{scene.name}/nobody", "uid": "1", "since": None, "grant": None}

    def forge() -> None:
        for (kind, name), key in holders(scene, crowd.pool).items():
            write_status(scene, kind, name, {"leases": {key: other}})

    if at_work:
        forge()
    else:
        with nobody_at_work(scene):
            forge()

    until(lambda: crowd.leased() == before, "they are taken back", scene.operator_log)
    stays(crowd, before)


def test_a_lease_that_somebody_has_put_among_those_of_other_numbers_is_none(scene: Scene, crowd: Crowd) -> None:
    """It stands under a lock that is not its number's, so it counts for nothing and keeps nobody."""
    before = crowd.numbers()
    (*_, key) = holders(scene, crowd.pool).values()

    write_status(scene, "hpp", crowd.pool, {"leases": {key: {"owner": f"Deployment/{scene.name}/nobody", "uid": "1"}}})

    told = f"'{key}' is no lease: it stands among the leases of"
    until(lambda: told in scene.operator.log, "it is told", scene.operator_log)
    stays(crowd, before)
    until(lambda: [f.kind for f in scene.findings()] == ["Unreadable"], "nothing else is found", scene.findings)
    scene.kubectl("-n", scene.name, "delete", "deployment", "--all")
    scene.kubectl("delete", "hpp", crowd.pool, "--timeout=120s")


@pytest.mark.parametrize("at_work", [True, False], ids=["at_work", "stopped"])
def test_statuses_that_have_been_emptied_are_filled_from_what_runs(scene: Scene, crowd: Crowd, at_work: bool) -> None:
    before = crowd.numbers()

    def empty() -> None:
        write_status(scene, "hpp", crowd.pool, None)
        for block in blocks(scene, crowd.pool):
            write_status(scene, "hpb", block.partition("/")[2], None)

    if at_work:
        empty()
    else:
        with nobody_at_work(scene):
            empty()

    until(lambda: crowd.leased() == before, "all leases stand again", scene.operator_log, 90)
    stays(crowd, before)
    until(lambda: scene.status(crowd.pool).get("allocated") == 13, "the figures stand again", scene.operator_log, 60)


@pytest.mark.parametrize("at_work", [True, False], ids=["at_work", "stopped"])
def test_blocks_that_have_been_torn_away_are_made_again(scene: Scene, crowd: Crowd, at_work: bool) -> None:
    before = crowd.numbers()

    def tear_away() -> None:
        for block in blocks(scene, crowd.pool):
            scene.kubectl("patch", block, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
            scene.kubectl("delete", block)

    if at_work:
        tear_away()
    else:
        with nobody_at_work(scene):
            tear_away()

    until(lambda: crowd.leased() == before, "all leases stand again", scene.operator_log, 90)
    stays(crowd, before)
    assert len(blocks(scene, crowd.pool)) == 2


def test_a_block_that_is_deleted_keeps_its_leases_until_they_are_given_back(scene: Scene, crowd: Crowd) -> None:
    before = crowd.numbers()
    scene.kubectl("delete", *blocks(scene, crowd.pool), "--wait=false")

    stays(crowd, before)
    assert len(blocks(scene, crowd.pool)) == 2


def test_figures_and_conditions_written_by_hand_are_put_right(scene: Scene, crowd: Crowd) -> None:
    until(lambda: scene.status(crowd.pool).get("allocated") == 12, "the figures stand", scene.operator_log)
    write_status(scene, "hpp", crowd.pool, {"allocated": 7, "free": 7, "conditions": []})

    def right() -> bool:
        status = scene.status(crowd.pool)
        return status.get("allocated") == 12 and bool(status.get("conditions"))

    until(right, "they are put right", scene.operator_log)


def test_what_runs_on_a_number_that_the_pool_has_lost_stays_there(scene: Scene, crowd: Crowd) -> None:
    before = crowd.numbers()
    with nobody_at_work(scene):
        last = scene.get("hpp", crowd.pool)["spec"]["ranges"][-1]
        scene.kubectl("patch", "hpp", crowd.pool, "--type=merge", "-p", json.dumps({"spec": {"ranges": [last]}}))
        write_status(scene, "hpp", crowd.pool, {"leases": None})

    lost = {name for name, port in before.items() if f"{port}/TCP" not in scene.leases(crowd.pool)}
    assert lost
    for name in lost:
        until(
            lambda name=name: any("and can't have its lease" in e["note"] for e in scene.events(name, "PortConflict")),
            f"{name} is told",
            scene.operator_log,
            90,
        )
    assert crowd.numbers() == before
    assert crowd.leased() == {name: port for name, port in before.items() if name not in lost}
    assert {f.kind for f in scene.findings()} == {"NoLease"}
    ranges = [*scene.get("hpp", crowd.pool)["spec"]["ranges"], *(str(before[name]) for name in lost)]
    scene.kubectl("patch", "hpp", crowd.pool, "--type=merge", "-p", json.dumps({"spec": {"ranges": ranges}}))
    for name in lost:  # something new about it, which starts no rollout
        scene.kubectl("-n", scene.name, "patch", "deployment", name, "-p", '{"spec": {"progressDeadlineSeconds": 700}}')
    until(lambda: crowd.leased() == before, "what the pool has again is leased again", scene.operator_log, 90)
    stays(crowd, before)


@pytest.mark.parametrize("ahead", [False, True], ids=["back", "bumped"])
def test_etcd_is_restored_to_some_minutes_ago_while_the_operator_runs(
    control_plane: ControlPlane, tmp_path: Path, ahead: bool
) -> None:
    """Every version that the operator knows is of a future that will not be; `ahead` is etcd's `--bump-revision`."""
    with ControlPlane() as plane:
        plane.add_nodes(["node-1", "node-2"])
        install(plane)
        operator = OperatorProcess(plane, tmp_path)
        operator.start()
        scene = Scene(plane, operator, "restore")
        crowd = Crowd(scene, scene.pool(cooldownSeconds=3600))
        crowd.create(8)
        then = crowd.served()
        etcd.back_up(plane, tmp_path / "backup")
        crowd.delete("web-0", "web-1")
        crowd.create(8)
        scene.kubectl("-n", scene.name, "annotate", "deployment", "web-2", "--overwrite", "hostport/auto=false")
        until(lambda: crowd.numbers().get("web-2") == 0, "web-2 has given its number back", scene.operator_log)

        etcd.restore(plane, tmp_path / "backup", ahead=ahead)

        if not ahead:  # else all versions may be newer than those known, and then there is nothing to notice
            until(lambda: "etcd was restored" in operator.log, "the operator has noticed", scene.operator_log, 120)
        until(lambda: crowd.leased() == then, "the leases are those of then", scene.operator_log, 120)
        assert crowd.served() == then
        stays(crowd, then)
        scene.end()
        assert operator.stop() == 0
        assert "Traceback" not in operator.log
