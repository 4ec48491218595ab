"""How long nobody works when the leader of two replicas is killed, or asked to end."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

_LONGEST_SECONDS = 120.0


def take_over(scene: Scene, pool: str, folder: Path, number: int) -> float:
    """Seconds from that signal to the leader until the other leads and has served a Deployment that came just then."""
    pair = [_replica(scene, folder / name) for name in ("one", "other")]
    try:
        return _measure(scene, pool, pair, number, f"heir-{folder.name}")
    finally:
        for replica in pair:
            replica.kill()


def _measure(scene: Scene, pool: str, pair: list[OperatorProcess], number: int, name: str) -> float:
    def logs() -> list[str]:
        return [replica.log[-2000:] for replica in pair]

    until(lambda: len(_leading(pair)) == 1, "one of them leads", logs, _LONGEST_SECONDS)
    (leader,) = _leading(pair)
    (heir,) = (replica for replica in pair if replica is not leader)

    began = time.monotonic()
    leader.signal(number)
    scene.deployment(name, pool)
    until(lambda: _leading([heir]) and all(scene.host_ports(name)), "the other serves it", logs, _LONGEST_SECONDS)
    return time.monotonic() - began


def _replica(scene: Scene, folder: Path) -> OperatorProcess:
    folder.mkdir(parents=True)
    made = OperatorProcess(scene.plane, folder, "--leader-elect")
    made.start()
    return made


def _leading(replicas: list[OperatorProcess]) -> list[OperatorProcess]:
    return [replica for replica in replicas if replica.metric("hostport_leader") == 1]
