"""Random lives side by side on one cluster, the operator killed in between: in the end ledger and cluster agree.

`HOSTPORT_SEED=… pytest tests/cluster/test_random_lives.py` does again what a failure shows.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from bench.load import load
from tests.support.lives import Life
from tests.support.scene import Scene
from tests.support.seed import seed
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

_LIVES = 25
_STEPS = 16
_KILLS = 3


@pytest.fixture
def lives(scene: Scene) -> Iterator[list[Life]]:
    """So many, none of which has begun. In the end their nodes are gone, and before that all who were on them."""
    chosen = seed()
    made = [Life(scene, turn, chosen) for turn in range(_LIVES)]
    with ThreadPoolExecutor(4) as administrators:
        list(administrators.map(Life.set_up_pools, made))
    yield made
    scene.kubectl("-n", scene.name, "delete", "deployments,pods", "--all", "--wait=false")
    try:
        until(lambda: not pods(scene), "all Pods are gone, so that the nodes may go", lambda: pods(scene), 180)
    finally:
        asyncio.run(go(scene, made))


def test_random_lives(scene: Scene, lives: list[Life]) -> None:
    asyncio.run(live(scene, lives))

    until(lambda: not wrong(scene, lives), "all is well", lambda: "\n".join(told(scene, lives)), 180)


async def live(scene: Scene, lives: list[Life]) -> None:
    """All of them at once, and the operator dies now and then."""
    done = asyncio.Queue[None]()
    async with load(scene.plane, 8) as client, asyncio.TaskGroup() as group:
        for life in lives:
            group.create_task(life.play(client, _STEPS, lambda: done.put_nowait(None)))
        for _ in range(_KILLS):
            for _ in range(len(lives) * _STEPS // (_KILLS + 1)):
                await done.get()
            scene.operator.kill()
            await asyncio.to_thread(scene.operator.start)
    async with load(scene.plane, 8) as client:
        await client.each(lives, lambda life: life.make_room(client))


async def go(scene: Scene, lives: list[Life]) -> None:
    async with load(scene.plane, 8) as client:
        await client.each(lives, lambda life: life.leave(client))


def pods(scene: Scene) -> str:
    return scene.kubectl("-n", scene.name, "get", "pods", "-o", "name")


# What must be true, counted from the objects alone


@dataclass(frozen=True)
class Number:
    """A hostPort in a template, as a lease key has it."""

    port: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


class Sight:
    """One look at a life: its Deployments by name, and the leases of its pools as (pool, key, lease)."""

    def __init__(self, life: Life, items: list[Json]) -> None:
        self.life = life
        self.deployments = {
            item["metadata"]["name"]: item
            for item in items
            if item["kind"] == "Deployment" and item["metadata"]["name"].startswith(f"{life.name}-")
        }
        self.leases = [
            (key, lease)
            for item in items
            if item["kind"] != "Deployment" and _pool(item) in life.pools.values()
            for key, lease in ((item.get("status") or {}).get("leases") or {}).items()
        ]

    def wrong(self) -> Iterator[str]:
        """All that is not as it must be, a line each."""
        yield from self._twice()
        for name, item in self.deployments.items():
            if asks(item):
                yield from self._bare(name, item)
                yield from self._unserved(name, item)
        for key, lease in self.leases:
            if not {"released", "releasing"} & lease.keys():
                yield from self._idle(key, lease)

    def _twice(self) -> Iterator[str]:
        """A number for all nodes is leased once, one for some nodes once on each."""
        counts = Counter(key for key, _ in self.leases)
        everywhere = {key for key in counts if "@" not in key}
        yield from (f"{key} is leased {times} times" for key, times in counts.items() if times > 1)
        yield from (
            f"{key} is leased, and {key.partition('@')[0]} on all nodes too"
            for key in counts.keys() - everywhere
            if key.partition("@")[0] in everywhere
        )

    def _bare(self, name: str, item: Json) -> Iterator[str]:
        held = {key.partition("@")[0] for key, lease in self.leases if lease["uid"] == item["metadata"]["uid"]}
        for number in numbers(item):
            if str(number) not in held and number.port not in self.life.written[name]:
                yield f"{name} has {number} without a lease"

    def _unserved(self, name: str, item: Json) -> Iterator[str]:
        yield from (f"{name} has no number for {port}" for port in ports(item) if not port.get("hostPort"))

    def _idle(self, key: str, lease: Json) -> Iterator[str]:
        item = self.deployments.get(lease["owner"].rpartition("/")[2])
        if item is None or item["metadata"]["uid"] != lease["uid"]:
            yield f"{key} is leased to {lease['owner']}, which is not there"
        elif not asks(item):
            yield f"{key} is leased to {lease['owner']}, which asks for nothing"
        elif key.partition("@")[0] not in map(str, numbers(item)):
            yield f"{key} is leased to {lease['owner']}, which does not show it"


def wrong(scene: Scene, lives: list[Life]) -> list[str]:
    """What is wrong with any of them, and what `hostport check` finds."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "deployments,hpp,hpb", "-o", "json"))["items"]
    found = [line for life in lives for line in Sight(life, items).wrong()]
    return found or [" ".join(map(str, finding)) for finding in scene.findings()]


def told(scene: Scene, lives: list[Life]) -> list[str]:
    """What is wrong, and what was done in the lives that are concerned."""
    lines = wrong(scene, lives)
    diaries = [f"{life.name}: {', '.join(life.diary)}" for life in lives if f"{life.name}-" in "\n".join(lines)]
    return [*lines[:20], *diaries[:5], scene.operator_log()]


def asks(item: Json) -> bool:
    return bool(item["metadata"].get("annotations", {}).get("hostport/auto") == "true")


def ports(item: Json) -> list[Json]:
    containers = item["spec"]["template"]["spec"]["containers"]
    return [port for container in containers for port in container.get("ports") or ()]


def numbers(item: Json) -> list[Number]:
    return [Number(port["hostPort"], port["protocol"]) for port in ports(item) if port.get("hostPort")]


def _pool(item: Json) -> str:
    return str(item["spec"]["pool"] if item["kind"] == "HostPortBlock" else item["metadata"]["name"])
