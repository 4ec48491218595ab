"""Run a program and have what it prints."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from controlplane.golang import Say
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


def narrate(command: Sequence[str], tells: str, say: Say) -> None:
    """Run it and say the lines with `tells` in them; raise `ProgramError` with the end of its output if it fails."""
    last: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                last.append(line)
                if tells in line:
                    say(line.strip())
        except BaseException:  # Ctrl-C
            process.kill()
            raise
    if process.returncode:
        raise ProgramError(command, process.returncode, "".join(last))


def succeeds(command: Sequence[str]) -> bool:
    """Whether it ends without an error."""
    try:
        run(command)
    except (ProgramError, OSError):
        return False
    return True
