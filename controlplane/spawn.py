"""Start children that cannot outlive this process, whichever thread asks for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from queue import SimpleQueue

_SHIM = Path(__file__).with_name("dies_with_parent.py")

Child = subprocess.Popen[bytes]


def spawn(argv: Sequence[str], log: Path) -> Child:
    """Start a child in a session of its own (Ctrl-C is ours to handle), its output appended to the log."""
    future: Future[Child] = Future()
    _requests().put((list(argv), log, future))
    return future.result()


@cache
def _requests() -> SimpleQueue[tuple[list[str], Path, Future[Child]]]:
    # Linux sends the parent's death signal when the *thread* that forked ends. A child started from a pool's worker
    # would die with that worker, so that one thread which lives as long as the process starts them all.
    requests: SimpleQueue[tuple[list[str], Path, Future[Child]]] = SimpleQueue()
    threading.Thread(target=_serve, args=(requests,), name="controlplane-spawn", daemon=True).start()
    return requests


def _serve(requests: SimpleQueue[tuple[list[str], Path, Future[Child]]]) -> None:
    while True:
        argv, log, future = requests.get()
        try:
            future.set_result(_popen(argv, log))
        except Exception as error:  # noqa: BLE001 - it is raised where spawn() was called
            future.set_exception(error)


def _popen(argv: list[str], log: Path) -> Child:
    if sys.platform == "linux":
        argv = [sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()), *argv]
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=log.parent
        )
