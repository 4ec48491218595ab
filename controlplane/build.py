"""Build what was not found. A binary appears under its name only when it is whole."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from controlplane.display import shown
from controlplane.errors import BuildError
from controlplane.golang import Go, Say, find_go
from controlplane.recipe import TARGETS
from controlplane.work import Job, Stage

_PARTIAL = ".part"
_CACHED = "not installed but available in build cache"
_STALE = f'{{{{if .Stale}}}}{{{{if ne .StaleReason "{_CACHED}"}}}}{{{{.ImportPath}}}}{{{{end}}}}{{{{end}}}}'
_ADVICE = {
    "no space left on device": "The disk is full. Go builds in $TMPDIR and keeps its work in `go env GOCACHE`.",
    "signal: killed": "Most likely memory ran out: set GOFLAGS=-p=1, so that one package is compiled at a time.",
    "SECURITY ERROR": "What was downloaded is not what go.sum pins. Ask whoever runs your GOPROXY.",
    "dial tcp": "Go's modules could not be downloaded: check the network, or set GOPROXY.",
    "no such host": "Go's modules could not be downloaded: check the network, or set GOPROXY.",
}
_OTHERWISE = "`python -m controlplane binaries` tries again. KUBEBUILDER_ASSETS may name a folder with ready binaries."


def build(names: Sequence[str], root: Path, say: Say) -> None:
    """Build these into the cache; while another process builds, wait for it and take what it built."""
    with locked(root, say):
        sweep(root)
        jobs = [Job(TARGETS[name]) for name in names if not (_directory(name, root) / name).exists()]
        if not jobs:
            return
        go = find_go(jobs[0].target.module, root, say)
        with shown(jobs, root):
            for job in jobs:
                _build(job, go, root)


@contextmanager
def locked(root: Path, say: Say) -> Iterator[None]:
    """Hold the cache's lock; the kernel gives it up for us when we die."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "build.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"Process {lock.read().strip()} is building right now: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def sweep(root: Path) -> None:
    """Delete what an interrupted build left. Nobody else is writing: we hold the lock."""
    for left in root.glob(f"*/.*{_PARTIAL}"):
        left.unlink()


def _directory(name: str, root: Path) -> Path:
    return TARGETS[name].module.cache_in(root)


def _build(job: Job, go: Go, root: Path) -> None:
    directory = _directory(job.target.binary, root)
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / f".{job.target.binary}{_PARTIAL}"
    job.stage = Stage.READING
    job.packages = len(_stale_packages(job, go))
    job.stage = Stage.COMPILING if job.packages else Stage.LINKING
    _compile(job, go, partial)
    _sync(partial)
    partial.replace(directory / job.target.binary)
    job.stage = Stage.DONE


def _stale_packages(job: Job, go: Go) -> list[str]:
    def on_line(line: str) -> None:
        job.downloaded += line.startswith("go: downloading ")

    stdout = _run(job, go, ["list", "-deps", "-f", _STALE], on_line)
    return [line for line in stdout.splitlines() if line]


def _compile(job: Job, go: Go, output: Path) -> None:
    def on_line(line: str) -> None:
        job.compiled += not line.startswith(("go: ", "#"))
        if job.compiled >= job.packages:
            job.stage = Stage.LINKING

    _run(job, go, ["build", "-v", "-o", str(output)], on_line)


def _run(job: Job, go: Go, arguments: list[str], on_line: Callable[[str], None]) -> str:
    target = job.target
    command = [str(go.executable), arguments[0], *target.module.flags, *arguments[1:], target.package]
    last: deque[str] = deque(maxlen=20)
    with tempfile.TemporaryFile("w+") as stdout, _started(command, target.module.directory, go, stdout) as process:
        for line in process.stderr or ():
            last.append(line.rstrip())
            on_line(line)
        if process.wait():
            raise BuildError(target.binary, "\n".join(last), _advice("\n".join(last)))
        stdout.seek(0)
        return stdout.read()


@contextmanager
def _started(command: list[str], directory: Path, go: Go, stdout: IO[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, cwd=directory, env=dict(go.environment), stdout=stdout, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # Ctrl-C: go ends its compilers; without effect when it has ended by itself


def _sync(path: Path) -> None:
    # A rename may reach the disk before the data does; after a power cut the name would stand for half a file.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _advice(output: str) -> str:
    return next((advice for symptom, advice in _ADVICE.items() if symptom in output), _OTHERWISE)
