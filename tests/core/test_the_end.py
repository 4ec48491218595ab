"""How the operator's life ends: whatever it ends of, nothing of it goes on, and nothing that was raised is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import kopf
import pytest

from hostport.cluster.errors import Unreachable, WentBack
from hostport.cluster.unreadable import Unreadable
from hostport.run import parts, watching
from hostport.run.budget import Budget
from hostport.run.delivery import Delivery
from hostport.run.keeper import Keeper
from hostport.run.main import SERVED, Operator
from hostport.run.office import Office
from tests.core.desk import in_a_loop

Json = dict[str, Any]


class Cluster:
    """An API server with nothing in it, which all of a sudden is at an earlier version.

    Whoever asks then is answered at one and the same moment, when `together` have asked.
    """

    def __init__(self, together: int) -> None:
        self.version = 10
        self.unreadable = Unreadable()
        self.restored = asyncio.Event()
        self._together = together
        self._asked = 0
        self._answer = asyncio.Event()

    async def get(self, path: str, **_: str) -> Json:
        """A list."""
        if self.restored.is_set():
            self._asked += 1
            if self._asked == self._together:
                self._answer.set()
            await self._answer.wait()
        return {"metadata": {"resourceVersion": str(self.version)}, "items": []}

    async def watch(self, path: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """Nothing happens until it is restored."""
        await self.restored.wait()
        raise Unreachable(0, "away", path)
        yield

    def restore(self) -> None:
        """All watches break, and what was done since is not there."""
        self.version = 5
        self.restored.set()


def operator_of(office: Office, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One without kopf."""

    async def for_ever(_: watching.Watch) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(watching.Watch, "run", for_ever)
    return Operator(office)


