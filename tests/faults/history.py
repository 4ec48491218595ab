"""Histories: users at work, the operator killed again and again in the middle of it, and what must be true after."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.load import DEPLOYMENTS, Json, Load, deployment, load
from controlplane.cluster import ControlPlane
from tests.faults.entry import VARIABLE
from tests.faults.monitor import Monitor
from tests.faults.points import BLOCK_REMOVED, IN_REPAIR, POINTS
from tests.faults.sight import Sight, look
from tests.faults.take_over import take_over
from tests.faults.tally import Tally
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

Wish = tuple[str, str, object]

AT_RANDOM = "at a random moment"
_ROOT = Path(__file__).parent.parent.parent
_DOOMED = (sys.executable, "-m", "tests.faults.entry")
_PATIENCE_SECONDS = 8.0
_SETTLED_SECONDS = 120.0
_WANTED = -1
_COOLDOWN_SECONDS = 1
JSON_MERGE = "application/merge-patch+json"


class Histories:
    """One scene through many histories. `tally` has the figures of all of them.

    Before every kill there is a new pool for those who come: a first grant, a new block, and in the end, when nobody
    has a number of it any more, a pool that goes.
    """

    def __init__(self, plane: ControlPlane, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        self._folder = folder
        self.tally = Tally(seed)
        self.operator = OperatorProcess(plane, folder)
        self.operator.start()
        self.scene = Scene(plane, self.operator, "faults")
        self._path = DEPLOYMENTS.format(self.scene.name)
        self._count = 0
        self._edges = iter(range(4096, 64000, 256))
        self._pools: dict[str, str] = {}
        self._expected: dict[str, int] = {}
        for _ in range(4):
            self._new_pool()
            self._carry_out([self._coming() for _ in range(3)])
        self._must_be_well(set(self._expected))

    def _new_pool(self) -> None:
        """Two numbers on each side of a boundary between blocks."""
        edge = next(self._edges)
        self._pool = self.scene.pool(ranges=[f"{edge - 2}-{edge + 1}"], cooldownSeconds=_COOLDOWN_SECONDS)

    # One history

    def play(self, points: list[str]) -> None:
        """The operator dies at each of the points while users are at work; then all must be well."""
        touched: set[str] = set()
        with Monitor(self.scene.plane.kubeconfig) as monitor, ThreadPoolExecutor(1) as users:
            for point in points:
                self._new_pool()
                wishes = [*self._ending(point), *self._idle_pools(), *self._wishes(touched)]
                self._kill_at(point, lambda wishes=wishes: users.submit(self._carry_out, wishes).result())  # type: ignore[misc]
            self.operator.kill()
            began = time.monotonic()
            self.operator.start()
            self.tally.restarts.append(time.monotonic() - began)
            self._must_be_well(touched)
            self.tally.duplicates += len(monitor.doubles)
            self.tally.moved += len(monitor.moves)
            assert not monitor.doubles
            assert not monitor.moves
        self.tally.histories += 1

    def _kill_at(self, point: str, users_at_work: Callable[[], object]) -> None:
        if point == AT_RANDOM:
            self._kill_at_random(users_at_work)
            return
        self.operator.kill()
        repairs = point.startswith(IN_REPAIR)
        if repairs:  # what is found when work begins
            users_at_work()
        passages = 1 if repairs else self._dice.choice((1, 1, 2))
        self.operator.launch(_DOOMED, {VARIABLE: f"{point}*{passages}", "PYTHONPATH": str(_ROOT)})
        if not repairs:
            users_at_work()
        self._await_begin()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.operator.has_ended() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.operator.has_ended():
            assert f"killed: {point}" in self.operator.log, self.operator.log[-3000:]
            self.tally.kills[point] += 1

    def _kill_at_random(self, users_at_work: Callable[[], object]) -> None:
        self.operator.kill()
        self.operator.launch()
        if self._dice.random() < 0.8:
            self._await_begin()
        users_at_work()
        time.sleep(self._dice.uniform(0, 1.5))
        assert not self.operator.has_ended(), self.operator.log[-3000:]
        self.operator.kill()
        self.tally.kills[AT_RANDOM] += 1

    def _await_begin(self) -> None:
        """Until it is at work, or has died before."""
        until(lambda: self.operator.has_ended() or self.operator.probe("/readyz")[0] == 200, "it is up")

    # What users do

    def _wishes(self, touched: set[str]) -> list[Wish]:
        """Some Deployments go, new ones come, some don't want their number any more and others one again."""
        names = sorted(self._expected.keys() - touched)
        self._dice.shuffle(names)
        go, quiet = names[:3], [name for name in names[3:5] if self._expected[name]]
        back = [name for name in names[5:] if not self._expected[name]]
        touched |= {*go, *quiet, *back}
        for name in (*quiet, *back):
            self._expected[name] = 0 if name in quiet else _WANTED
        for name in go:
            del self._expected[name]
        coming = [self._coming() for _ in range(3)]
        touched |= self._expected.keys() - {*names}
        return [
            *coming,
            *map(self._going, go),
            *(("PATCH", f"{self._path}/{name}", _auto(None)) for name in quiet),
            *(("PATCH", f"{self._path}/{name}", _auto("true")) for name in back),
        ]

    def _coming(self) -> Wish:
        name = f"web-{self._count}"
        self._count += 1
        self._expected[name], self._pools[name] = _WANTED, self._pool
        made = deployment(name)
        made["metadata"]["annotations"]["hostport/pool"] = self._pool
        return "POST", self._path, made

    def _ending(self, point: str) -> list[Wish]:
        """For the point where a pool ends, all users of one of them go."""
        old = sorted({self._pools[name] for name in self._expected} - {self._pool})
        if point != BLOCK_REMOVED or not old:
            return []
        go = [name for name in self._expected if self._pools[name] == old[0]]
        for name in go:
            del self._expected[name]
        return [self._going(name) for name in go]

    def _going(self, name: str) -> Wish:
        return "DELETE", f"{self._path}/{name}", {"propagationPolicy": "Background"}

    def _idle_pools(self) -> list[Wish]:
        """Pools that nobody wants a number of are deleted."""
        wanted = {self._pool, *(self._pools[name] for name in self._expected)}
        idle = {*self._pools.values()} - wanted
        self._pools = {name: pool for name, pool in self._pools.items() if pool not in idle}
        return [("DELETE", f"/apis/hostport.dev/v1/hostportpools/{pool}", None) for pool in sorted(idle)]

    def _carry_out(self, wishes: list[Wish]) -> None:
        async def run() -> None:
            async with load(self.scene.plane, 4) as client:
                await client.each(wishes, lambda wish: _send(client, *wish))

        asyncio.run(run())

    # What must be true

    def _must_be_well(self, touched: set[str]) -> None:
        try:
            until(lambda: not self._look().wrong(), "all is well", self._told, _SETTLED_SECONDS)
        finally:
            sight = self._look()
            self.tally.add(sight)
        moved = {
            n: (p, sight.numbers[n]) for n, p in self._expected.items() if n not in touched and sight.numbers[n] != p
        }
        self.tally.moved += len(moved)
        assert not moved
        self._expected = sight.numbers

    def _look(self) -> Sight:
        wanted = {name for name, port in self._expected.items() if port}
        return look(self.scene, wanted, {self._pool, *self._pools.values()})

    def _told(self) -> str:
        return "\n".join([*self._look().wrong(), self.scene.operator_log()])

    def take_overs(self, count: int) -> None:
        """Kill the leader of two replicas so many times, and ask it to end as often."""
        self.operator.stop()
        for turn in range(count):
            for number, times in ((signal.SIGKILL, self.tally.take_overs), (signal.SIGTERM, self.tally.hand_overs)):
                self._new_pool()
                folder = self._folder / f"pair-{turn}-{number.name.lower()}"
                times.append(take_over(self.scene, self._pool, folder, number))
        self.operator.start()

    def end(self) -> None:
        """Everything goes."""
        self.scene.end()
        assert self.operator.stop() == 0


def every_point(dice: random.Random, kills: int, at_once: int = 3) -> list[list[str]]:
    """So many kills at all points in turn, a third of them at random, in histories of up to `at_once`."""
    names: list[str] = []
    while len(names) < kills:
        turn = [*POINTS, *[AT_RANDOM] * (len(POINTS) // 2)]
        dice.shuffle(turn)
        names += turn
    names, made = names[:kills], []
    while names:
        share = dice.randint(1, at_once)
        made.append(names[:share])
        names = names[share:]
    return made


def _auto(value: str | None) -> Json:
    return {"metadata": {"annotations": {"hostport/auto": value}}}


async def _send(client: Load, method: str, path: str, body: object) -> None:
    await client.call(method, path, body, JSON_MERGE if method == "PATCH" else "application/json")
