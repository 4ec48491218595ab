"""Parts that run side by side: whatever ends one of them, the others end too, and nothing that was raised is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable

import pytest

from hostport.cluster.errors import WentBack
from hostport.run import parts
from hostport.run.parts import Ended, Parts
from tests.core.desk import in_a_loop

Part = Callable[[], Awaitable[object]]


class Bug(Exception):
    """What nobody thought of."""


def went_back() -> WentBack:
    return WentBack("/api/v1/pods", 5, 10)


async def for_ever() -> None:
    await asyncio.Event().wait()


def raises(error: Exception) -> Part:
    """A part that ends by itself."""

    async def part() -> None:
        raise error

    return part


def raises_at_its_end(error: Exception) -> Part:
    """A part that comes upon something when it is cancelled."""

    async def part() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            raise error

    return part


async def run(*works: Part, body: Part = for_ever) -> Parts:
    """All of them beside a body."""
    parts = Parts()
    async with parts:
        for number, work in enumerate(works):
            parts.start(f"part {number}", work)
        await body()
    return parts


def nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """No task, and nothing that asyncio would complain of."""
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [record for record in caplog.records if record.name == "asyncio"]


@in_a_loop
async def test_of_several_that_go_back_at_once_one_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WentBack):
        await run(*[raises(went_back())] * 5, for_ever)

    nothing_is_left(caplog)
    assert not caplog.records


@in_a_loop
async def test_a_bug_among_those_that_go_back_is_what_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Bug):
        await run(raises(went_back()), raises(Bug()), raises(went_back()))

    nothing_is_left(caplog)


@in_a_loop
async def test_of_two_bugs_one_is_raised_and_the_other_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Bug, match="one"):
        await run(raises(Bug("one")), raises(Bug("other")))

    assert "Bug: other" in caplog.text
    nothing_is_left(caplog)


@in_a_loop
async def test_a_bug_that_a_part_comes_upon_while_it_is_cancelled_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Bug):
        await run(raises(went_back()), raises_at_its_end(Bug()))

    nothing_is_left(caplog)


@in_a_loop
async def test_a_bug_in_a_group_of_a_part_of_its_own_is_raised_by_itself() -> None:
    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            for work in (raises(went_back()), raises(Bug())):
                group.create_task(work())

    with pytest.raises(Bug):
        await run(grouped)


@in_a_loop
async def test_when_the_block_is_left_all_end_and_each_is_awaited(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def slow_to_end() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    parts = await run(slow_to_end, for_ever, body=lambda: asyncio.sleep(0))

    assert ended == ["slow"]
    assert parts.broken == ""
    nothing_is_left(caplog)


@in_a_loop
async def test_what_a_part_does_at_its_end_is_not_broken_off_by_the_error_of_another() -> None:
    ended = asyncio.Event()

    async def thorough() -> None:
        try:
            await for_ever()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.set()

    with pytest.raises(Bug):
        await run(thorough, raises_at_its_end(Bug()), body=lambda: asyncio.sleep(0))

    assert ended.is_set()


@in_a_loop
async def test_a_part_that_loses_its_cancellation_gets_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def loses_it() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await for_ever()
        await for_ever()

    monkeypatch.setattr(parts, "_LONGEST_END_SECONDS", 0.01)
    await run(loses_it, body=lambda: asyncio.sleep(0))

    assert "part 0 has not ended within" in caplog.text
    nothing_is_left(caplog)


@in_a_loop
async def test_parts_that_have_not_begun_when_the_block_is_left_end_without_a_word(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    async def nothing() -> None:
        return

    await run(for_ever, body=nothing)

    nothing_is_left(caplog)
    assert not recwarn.list


@in_a_loop
async def test_cancelled_from_outside_all_end_and_it_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    whole = asyncio.create_task(run(for_ever, for_ever))
    await asyncio.sleep(0)
    whole.cancel()

    with pytest.raises(asyncio.CancelledError):
        await whole
    nothing_is_left(caplog)


@in_a_loop
async def test_cancelled_from_outside_a_bug_is_raised_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    whole = asyncio.create_task(run(raises_at_its_end(Bug())))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    whole.cancel()

    with pytest.raises(Bug):
        await whole
    nothing_is_left(caplog)


@in_a_loop
async def test_a_part_that_comes_to_its_end_takes_the_others_down_and_is_named() -> None:
    parts = Parts()
    with pytest.raises(Ended, match="the desk has ended"):
        async with parts:
            parts.start("the keeper", for_ever)
            parts.start("the desk", lambda: asyncio.sleep(0))
            await for_ever()

    assert parts.broken == "the desk has ended"


@in_a_loop
async def test_a_part_in_which_something_was_cancelled_has_ended() -> None:
    """A TaskGroup takes it for cancelled, and goes on without it."""

    async def loses_its_work() -> None:
        work = asyncio.create_task(for_ever())
        await asyncio.sleep(0)
        work.cancel()
        await work

    with pytest.raises(Ended):
        await run(loses_its_work, for_ever)


@in_a_loop
async def test_a_part_that_is_done_once_may_end_and_start_others() -> None:
    begun = asyncio.Event()
    parts = Parts()

    async def begin() -> None:
        async def work() -> None:
            begun.set()
            await for_ever()

        parts.start("work", work)

    async with parts:
        parts.start_once("begin", begin)
        await begun.wait()
        assert parts.broken == ""


@in_a_loop
async def test_tasks_of_others_in_the_same_loop_are_left_alone() -> None:
    other = asyncio.create_task(for_ever())

    await run(for_ever, body=lambda: asyncio.sleep(0))

    assert not other.cancelling()
    other.cancel()
