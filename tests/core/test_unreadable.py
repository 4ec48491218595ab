"""One object that nobody can read: it is told of once and counted, and everybody else goes on being served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from prometheus_client import generate_latest

from hostport.api.workload import DEPLOYMENT
from hostport.cluster import paths
from hostport.cluster.reader import Mirror, OptionalMirror, read_into, read_patiently
from hostport.cluster.survey import Survey
from hostport.diagnosis.check import check
from hostport.run.desk import Desk
from hostport.run.office import Office
from hostport.run.pools import Pools
from hostport.run.relists import Relists
from hostport.run.workloads import Listed, Workloads
from tests.core import build
from tests.core.desk import in_a_loop
from tests.support.api_server import ApiServer

Json = dict[str, Any]

DEPLOYMENTS = paths.workloads("Deployment")


def stored(manifest: Json, version: int = 5) -> Json:
    """A manifest as the API server shows it."""
    meta = manifest["metadata"]
    return {**manifest, "metadata": {"uid": f"uid-{meta['name']}", "resourceVersion": str(version), **meta}}


def pod(name: str, port: int | str, version: int = 5) -> Json:
    """A Pod on a number; what is no number can't be read."""
    made = build.pod(name, "http:80=1", on="n1")
    made["spec"]["containers"][0]["ports"][0]["hostPort"] = port
    return stored(made, version)


def unreadable_deployment(name: str, version: int = 5) -> Json:
    """The API server never has a Deployment without a spec, and no parser is ready for one."""
    made = stored(build.deployment(name), version)
    del made["spec"]
    return made


