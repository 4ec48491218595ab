"""Parts that run side by side: when one ends all end, and none is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Self

from hostport.cluster.errors import WentBack

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]

_LONGEST_END_SECONDS = 5.0


class Parts:
    """An `asyncio.TaskGroup` of parts that run until the block is left; then each is cancelled and awaited.

    A part that ends before takes all others down, and the block with them. What is raised then is one error and no
    group: of several the first that is no `WentBack`; the others are logged. `broken` says which part has ended.
    """

    def __init__(self) -> None:
        self.broken = ""
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The group cancels each part once, and so only where it is left by an error: a second time would break off what
        # a part does at its end.
        reason = error or _Left()
        self._wait_longest()
        try:
            await self._group.__aexit__(kind or _Left, reason, trace)
        except BaseExceptionGroup as group:
            errors = [each for each in _each(group) if not isinstance(each, _Left)]
            if errors:
                raise _foremost(errors) from None
        finally:
            self._insisting.cancel()

    def _wait_longest(self) -> None:
        self._insisting = asyncio.get_running_loop().call_later(_LONGEST_END_SECONDS, self._insist)

    def _insist(self) -> None:
        """Cancel again who goes on: a cancellation can be lost, in asyncio.wait_for before Python 3.12 for one."""
        for task in self._tasks:
            if not task.done():
                logger.warning("%s has not ended within %.0f s", task.get_name(), _LONGEST_END_SECONDS)
                task.cancel()
        self._wait_longest()

    def start(self, name: str, work: Work) -> asyncio.Task[None]:
        """Start a part that has no end of its own; whoever started it may cancel it."""
        return self._start(name, _endless(name, work))

    def start_once(self, name: str, work: Work) -> asyncio.Task[None]:
        """Start a part that may end when its work is done."""
        return self._start(name, _uncancelled(name, work))

    def _start(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work, name=name)
        task.add_done_callback(self._note)
        self._tasks.append(task)
        return task

    def _note(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.broken = self.broken or f"{task.get_name()} has ended"


class Ended(RuntimeError):
    """A part that was to go on has come to its end."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has ended")


class _Left(Exception):
    """The block has come to its end."""


async def _endless(name: str, work: Work) -> None:
    await _uncancelled(name, work)
    raise Ended(name)


async def _uncancelled(name: str, work: Work) -> None:
    """Raises `Ended` where the work was cancelled and the part was not: a TaskGroup passes over that."""
    try:
        await work()
    except asyncio.CancelledError:
        part = asyncio.current_task()
        if part is None or part.cancelling():
            raise
        raise Ended(name) from None


def _foremost(errors: list[BaseException]) -> BaseException:
    """The one that counts: a bug before what many tell at once."""
    foremost, *others = sorted(errors, key=lambda error: isinstance(error, WentBack))
    for error in others:
        if isinstance(error, WentBack):
            logger.debug("as well: %s", error)
        else:
            logger.error("as well: %s", error, exc_info=error)
    return foremost


def _each(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, and in the groups within it."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _each(one)
    else:
        yield error
