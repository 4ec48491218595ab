"""What can go wrong on stage."""

from __future__ import annotations


class Surprise(Exception):
    """A step that did not come out: what was expected, and what came."""

    def __init__(self, expected: str, came: str) -> None:
        self.expected, self.came = expected, came
        super().__init__(f"expected {expected}, came {came}")
