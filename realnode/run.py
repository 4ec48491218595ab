"""Run a program and have what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from realnode.errors import ProgramError


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = 120.0) -> str:
    """What it prints; raise `ProgramError` with all it has to say if it fails, or has not ended in time (seconds)."""
    try:
        done = subprocess.run(
            list(command), env=environment, capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(command, -1, f"it had not ended after {timeout:g} s") from error
    if done.returncode:
        raise ProgramError(command, done.returncode, f"{done.stdout}{done.stderr}")
    return done.stdout


def succeeds(command: Sequence[str]) -> bool:
    """Whether it ends without an error."""
    try:
        run(command)
    except (ProgramError, OSError):
        return False
    return True
