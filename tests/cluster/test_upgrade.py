"""The new version starts while the old one is still at work, and the old one ends; and the same way back."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.support import wheels
from tests.support.crowd import Crowd
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, str]]:
    """Where the earlier version and this one run from."""
    folder = tmp_path_factory.mktemp("versions")
    try:
        return [wheels.unpack(commit, folder / name) for commit, name in ((wheels.earlier(), "earlier"), ("", "this"))]
    except wheels.NoHistory as error:
        pytest.skip(f"NO EARLIER VERSION, the upgrade is not tested: {error}")


@pytest.mark.parametrize("way", ["upgrade", "rollback"])
def test_two_versions_work_side_by_side_and_one_of_them_ends(
    poor_plane: ControlPlane, versions: list[Mapping[str, str]], tmp_path: Path, way: str
) -> None:
    """Neither elects: both work at full load, which is more than a rolling update of two replicas asks of them."""
    first, second = [
        OperatorProcess(poor_plane, folder_in(tmp_path, str(turn)), env=env)
        for turn, env in enumerate(versions if way == "upgrade" else reversed(versions))
    ]
    try:
        work_side_by_side(poor_plane, first, second, way)
    finally:
        for operator in (first, second):
            operator.kill()


def work_side_by_side(plane: ControlPlane, first: OperatorProcess, second: OperatorProcess, way: str) -> None:
    first.start()
    scene = Scene(plane, first, way)
    crowd = Crowd(scene, scene.pool(policy="LowestFree"))
    crowd.create(30)
    before = crowd.served()

    with ThreadPoolExecutor() as threads:
        creating = threads.submit(crowd.create, 70)
        second.start()
        until(lambda: len(crowd.numbers()) >= 50, "there is work for both")
        assert first.stop() == 0
        creating.result()
    scene.operator = second
    after = crowd.served()

    assert len(after) == 100
    assert before.items() <= after.items()
    scene.end()
    for operator in (first, second):
        operator.stop()
        assert "Traceback" not in operator.log


def folder_in(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
