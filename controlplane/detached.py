"""A control plane that outlives the command that started it, and the directory it is known by.

`run` holds a lock on DIR/lock for as long as it lives and has written its pid there. So `up` knows that it is
already running, and `down` ends that very process and none that has got its number since.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controlplane.errors import ControlPlaneError, tail

_REPOSITORY = Path(__file__).parents[1]
_UP_TIMEOUT, _DOWN_TIMEOUT = 120.0, 15.0


class ClusterDir:
    """The directory, by default .cluster."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.kubeconfig = self.path / "kubeconfig"
        self.log_dir = self.path / "log"
        self.own_log = self.path / "run.log"
        self._lock = self.path / "lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one that runs here."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as lock:
            if not _try(lock.fileno()):
                raise ControlPlaneError(f"a control plane is already running in {self.path}")
            self.kubeconfig.unlink(missing_ok=True)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def publish(self, kubeconfig: Path) -> None:
        """Say that it is ready: the kubeconfig appears whole."""
        partial = self.kubeconfig.with_suffix(".part")
        shutil.copy2(kubeconfig, partial)
        partial.replace(self.kubeconfig)

    def pid(self) -> int | None:
        """Who runs here now."""
        if not self._lock.exists():
            return None
        with self._lock.open() as lock:
            free = _try(lock.fileno())
            return None if free else int(lock.read() or 0) or None

    def remove(self) -> None:
        """Delete what we made, and the directory if nothing else is in it."""
        shutil.rmtree(self.log_dir, ignore_errors=True)
        for path in (self.kubeconfig, self.own_log, self._lock):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def up(directory: ClusterDir, nodes: int) -> bool:
    """Start one in the background and wait until it is ready; False if one was running."""
    if directory.pid():
        return False
    directory.path.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "controlplane", "run", f"--nodes={nodes}", f"--dir={directory.path}"]
    directory.kubeconfig.unlink(missing_ok=True)
    with directory.own_log.open("wb") as log:
        runner = subprocess.Popen(
            command, cwd=_REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _wait(lambda: directory.kubeconfig.exists() or runner.poll() is not None, _UP_TIMEOUT)
    if not directory.kubeconfig.exists():
        runner.terminate()
        raise ControlPlaneError(f"the control plane did not start:\n{tail(directory.own_log, 40)}")
    return True


def down(directory: ClusterDir) -> bool:
    """End the one that runs here; False if none did. Its directory is gone either way."""
    pid = directory.pid()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if pid and directory.pid() == pid:
            os.kill(pid, number)
            _wait(lambda: directory.pid() != pid, _DOWN_TIMEOUT)
    directory.remove()
    return pid is not None


def _wait(condition: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