class PodNames:
    """A sink that keeps the numbers of Pods."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def key(self, raw: Json) -> str:
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        self.numbers[self.key(raw)] = int(raw["spec"]["containers"][0]["ports"][0]["hostPort"])
        return self.key(raw)

    def gone(self, key: str) -> None:
        del self.numbers[key]

    def known(self) -> Iterable[str]:
        return tuple(self.numbers)

    def version(self, key: str) -> int:
        return 0


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - it may be anything
            await asyncio.sleep(0.01)


def office(server: ApiServer) -> Office:
    made = Office.open(server.api, "me", (30000, 32767))
    made.state.see_nodes([build.node("n1")])
    return made


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def gauge(some: Office) -> str:
    lines = generate_latest(some.metrics.registry).decode().splitlines()
    return next(line for line in lines if line.startswith("hostport_unreadable_objects"))


# By lists


@in_a_loop
async def test_in_a_list_the_others_are_taken_in() -> None:
    async with ApiServer() as server:
        server.lists[paths.PODS] = [pod("a", 20000), pod("bad", "x"), pod("b", 20001)]
        sink = PodNames()
        await read_into(server.api, paths.PODS, sink)
        assert sink.numbers == {"a": 20000, "b": 20001}


@in_a_loop
async def test_what_was_known_of_it_stands() -> None:
    async with ApiServer() as server:
        sink = PodNames()
        server.lists[paths.PODS] = [pod("a", 20000), pod("b", 20001)]
        await read_into(server.api, paths.PODS, sink)
        server.lists[paths.PODS] = [pod("a", "x")]
        await read_into(server.api, paths.PODS, sink)
        assert sink.numbers == {"a": 20000}


@in_a_loop
async def test_where_one_does_not_even_say_its_name_nothing_is_thought_gone() -> None:
    async with ApiServer() as server:
        sink = PodNames()
        server.lists[paths.PODS] = [pod("a", 20000)]
        await read_into(server.api, paths.PODS, sink)
        server.lists[paths.PODS] = [{"metadata": None}]
        await read_into(server.api, paths.PODS, sink)
        assert sink.numbers == {"a": 20000}


@in_a_loop
async def test_the_adoption_and_the_lists_after_it_go_on() -> None:
    async with ApiServer() as server:
        some = office(server)
        sink = Listed(some, Desk(some), DEPLOYMENT)
        server.lists[DEPLOYMENTS] = [unreadable_deployment("evil"), stored(build.deployment("web"))]
        await read_patiently(server.api, DEPLOYMENTS, sink)
        assert list(some.workloads) == ["Deployment/default/web"]
        assert await Relists(server.api, [(DEPLOYMENTS, sink)]).now()


@in_a_loop
async def test_it_is_told_once_however_often_it_is_listed(caplog: pytest.LogCaptureFixture) -> None:
    async with ApiServer() as server:
        sink = PodNames()
        server.lists[paths.PODS] = [pod("bad", "x")]
        for _ in range(3):
            await read_into(server.api, paths.PODS, sink)
    (line,) = told(caplog)
    assert line.startswith("Pod default/bad can't be read (ValueError: invalid literal for int() with base 10: 'x'): ")
    assert "mend or delete it" in line


@in_a_loop
async def test_the_gauge_rises_and_falls_with_them() -> None:
    async with ApiServer() as server:
        some = office(server)
        sink = Listed(some, Desk(some), DEPLOYMENT)
        figures = []
        bad, good = unreadable_deployment("a"), stored(build.deployment("a"))
        for items in ([bad, unreadable_deployment("b")], [good, unreadable_deployment("b")], [good]):
            server.lists[DEPLOYMENTS] = items
            await read_into(server.api, DEPLOYMENTS, sink)
            figures.append(gauge(some))
        assert figures == [f"hostport_unreadable_objects {count}.0" for count in (2, 1, 0)]


# By watches


async def mirrored(server: ApiServer, sink: PodNames, story: Awaitable[None], kind: type[Mirror] = Mirror) -> None:
    task = asyncio.create_task(kind(server.api, paths.PODS, sink, lambda: None).run())
    try:
        await story
        assert not task.done()
    finally:
        task.cancel()


@pytest.mark.parametrize("kind", [Mirror, OptionalMirror])
def test_in_a_watch_the_next_event_is_taken_in(kind: type[Mirror]) -> None:
    async def run() -> None:
        async with ApiServer() as server:
            server.lists[paths.PODS] = [pod("a", 20000)]
            sink = PodNames()

            async def story() -> None:
                await until(lambda: server.watches(paths.PODS))
                server.event(paths.PODS, "MODIFIED", pod("a", "x", 11))
                server.event(paths.PODS, "ADDED", pod("b", 20001, 12))
                await until(lambda: "b" in sink.numbers)
                assert sink.numbers == {"a": 20000, "b": 20001}
                assert len(server.api.unreadable) == 1
                server.event(paths.PODS, "DELETED", pod("a", "x", 13))
                await until(lambda: "a" not in sink.numbers)
                assert len(server.api.unreadable) == 0
                assert server.watches(paths.PODS) == 1

            await mirrored(server, sink, story(), kind)

    asyncio.run(run())


@in_a_loop
async def test_what_kopf_hands_over_is_guarded_as_well(caplog: pytest.LogCaptureFixture) -> None:
    async with ApiServer() as server:
        some = office(server)
        workloads, pools = Workloads(some, Desk(some)), Pools(some, Desk(some))
        for _ in range(2):
            workloads.event(DEPLOYMENT, "MODIFIED", unreadable_deployment("evil"))
            pools.event("MODIFIED", stored({"metadata": {"name": "p"}, "spec": {"ranges": ["x"]}}))
        assert [line.partition(" can't")[0] for line in told(caplog)] == [
            "Deployment default/evil",
            "HostPortPool p",
        ]
        workloads.event(DEPLOYMENT, "DELETED", unreadable_deployment("evil"))
        pools.event("DELETED", stored({"metadata": {"name": "p"}, "spec": {"ranges": ["x"]}}))
        assert gauge(some) == "hostport_unreadable_objects 0.0"


@in_a_loop
async def test_leases_of_a_pool_whose_spec_can_not_be_read_any_more_still_come_in() -> None:
    async with ApiServer() as server:
        some = office(server)
        pools = Pools(some, Desk(some))
        raw = stored({"metadata": {"name": "p"}, "spec": {"ranges": ["20000-20009"]}, "status": {}})
        pools.event("ADDED", raw)
        lease = {"owner": "Deployment/default/web", "uid": "u", "port": "app/http"}
        status = {"block": "19968-20223", "leases": {"20003/TCP": lease, "20004/TCP": "somebody's"}}
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": "6"}, "spec": {"ranges": [7]}}
        pools.event("MODIFIED", {**raw, "status": status})
        assert [str(key) for key in some.state.book.of_pool("p")] == ["20003/TCP"]


# From a terminal


@in_a_loop
async def test_check_shows_each_of_them_as_a_finding() -> None:
    async with ApiServer() as server:
        for path in (paths.PODS, paths.NODES, paths.SERVICES, paths.NAMESPACES, paths.POOLS, paths.BLOCKS):
            server.lists[path] = []
        for kind in ("StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job"):
            server.lists[paths.workloads(kind)] = []
        server.lists[DEPLOYMENTS] = [unreadable_deployment("evil"), stored(build.deployment("web"))]
        survey = Survey(server.api)
        (finding,) = check(await survey.make())
        assert (finding.kind, finding.subject) == ("Unreadable", "Deployment default/evil")
        assert "KeyError" in finding.text
        assert list(survey.workloads) == ["Deployment/default/web"]
