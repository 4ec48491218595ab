"""The API server and etcd go away and come back: the operator stays up and catches up by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene, install

pytestmark = pytest.mark.cluster


@pytest.fixture
def own_scene(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Scene]:
    """A control plane of this test's own, for what the others must not suffer."""
    with ControlPlane() as plane:
        plane.add_nodes(["node-1", "node-2", "node-3"])
        install(plane)
        operator = OperatorProcess(plane, tmp_path)
        operator.start()
        stage = Scene(plane, operator, "outage")
        yield stage
        stage.end()
        assert operator.stop() == 0


def test_the_api_server_is_killed_and_comes_back(own_scene: Scene) -> None:
    scene = own_scene
    pool = scene.pool()
    scene.deployment("before", pool)
    before = scene.served("before")
    pid = scene.operator.pid

    scene.plane.kill_apiserver()
    scene.plane.start_apiserver()
    scene.deployment("after", pool)

    after = scene.served("after")
    assert scene.host_ports("before") == before
    assert after != before
    assert scene.operator.is_ready()
    assert scene.operator.pid == pid
    assert "Traceback" not in scene.operator.log


def test_etcd_is_killed_and_comes_back(own_scene: Scene) -> None:
    scene = own_scene
    pool = scene.pool()
    scene.deployment("before", pool)
    before = scene.served("before")

    scene.plane.kill_etcd()
    scene.plane.start_etcd()
    scene.deployment("after", pool)

    assert scene.served("after") != before
    assert scene.operator.is_ready()
    assert "Traceback" not in scene.operator.log


def test_an_outage_is_told_in_a_few_lines(own_scene: Scene) -> None:
    scene = own_scene
    pool = scene.pool()
    scene.deployment("before", pool)
    scene.served("before")
    lines = len(scene.operator.log.splitlines())

    scene.plane.kill_apiserver()
    scene.plane.start_apiserver()
    scene.deployment("after", pool)
    scene.served("after")

    assert len(scene.operator.log.splitlines()) - lines < 60
