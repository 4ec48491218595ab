"""One component: started, watched until healthy, killed and restarted on the same port and data."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from controlplane.errors import ComponentError
from controlplane.spawn import Child, spawn

START_TIMEOUT = 180.0


class Process:
    """A component of the control plane."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, healthy: Callable[[], bool]) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self._healthy = healthy
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The running child's pid."""
        return self._child.pid if self._child and self.running else None

    @property
    def running(self) -> bool:
        """Whether there is a child and it has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and return at once."""
        if not self.running:
            self._child = spawn(self.argv, self.log)

    def wait_healthy(self, timeout: float = START_TIMEOUT) -> None:
        """Return as soon as its health endpoint says ok; raise if it ends first."""
        deadline = time.monotonic() + timeout
        while not self._healthy():
            self.check()
            if time.monotonic() > deadline:
                raise ComponentError(self.name, f"was not healthy after {timeout:.0f} s", self.log)
            time.sleep(0.05)

    def check(self) -> None:
        """Raise if it has ended."""
        if self._child is not None and (code := self._child.poll()) is not None:
            raise ComponentError(self.name, f"ended with code {code}", self.log)

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no goodbye."""
        if self._child:
            self._child.kill()
            self._child.wait()

    def terminate(self) -> None:
        """Ask it to end and return at once."""
        if self._child and self.running:
            self._child.send_signal(signal.SIGTERM)

    def stop(self, grace: float = 3.0) -> None:
        """Ask it to end; kill it when the grace is over."""
        self.terminate()
        try:
            if self._child:
                self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self, timeout: float = START_TIMEOUT) -> None:
        """Start it again, on the same port and data, and wait until it is healthy."""
        self.stop()
        self.start()
        self.wait_healthy(timeout)
