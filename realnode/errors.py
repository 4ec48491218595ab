"""What can go wrong with the real node.

ControlPlaneError
 └─ RealNodeError
     ├─ ImpossibleError  this machine can't have one, whatever is installed; carries why
     └─ ProgramError     a program that was run ended with an error; carries its output
"""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.errors import ControlPlaneError


class RealNodeError(ControlPlaneError):
    """Anything this package raises on purpose."""


class ImpossibleError(RealNodeError):
    """No package could make this machine one that has a real node."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"no real node on this machine: {why}")


class ProgramError(RealNodeError):
    """A program ended with an error."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        self.command, self.code, self.output = tuple(command), code, output
        super().__init__(f"`{' '.join(command)}` ended with {code}:\n{output.strip()}")
