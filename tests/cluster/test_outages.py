"""The API server and etcd go away and come back: the operator stays up and catches up by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.support import etcd
from tests.support.crowd import Crowd
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def poor_scene(poor_plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A scene where things may be taken away, and what must be true of the operator in the end whatever was."""
    operator = OperatorProcess(poor_plane, tmp_path)
    operator.start()
    pid = operator.pid
    stage = Scene(poor_plane, operator, request.node.name)
    yield stage
    try:
        assert operator.is_running, operator.last_words()  # before the end of the scene starts it anew
        stage.end()
        assert operator.pid == pid
        until(operator.is_ready, "the operator is ready", lambda: operator.probe("/readyz"))
        assert "Traceback" not in operator.log
        assert operator.stop() == 0
    finally:
        operator.kill()


def resting(scene: Scene, pool: str) -> set[str]:
    """The keys of the leases that rest."""
    return {key for key, lease in scene.leases(pool).items() if "released" in lease}


def complaints(operator: OperatorProcess) -> list[str]:
    """What the log has of warnings and worse."""
    return [line for line in operator.log.splitlines() if " WARNING " in line or " ERROR " in line]


def test_the_api_server_is_killed_and_comes_back_under_load(poor_scene: Scene) -> None:
    scene = poor_scene
    crowd = Crowd(scene, scene.pool())
    crowd.create(30)
    before = crowd.served()

    with ThreadPoolExecutor() as threads:
        creating = threads.submit(crowd.create, 70)
        for share in (40, 60):
            until(partial(crowd.serves, share), f"{share} have a number", scene.operator_log)
            scene.plane.kill_apiserver()
            scene.plane.start_apiserver()
        creating.result()

    after = crowd.served()
    assert len(after) == 100
    assert before.items() <= after.items()
    assert len(complaints(scene.operator)) < 20, complaints(scene.operator)


def test_etcd_is_killed_and_comes_back_under_load(poor_scene: Scene) -> None:
    scene = poor_scene
    crowd = Crowd(scene, scene.pool())
    crowd.create(30)
    before = crowd.served()

    with ThreadPoolExecutor() as threads:
        creating = threads.submit(crowd.create, 70)
        until(partial(crowd.serves, 50), "50 have a number", scene.operator_log)
        scene.plane.kill_etcd()
        scene.plane.start_etcd()
        creating.result()

    after = crowd.served()
    assert len(after) == 100
    assert before.items() <= after.items()
    assert len(complaints(scene.operator)) < 20, complaints(scene.operator)


def test_what_is_deleted_while_the_server_forgets_is_given_back_within_seconds(poor_scene: Scene) -> None:
    """After a compaction and a restart every watch ends in 410 Gone; kopf lists again and reports no deletion."""
    scene = poor_scene
    crowd = Crowd(scene, scene.pool(cooldownSeconds=3600))
    crowd.create(3)
    given = crowd.served()

    scene.operator.signal(signal.SIGSTOP)
    crowd.delete("web-1", "web-2")
    until(lambda: len(crowd.numbers()) == 1, "they are gone")
    scene.kubectl("-n", scene.name, "delete", "replicaset,pod", "--all", "--wait=false")
    etcd.compact(scene.plane)
    scene.plane.kill_apiserver()
    scene.plane.start_apiserver()
    scene.operator.signal(signal.SIGCONT)

    gone = {f"{given[name]}/TCP" for name in ("web-1", "web-2")}
    until(lambda: gone <= resting(scene, crowd.pool), "their numbers rest", scene.operator_log, 120)
    assert crowd.served() == {"web-0": given["web-0"]}
    until(lambda: "the server has forgotten where we were" in scene.operator.log, "it has listed anew")


def test_it_ends_as_asked_while_the_api_server_is_away(poor_plane: ControlPlane, tmp_path: Path) -> None:
    operator = OperatorProcess(poor_plane, tmp_path)
    operator.start()

    poor_plane.kill_apiserver()
    try:
        code = operator.stop()
    finally:
        poor_plane.start_apiserver()

    assert code == 0
    assert "Traceback" not in operator.log
