"""The operator is killed at every named point and at random; nothing is given twice, lost, leaked or moved."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.faults.history import Histories, every_point
from tests.faults.points import POINTS
from tests.faults.tally import RESULTS, Tally
from tests.support.seed import seed

pytestmark = pytest.mark.cluster

_KILLS = 120
_TAKE_OVERS = 5


def play(plane: ControlPlane, folder: Path, kills: int, take_overs: int = 0) -> Tally:
    chosen = seed()
    histories = Histories(plane, folder, chosen)
    dice = random.Random(chosen)
    try:
        for points in every_point(dice, kills):
            histories.play(points)
            print(histories.tally.progress, flush=True)
        histories.take_overs(take_overs)
        histories.end()
    finally:
        print(histories.tally)
        histories.operator.kill()
    return histories.tally


def test_killed_ten_times(poor_plane: ControlPlane, tmp_path: Path) -> None:
    tally = play(poor_plane, tmp_path, 10)

    assert tally.total >= 5, "most of the points are reached"


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_killed_a_hundred_times_at_every_point(poor_plane: ControlPlane, tmp_path: Path) -> None:
    tally = play(poor_plane, tmp_path, _KILLS, _TAKE_OVERS)

    assert tally.total >= 100
    tally.write(RESULTS)
    assert not POINTS.keys() - tally.kills.keys(), "every point is reached"
