"""The way to the API server: whatever goes wrong on it will pass, and lines are as long as they are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hostport.cluster import paths, reader
from hostport.cluster.errors import Unreachable
from hostport.cluster.reader import Mirror, read_into
from tests.core.desk import in_a_loop
from tests.core.test_unreadable import PodNames, mirrored, pod, until
from tests.support.api_server import ApiServer, escaped

Json = dict[str, Any]

# What a Pod of 3 MiB of `<` in its arguments is on a watch.
LONGEST = 3 * 2**20


class SurprisingError(Exception):
    """Nothing that anybody has heard of."""


@in_a_loop
async def test_an_object_of_the_size_that_the_api_server_takes_comes_through_the_watch() -> None:
    async with ApiServer() as server:
        server.lists[paths.PODS] = []
        sink = PodNames()
        big = pod("big", 20000, 11)
        big["spec"]["containers"][0]["args"] = ["<" * LONGEST]

        async def story() -> None:
            await until(lambda: server.watches(paths.PODS))
            server.event(paths.PODS, "ADDED", big)
            server.event(paths.PODS, "ADDED", pod("next", 20001, 12))
            await until(lambda: "next" in sink.numbers)

        await mirrored(server, sink, story())
        assert sink.numbers == {"big": 20000, "next": 20001}
        assert server.watches(paths.PODS) == 1


async def _chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    from hostport.cluster.lines import lines

    async def run() -> list[bytes]:
        return [line async for line in lines(_chunks(b"one\n\ntwo\nthree", size))]

    assert asyncio.run(run()) == [b"one", b"two", b"three"]


def test_a_line_is_read_once_however_long_it_is() -> None:
    """A hundred thousand parts of one line: joined anew with every part, they would be read for an hour."""
    from hostport.cluster.lines import lines

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100_000):
            yield b"x" * 500
        yield b"\n"

    async def run() -> list[int]:
        return [len(line) async for line in lines(parts())]

    assert asyncio.run(run()) == [50_000_000]


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the readers, which are over at once."""
    seen: list[float] = []
    sleep = asyncio.sleep

    async def rest(seconds: float) -> None:
        seen.append(seconds)
        await sleep(0.001)

    class Asyncio:
        def __getattr__(self, name: str) -> object:
            return rest if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(reader, "asyncio", Asyncio())
    return seen


def doubling() -> Iterator[tuple[float, float]]:
    pause = 0.5
    while True:
        yield pause * 0.5, pause
        pause = min(30.0, pause * 2)


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b'{"type": "ADDED"}',
        b'["ADDED", {}]',
        b"null",
        b'{"type": "ADDED", "object": 5}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_a_line_that_nobody_can_read_is_passed_by_a_list_with_pauses_that_grow(line: bytes, rests: list[float]) -> None:
    async def run() -> None:
        async with ApiServer() as server:
            server.lists[paths.PODS] = [pod("a", 20000)]
            server.send(paths.PODS, 11, line)
            sink = PodNames()

            async def story() -> None:
                await until(lambda: server.watches(paths.PODS) > 5)
                assert all(low <= rest <= high for rest, (low, high) in zip(rests, doubling(), strict=False))
                server.lists[paths.PODS] = [pod("b", 20001)]
                server.version = 12
                await until(lambda: sink.numbers == {"b": 20001})

            await mirrored(server, sink, story())

    asyncio.run(run())


@in_a_loop
async def test_a_line_that_is_longer_than_all_limits_is_passed_by_a_list(
    monkeypatch: pytest.MonkeyPatch, rests: list[float]
) -> None:
    from hostport.cluster import client, lines

    monkeypatch.setattr(client, "lines", lambda chunks: lines.lines(chunks, 1000))
    async with ApiServer() as server:
        server.lists[paths.PODS] = []
        server.send(paths.PODS, 11, b"x" * 5000)
        sink = PodNames()

        async def story() -> None:
            await until(lambda: server.watches(paths.PODS) > 2)
            server.lists[paths.PODS], server.version = [pod("a", 20000)], 12
            await until(lambda: sink.numbers)

        await mirrored(server, sink, story())
        assert rests


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b"null",
        b'{"metadata": {}, "items": []}',
        b'{"metadata": {"resourceVersion": "x"}, "items": []}',
        b'{"metadata": {"resourceVersion": "1"}}',
        b'{"metadata": {"resourceVersion": "1"}, "items": 5}',
        b"\xff",
    ],
)
def test_an_answer_that_is_no_list_is_an_error_that_passes(body: bytes) -> None:
    async def run() -> None:
        async with ApiServer() as server:
            server.bodies[f"{paths.PODS}?limit=500"] = body
            sink = PodNames()
            with pytest.raises(Unreachable):
                await read_into(server.api, paths.PODS, sink)
            del server.bodies[f"{paths.PODS}?limit=500"]
            server.lists[paths.PODS] = [pod("a", 20000)]
            await read_into(server.api, paths.PODS, sink)
            assert sink.numbers == {"a": 20000}

    asyncio.run(run())


@in_a_loop
async def test_an_error_of_the_transport_that_nobody_knows_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with ApiServer() as server:
        server.lists[paths.PODS] = [pod("a", 20000)]
        sink = PodNames()
        task = asyncio.create_task(Mirror(server.api, paths.PODS, sink, lambda: None).run())
        request = server.api._client.rest_client.request
        failures = iter(range(3))

        async def fails(*args: Any, **kwargs: Any) -> Any:
            if next(failures, None) is not None:
                raise SurprisingError("chunk too big")
            return await request(*args, **kwargs)

        monkeypatch.setattr(server.api._client.rest_client, "request", fails)
        await until(lambda: server.watches(paths.PODS))
        assert sink.numbers == {"a": 20000}
        assert not task.done()
        task.cancel()
    lines = [r.getMessage() for r in caplog.records if "chunk too big" in r.getMessage()]
    assert len(lines) == 1
    assert re.match(r"no answer from the API server .*trying again until it works", lines[0])


def test_what_the_server_above_sends_is_what_the_api_server_would() -> None:
    assert escaped({"a": "<>&"}) == b'{"a": "\\u003c\\u003e\\u0026"}'
    assert json.loads(escaped({"a": "<>&"})) == {"a": "<>&"}