def operator(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One without kopf, at a cluster."""
    return operator_of(an_office(cluster), monkeypatch)


def an_office(cluster: Cluster) -> Office:
    """Its parts' common ground."""
    return Office.open(cluster, "test", (30000, 32767))  # type: ignore[arg-type]


async def ready(life: Operator) -> None:
    """Ask until it is, as the kubelet does."""
    while life.ready():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def nothing_is_left() -> None:
    """No task but the test's own."""
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(autouse=True)
def _nothing_is_lost(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """When the loop is closed asyncio has nothing to complain of: no error that nobody took, no task that was left."""
    yield
    gc.collect()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert not [record for record in records if record.name == "asyncio"]


@in_a_loop
async def test_when_etcd_has_gone_back_all_who_see_it_end_and_it_is_raised_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(together=4)
    life = operator(cluster, monkeypatch)
    living = asyncio.create_task(life.run(asyncio.Event()))
    await ready(life)

    cluster.restore()
    with pytest.raises(WentBack):
        await living

    assert life.alive().startswith("mirror of ")
    nothing_is_left()


@in_a_loop
async def test_a_life_that_is_asked_to_end_leaves_nothing_behind_and_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life, stop = operator(Cluster(together=0), monkeypatch), asyncio.Event()
    other = asyncio.create_task(asyncio.Event().wait())
    living = asyncio.create_task(life.run(stop))
    await ready(life)

    stop.set()
    await living

    assert life.alive() == ""
    assert not other.cancelling()
    other.cancel()
    await asyncio.wait([other])
    nothing_is_left()


@in_a_loop
async def test_news_that_come_as_it_ends_keep_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio.wait_for, before Python 3.12, loses a cancellation that comes together with what is waited for."""
    looked = asyncio.Event()

    async def look(_: Keeper) -> None:
        looked.set()

    monkeypatch.setattr(Keeper, "look", look)
    monkeypatch.setattr(parts, "_LONGEST_END_SECONDS", 3600.0)
    office = an_office(Cluster(together=0))
    life, stop = operator_of(office, monkeypatch), asyncio.Event()
    living = asyncio.create_task(life.run(stop))
    await looked.wait()
    await asyncio.sleep(0)

    office.news.set()
    stop.set()
    await asyncio.wait([living], timeout=10)

    assert living.done()
    nothing_is_left()


@in_a_loop
async def test_asked_to_end_before_everything_is_listed_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(together=0)
    cluster.restore()  # nobody is ever answered
    life, stop = operator(cluster, monkeypatch), asyncio.Event()
    living = asyncio.create_task(life.run(stop))
    await asyncio.sleep(0)

    stop.set()
    await living

    assert life.ready()
    nothing_is_left()


def delivery(get: Callable[[str], Awaitable[Json]]) -> Delivery:
    """One that looks whether workloads are there."""
    office: Any = SimpleNamespace(api=SimpleNamespace(get=get, unreadable=Unreadable()))
    return Delivery(office, Budget(time.monotonic), again=lambda _: None, gone=lambda _: None, found=lambda *_: None)


@in_a_loop
async def test_what_is_abandoned_does_not_go_on() -> None:
    asked = asyncio.Event()

    async def never_answers(_: str) -> Json:
        asked.set()
        await asyncio.Event().wait()
        return {}

    under_way = delivery(never_answers)
    under_way.confirm_gone("Deployment/default/web")
    await asked.wait()

    await under_way.abandon()

    nothing_is_left()


@in_a_loop
async def test_a_workload_that_nobody_thought_of_is_told_and_keeps_no_other_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answers_nonsense(path: str) -> Json:
        raise KeyError(path)

    under_way = delivery(answers_nonsense)
    under_way.confirm_gone("Deployment/default/web")
    await under_way.drain()
    nothing_is_left()

    assert "what was under way for Deployment/default/web has failed: please report this" in caplog.text
    assert "KeyError" in caplog.text


class Kopf:
    """Stands in for kopf.operator: shows a Deployment when it begins and, slow to end, another when it is stopped."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    async def operator(self, *, registry: kopf.OperatorRegistry, stop_flag: threading.Event, **_: object) -> None:
        """Run until stopped."""
        self.threads.append(threading.current_thread())
        (handler, *_) = registry._watching.get_all_handlers()
        await self._show(handler, "first")
        while not stop_flag.is_set():  # noqa: ASYNC110 - a flag of another thread
            await asyncio.sleep(0.01)
        await self._show(handler, "late")
        await asyncio.sleep(0.2)

    async def _show(self, handler: Any, name: str) -> None:
        body = {"metadata": {"name": name, "namespace": "default"}}
        await handler.fn(event={"type": "ADDED", "object": body})


@in_a_loop
async def test_what_kopf_sees_when_watching_has_ended_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    stub, seen, shown = Kopf(), list[str](), asyncio.Event()

    def take(*event: Any) -> None:
        seen.append(event[-1]["metadata"]["name"])
        shown.set()

    monkeypatch.setattr(kopf, "operator", stub.operator)
    running = asyncio.create_task(watch(take).run())
    await shown.wait()

    running.cancel()
    await asyncio.wait([running])
    await asyncio.to_thread(stub.threads[0].join)

    assert seen == ["first"]


@in_a_loop
async def test_kopf_begins_anew_when_the_one_before_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    stub, shown = Kopf(), asyncio.Event()
    monkeypatch.setattr(kopf, "operator", stub.operator)
    for life in (1, 2):
        running = asyncio.create_task(watch(lambda *_: shown.set()).run())
        await shown.wait()
        shown.clear()
        assert len(stub.threads) == life
        assert [thread.is_alive() for thread in stub.threads[:-1]] == [False] * (life - 1)

        running.cancel()
        await asyncio.wait([running])

    await asyncio.to_thread(stub.threads[-1].join)


def watch(take: Callable[..., None]) -> watching.Watch:
    """One of Deployments."""
    takes: Any = SimpleNamespace(event=take)
    return watching.Watch(takes, takes, SERVED[:1], lambda _: None)
