"""Two operators at once over one store: a rolling update, a partition, a leader who has not noticed.

Whatever the order in which requests arrive, answers come back or are lost, and watches deliver: no number is ever
leased twice in the store, and in the end everybody is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hostport.allocation.occupancy import nodes_overlap
from hostport.allocation.settle import next_steps
from hostport.api.lease import Lease
from hostport.api.ports import ips_overlap
from hostport.ledger.book import Change, Place
from tests.core import build
from tests.core.build import Json, deployment, on_node
from tests.core.desk import Desk
from tests.core.store import MemoryStore, Seen
from tests.core.world import patch

_NODES = {"n1", "n2"}
_ROUNDS = 12
_MANY_ROUNDS = 60

# 42 numbers in three blocks, for at most 28 leases at a time and those that rest.
_POOL = build.pool("main", "250-263", "505-518", "760-773", cooldownSeconds=0)
_SHAPES = (
    lambda name: deployment(name),
    lambda name: deployment(name, "http:80 dns:53/UDP dns-tcp:53"),
    lambda name: deployment(name, pod=on_node("n1")),
    lambda name: deployment(name, "a:1 b:2", pod=on_node("n2")),
)


class Cluster:
    """What the two operators share: the store and the workloads."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.store = MemoryStore("main")
        self.store.pace = self.dawdle
        self.store.watchers.append(lambda _: assert_nothing_is_leased_twice(self.store.everything()))
        self.manifests: dict[str, Json] = {}
        self.generations: dict[str, int] = {}
        for i in range(8):
            self.create(f"web-{i}")

    async def dawdle(self) -> None:
        """Requests and answers take their time, and some never arrive."""
        for _ in range(self.rng.randrange(4)):
            await asyncio.sleep(0)
        if self.rng.random() < 0.05:
            self.store.lose_answer = True
        elif self.rng.random() < 0.05:
            self.store.lose_request = True

    def create(self, name: str) -> None:
        """A user creates a workload."""
        self.generations[name] = self.generations.get(name, 0) + 1
        self.manifests[name] = self.rng.choice(_SHAPES)(name)
        self.manifests[name]["metadata"]["uid"] = f"{name}-{self.generations[name]}"

    def delete(self, name: str) -> None:
        """A user deletes a workload."""
        del self.manifests[name]
        self.generations[name] += 1


class Operator(Desk):
    """Plans what it is asked to, commits it, and patches what nobody has touched meanwhile."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        super().__init__(cluster.store, seed)
        self.state.see_pool(_POOL)
        self._cluster = cluster
        self._rng = Random(seed)
        self._events: asyncio.Queue[Seen] = asyncio.Queue()
        cluster.store.watchers.append(self._events.put_nowait)

    async def watch_slowly(self) -> None:
        """Deliver what has happened, in order, some time after it has."""
        while True:
            seen = await self._events.get()
            for _ in range(self._rng.randrange(6)):
                await asyncio.sleep(0)
            self.see(seen)

    async def round(self, names: list[str]) -> bool:
        """One round of the desk; tells whether there was nothing to do."""
        if not await self.ledger.clear_doubts():
            return False
        changes = self._steps()
        plans = []
        for name in names:
            if name in self._cluster.manifests:
                generation = self._cluster.generations[name]
                plan = self.plan(build.workload(self._cluster.manifests[name]))
                assert plan.refusal is None, plan.refusal
                plans.append((name, generation, plan))
                changes += plan.changes
            else:
                changes += self.plan_gone(f"Deployment/default/{name}")
        failed = await self.ledger.commit(changes)
        for name, generation, plan in plans:
            if plan.workload.key not in failed and self._cluster.generations[name] == generation:
                patch(self._cluster.manifests[name], plan)
                self._cluster.generations[name] += bool(plan.ports)
        return not changes and not failed and not any(plan.patches_template for _, _, plan in plans)

    def _steps(self) -> list[Change]:
        steps = next_steps(self.state, lambda _: True, "2026-01-01T00:00:00Z")
        for change in steps:
            self.state.put(change)
        return steps


@given(seed=st.integers(0, 2**32 - 1))
def test_two_operators_never_lease_a_number_twice_and_serve_everybody(seed: int) -> None:
    asyncio.run(_hammer(Random(seed)))


async def _hammer(rng: Random) -> None:
    cluster = Cluster(rng)
    operators = [Operator(cluster, rng.getrandbits(32)) for _ in range(2)]
    watches = [asyncio.create_task(operator.watch_slowly()) for operator in operators]
    await asyncio.gather(_users(cluster), *(_busy(operator, cluster, rng) for operator in operators))
    await _calm(cluster, operators)
    for operator, watch in zip(operators, watches, strict=True):
        watch.cancel()
        assert operator.book() == {key: owner.rpartition("/")[2] for key, owner in cluster.store.leases().items()}
    assert sorted(_shown(cluster)) == sorted((key.partition("@")[0], owner) for key, owner in _leased(cluster))


async def _users(cluster: Cluster) -> None:
    """Workloads come and go."""
    for _ in range(6):
        for _ in range(cluster.rng.randrange(20)):
            await asyncio.sleep(0)
        name = f"web-{cluster.rng.randrange(8)}"
        if name in cluster.manifests:
            cluster.delete(name)
        else:
            cluster.create(name)


async def _busy(operator: Operator, cluster: Cluster, rng: Random) -> None:
    for _ in range(_ROUNDS):
        await operator.round(rng.sample(sorted(cluster.generations), 4))


async def _calm(cluster: Cluster, operators: list[Operator]) -> None:
    """The network is well again; both go on till neither finds anything to do."""
    cluster.store.pace = lambda: asyncio.sleep(0)
    cluster.store.lose_answer = cluster.store.lose_request = False
    idle = 0
    for turn in range(_MANY_ROUNDS):
        await asyncio.sleep(0.0)
        for _ in range(50):
            await asyncio.sleep(0)
        done = await operators[turn % 2].round(sorted(cluster.generations))
        idle = idle + 1 if done else 0
        if idle == 2:
            return
    raise AssertionError("two operators keep each other busy without end")


def _shown(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """The numbers in the templates."""
    for name, manifest in cluster.manifests.items():
        for port in manifest["spec"]["template"]["spec"]["containers"][0]["ports"]:
            yield f"{port['hostPort']}/{port['protocol']}", f"Deployment/default/{name}"


def _leased(cluster: Cluster) -> Iterable[tuple[str, str]]:
    return cluster.store.leases().items()


def assert_nothing_is_leased_twice(leases: dict[Place, Lease]) -> None:
    """No two leases of different workloads overlap, and no workload overlaps itself."""
    for (_, one), (_, other) in combinations(leases, 2):
        if (one.port, one.protocol) == (other.port, other.protocol) and ips_overlap(one.ip, other.ip):
            places = [{key.node} if key.node else _NODES for key in (one, other)]
            assert not nodes_overlap(*places), (one, other)
