"""Waiting for what must come to be, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], what: str, else_show: Callable[[], object] = lambda: "", seconds: float = 90.0) -> T:
    """The first true thing that `look` returns; fails, saying what was awaited, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}\n{else_show()}")
        time.sleep(0.05)
