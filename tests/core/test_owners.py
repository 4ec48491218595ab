"""Before a lease goes to another owner the API server is asked; and no number is written whose lease was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hostport.api.workload import DEPLOYMENT, Workload
from hostport.cluster import paths
from hostport.cluster.errors import Unreachable
from hostport.cluster.foreign import pod_use
from hostport.ledger.book import Change
from hostport.run.desk import Desk
from hostport.run.office import Office
from hostport.run.pools import Pools
from tests.core import build, truths
from tests.core.build import Json, deployment
from tests.core.desk import in_a_loop
from tests.core.objects import Objects, open_office, pool, served

_WEB = paths.workload("Deployment/default/web")
_OTHER = "Deployment/default/other"


class Scene:
    """One operator at work on a pool; what is written comes back to it as a watch would bring it."""

    def __init__(self) -> None:
        self.api = Objects()
        self.office: Office = open_office(self.api)
        self.desk = Desk(self.office)
        self._pools = Pools(self.office, self.desk)
        self.api.seen = self._see

    def _see(self, path: str, raw: Json) -> None:
        if path.startswith(paths.POOLS):
            self._pools.seen(raw)
        elif raw["metadata"]["annotations"] or path == _WEB:
            self.desk.see(DEPLOYMENT, raw)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        work = asyncio.create_task(self.desk.run())
        try:
            yield
        finally:
            work.cancel()

    def runs(self) -> None:
        """A Deployment `web` that asks for hostPorts has 20000 with our mark, and a Pod on it."""
        manifest = build.pod("web-1", "http:80=20000", on="n1")
        manifest["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
        use = pod_use(manifest)
        assert use is not None
        self.office.state.see_use(use.by, use)
        self.api.put(*served(deployment("web", "http:80=20000", assigned='{"app/http": 20000}')))

    def leased_to_another(self) -> None:
        """The pool as it is read, with 20000 in the name of `other`."""
        lease = {"owner": _OTHER, "uid": "uid-other", "port": "app/http", "since": "2026-01-01T00:00:00Z"}
        raw = pool("main", "20000-20009")
        raw["status"] = {"block": "19968-20223", "leases": {"20000/TCP": lease}}
        self.api.put(f"{paths.POOLS}/main", raw)

    def number(self) -> int:
        ports = self.api.objects[_WEB]["spec"]["template"]["spec"]["containers"][0]["ports"]
        return int(ports[0].get("hostPort", 0))

    def owner(self) -> str:
        """Whose 20000 is at the API server."""
        leases = self.api.objects[f"{paths.POOLS}/main"]["status"].get("leases", {})
        return str(leases.get("20000/TCP", {}).get("owner", ""))

    def written(self) -> int:
        return self.api.asked.count(("PATCH", _WEB))


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for are many things, and none of them tells
            await asyncio.sleep(0.01)


@in_a_loop
async def test_the_lease_of_who_is_not_there_goes_to_who_runs_on_its_number() -> None:
    scene = Scene()
    scene.leased_to_another()
    scene.runs()
    async with scene.at_work():
        await _until(lambda: scene.owner() == "Deployment/default/web")
        assert ("GET", paths.workload(_OTHER)) in scene.api.asked
        assert (scene.number(), scene.written()) == (20000, 0)


@in_a_loop
async def test_the_lease_of_who_is_there_stays_his_though_nobody_has_told_of_him() -> None:
    """He is known to the API server alone: his annotations are away, or his event is late."""
    scene = Scene()
    scene.leased_to_another()
    other = deployment("other")
    other["metadata"]["annotations"] = {}
    scene.api.put(*served(other))
    scene.runs()
    async with scene.at_work():
        await _until(lambda: scene.number() == 20001)
        assert scene.owner() == _OTHER


@in_a_loop
async def test_as_long_as_the_api_server_does_not_say_who_is_there_nothing_is_moved() -> None:
    scene = Scene()
    scene.leased_to_another()
    scene.runs()
    path, error = paths.workload(_OTHER), Unreachable(0, "timeout", "")
    scene.api.fails = lambda method, asked: error if (method, asked) == ("GET", path) else None
    async with scene.at_work():
        await _until(lambda: scene.api.asked.count(("GET", path)) >= 2)
        assert (scene.owner(), scene.number(), scene.written()) == (_OTHER, 20000, 0)
        scene.api.fails = lambda _method, _path: None
        await _until(lambda: scene.owner() == "Deployment/default/web")


@in_a_loop
async def test_no_number_is_written_whose_lease_was_lost_before_the_patch_left() -> None:
    scene = Scene()
    scene.api.put(f"{paths.POOLS}/main", pool("main", "20000-20009"))
    path, raw = served(deployment("web"))
    raw = scene.api.put(path, raw)
    plan = scene.office.planner.plan(Workload.parse(DEPLOYMENT, raw), "2026-01-01T00:00:00Z")
    assert [port for _, port, _ in plan.ports] == [20000]
    assert await scene.office.ledger.commit(plan.changes) == set()
    lease = plan.changes[0].lease
    assert lease is not None
    scene.office.state.put(Change("main", truths.key("20000/TCP"), lease._replace(owner=_OTHER, uid="uid-other")))
    scene.desk._delivery.send(plan, 0.0)
    await scene.desk._delivery.drain()
    assert (scene.number(), scene.written()) == (0, 0)
