"""How long nobody works when the leader of two replicas is killed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

_LONGEST_SECONDS = 120.0


def take_over(scene: Scene, pool: str, folder: Path) -> float:
    """Seconds from the leader's SIGKILL until a Deployment that comes at that moment is served by the other."""
    pair = [_replica(scene, folder / name) for name in ("one", "other")]
    until(
        lambda: _leading(pair), "one of them leads", lambda: [replica.log[-2000:] for replica in pair], _LONGEST_SECONDS
    )
    leader = _leading(pair)[0]
    name = f"heir-{folder.name}"

    leader.kill()
    killed = time.monotonic()
    scene.deployment(name, pool)
    until(lambda: all(scene.host_ports(name)), "the other serves it", lambda: pair[1].log[-3000:], _LONGEST_SECONDS)
    took = time.monotonic() - killed

    for replica in pair:
        replica.stop()
    return took


def _replica(scene: Scene, folder: Path) -> OperatorProcess:
    folder.mkdir(parents=True)
    made = OperatorProcess(scene.plane, folder, "--leader-elect")
    made.start(seconds=60)
    return made


def _leading(pair: list[OperatorProcess]) -> list[OperatorProcess]:
    leading = [replica for replica in pair if replica.metric("hostport_leader") == 1]
    return leading if len(leading) == 1 else []
