"""What can go wrong with the embedded control plane.

ControlPlaneError
 ├─ ComponentError    a component died or did not become healthy; carries its log's tail
 ├─ BuildError        go could not build a binary; carries the tail of its output
 ├─ GoToolchainError  no usable Go on PATH, and none could be installed
 ├─ ApiError          the API server answered with an error; carries status and body
 ├─ KubectlError      kubectl ended with an error; carries its stderr
 └─ PackageError      Debian packages that are needed are not there and could not be installed
     └─ NoPackageSourceError  and this machine has no source of them that it could use
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path


class ControlPlaneError(Exception):
    """Anything this package raises on purpose."""


class ComponentError(ControlPlaneError):
    """A component died or did not become healthy."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        self.name, self.what, self.log = name, what, log
        super().__init__(f"{name} {what}. The end of its log:\n{tail(log)}")


class BuildError(ControlPlaneError):
    """Go could not build a binary."""

    def __init__(self, name: str, output: str, advice: str) -> None:
        self.name, self.output, self.advice = name, output, advice
        super().__init__(f"could not build {name}. The end of go's output:\n{output}\n{advice}")


class GoToolchainError(ControlPlaneError):
    """No usable Go, neither on PATH nor from PyPI."""


class ApiError(ControlPlaneError):
    """The API server answered with an error."""

    def __init__(self, request: str, status: int, body: str) -> None:
        self.request, self.status, self.body = request, status, body
        super().__init__(f"{request} was answered with {status}: {body}")


class KubectlError(ControlPlaneError):
    """Kubectl ended with an error."""

    def __init__(self, args: tuple[str, ...], code: int, stderr: str) -> None:
        self.arguments, self.code, self.stderr = args, code, stderr
        super().__init__(f"kubectl {' '.join(args)} ended with {code}: {stderr.strip()}")


class PackageError(ControlPlaneError):
    """Debian packages are missing and could not be installed."""

    def __init__(self, missing: Sequence[str], why: str) -> None:
        self.missing, self.why = tuple(missing), why
        super().__init__(f"missing: {' '.join(missing)}: {why}; install them: apt-get install {' '.join(missing)}")


class NoPackageSourceError(PackageError):
    """No apt-get, no right to use it, or no mirror that answers."""


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, or a remark that there is none."""
    if not log.exists():
        return "  (no log was written)"
    with log.open(errors="replace") as text:
        return "".join(f"  {line.rstrip()}\n" for line in deque(text, maxlen=lines)) or "  (the log is empty)"
