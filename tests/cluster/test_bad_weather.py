"""What networks and busy API servers do, through a proxy: the operator goes on, and says it in a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from bench.load import load
from controlplane.cluster import ControlPlane
from tests.support.crowd import Crowd
from tests.support.operator import OperatorProcess
from tests.support.proxy import Fault, Proxy, answers, every, loses_the_answer, slow, watches, withholds, writes
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def proxy(poor_plane: ControlPlane) -> Iterator[Proxy]:
    """Between the operator and the API server; the tests themselves go past it."""
    with Proxy(poor_plane) as proxy:
        yield proxy


@pytest.fixture
def scene(poor_plane: ControlPlane, proxy: Proxy, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A scene whose operator goes through the proxy."""
    operator = OperatorProcess(poor_plane, tmp_path, server=proxy.url)
    operator.start()
    stage = Scene(poor_plane, operator, request.node.name)
    yield stage
    try:
        stage.end()
        assert "Traceback" not in operator.log
        assert operator.stop() == 0
    finally:
        operator.kill()


def complaints(scene: Scene) -> list[str]:
    """What the log has of warnings and worse."""
    return [line for line in scene.operator.log.splitlines() if " WARNING " in line or " ERROR " in line]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answers(429, "the server has too many requests", Retry_After="1"), id="429"),
        pytest.param(answers(503, "the server is currently unable to handle the request"), id="503"),
    ],
)
def test_a_server_that_refuses_every_third_request_is_asked_again(scene: Scene, proxy: Proxy, fault: Fault) -> None:
    crowd = Crowd(scene, scene.pool())
    proxy.does("refused", fault, every(3))

    crowd.create(40)
    crowd.served()

    proxy.stops("refused")
    assert proxy.done["refused"] > 20
    assert len(complaints(scene)) < 12, complaints(scene)


def test_answers_that_are_lost_after_the_write_was_carried_out(scene: Scene, proxy: Proxy) -> None:
    crowd = Crowd(scene, scene.pool())
    crowd.create(20)
    before = crowd.served()
    proxy.does("ledger", loses_the_answer(), every(2, writes("/status")))
    proxy.does("templates", loses_the_answer(), every(3, writes("/deployments/")))

    crowd.create(40)
    after = crowd.served()

    assert proxy.done["ledger"] and proxy.done["templates"] > 5
    for name in ("ledger", "templates"):
        proxy.stops(name)
    assert before.items() <= after.items()
    assert len(complaints(scene)) < 12, complaints(scene)


def test_a_server_that_takes_two_seconds_for_everything(scene: Scene, proxy: Proxy) -> None:
    crowd = Crowd(scene, scene.pool())
    proxy.does("slow", slow(2.0), lambda request: "watch" not in request.query)

    crowd.create(60)
    crowd.served()
    scene.operator.kill()
    scene.operator.start(seconds=120)
    crowd.create(1)
    crowd.served()

    proxy.stops("slow")
    assert not complaints(scene)


def test_a_rival_that_writes_the_same_object_all_the_time_keeps_nobody_waiting(scene: Scene) -> None:
    """Whether the two meet is chance, so Deployments are created until they have."""
    crowd = Crowd(scene, scene.pool(ranges=["18176-18431"]))
    stop = Event()

    async def storm() -> int:
        path, writes = f"/apis/hostport.dev/v1/hostportpools/{crowd.pool}", 0
        async with load(scene.plane) as client:
            while not stop.is_set():
                body = {"metadata": {"annotations": {"rival": str(writes)}}}
                await client.call("PATCH", path, body, "application/merge-patch+json")
                writes += 1
        return writes

    with ThreadPoolExecutor() as threads:
        rival = threads.submit(lambda: asyncio.run(storm()))
        try:
            while not scene.operator.metric("hostport_ledger_commits_total", result="conflict"):
                assert crowd.count < 240, "the two never met, so this shows nothing"
                crowd.create(20)
                crowd.served()
        finally:
            stop.set()
        assert rival.result()

    assert not complaints(scene)


def test_a_deletion_that_a_broken_watch_has_missed_is_healed_within_seconds(scene: Scene, proxy: Proxy) -> None:
    crowd = Crowd(scene, scene.pool(cooldownSeconds=3600))
    crowd.create(3)
    given = crowd.served()

    missed(scene, proxy, crowd, "web-1", "web-2")

    gone = {f"{given[name]}/TCP" for name in ("web-1", "web-2")}
    until(lambda: resting(scene, crowd.pool) == gone, "their numbers rest", scene.operator_log, 90)
    assert crowd.served() == {"web-0": given["web-0"]}


def test_the_deletion_of_the_last_one_is_healed_as_well(scene: Scene, proxy: Proxy) -> None:
    """Of a list that has become empty, kopf shows nothing at all."""
    crowd = Crowd(scene, scene.pool(cooldownSeconds=3600))
    crowd.create(1)
    given = crowd.served()

    missed(scene, proxy, crowd, "web-0")

    until(lambda: resting(scene, crowd.pool) == {f"{given['web-0']}/TCP"}, "it rests", scene.operator_log, 120)


def test_a_pod_that_goes_while_a_list_with_it_is_on_its_way_keeps_no_number(scene: Scene, proxy: Proxy) -> None:
    """The list is asked for because of one workload, and the Pod in it is another's."""
    crowd, answer = Crowd(scene, scene.pool(cooldownSeconds=3600)), Event()
    crowd.create(2)
    given = crowd.served()
    scene.kubectl("-n", scene.name, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    pods = f"/api/v1/namespaces/{scene.name}/pods"
    proxy.does("list", withholds(answer), lambda request: request.path == pods)

    crowd.delete("web-0")
    until(lambda: proxy.done["list"], "the Pods are asked for", scene.operator_log)
    crowd.delete("web-1")
    until(lambda: not scene.kubectl("-n", scene.name, "get", "pods", "-o", "name"), "no Pod is left")
    scene.bystander_is_served(crowd.pool)
    proxy.stops("list")
    answer.set()

    gone = {f"{number}/TCP" for number in given.values()}
    until(lambda: resting(scene, crowd.pool) == gone, "both numbers rest", scene.operator_log)


def missed(scene: Scene, proxy: Proxy, crowd: Crowd, *names: str) -> None:
    """Deployments are deleted while the operator can't watch, as if the API server had been away for it."""
    proxy.does("away", answers(503, "away"), watches(""))
    proxy.cut()
    crowd.delete(*names)
    until(lambda: not set(names) & crowd.numbers().keys(), "they are gone")
    until(lambda: proxy.done["away"] > 10, "kopf and the mirrors have met it", scene.operator_log)
    proxy.stops("away")


def resting(scene: Scene, pool: str) -> set[str]:
    """The keys of the leases that rest."""
    return {key for key, lease in scene.leases(pool).items() if "released" in lease}
