"""Progress that takes long enough to be seen while it lasts, past pytest's capture."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print a line at once."""
    print(line, file=sys.__stderr__, flush=True)
