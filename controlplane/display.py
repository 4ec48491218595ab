"""Show a build: bars on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from controlplane.work import Job, Stage, remaining

PLAIN_EVERY = 30.0


@contextmanager
def shown(jobs: Sequence[Job], kept_in: Path, console: Console | None = None) -> Iterator[None]:
    """Show the jobs until the block ends."""
    console = console or Console(stderr=True)
    console.print(_opening(jobs, kept_in), soft_wrap=True)
    with _bars(jobs, console) if console.is_terminal else _lines(jobs):
        yield


def _opening(jobs: Sequence[Job], kept_in: Path) -> str:
    names = ", ".join(job.target.binary for job in jobs)
    return (
        f"Building the control plane from source: {names}.\n"
        f"This happens once: {duration(remaining(jobs, 0))} on two cores and the download of Go's modules, less if Go "
        f"has built some of it before. The result is kept in {kept_in}."
    )


@contextmanager
def _bars(jobs: Sequence[Job], console: Console) -> Iterator[None]:
    began = time.monotonic()
    with Live(console=console, get_renderable=lambda: _table(jobs, began), refresh_per_second=4):
        yield


def _table(jobs: Sequence[Job], began: float) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for job in jobs:
        bar = ProgressBar(total=1.0, completed=job.fraction, width=30)
        style = "green" if job.stage is Stage.DONE else "dim" if job.stage is Stage.WAITING else ""
        table.add_row(Text(job.target.binary, style=style), bar, Text(job.note, style=style))
    return Group(table, Text(summary(jobs, time.monotonic() - began), style="bold"))


@contextmanager
def _lines(jobs: Sequence[Job]) -> Iterator[None]:
    ended = threading.Event()
    speaker = threading.Thread(target=_speak, args=(jobs, ended), daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join()


def _speak(jobs: Sequence[Job], ended: threading.Event) -> None:
    began, stages, spoke = time.monotonic(), [Stage.WAITING] * len(jobs), 0.0
    over = False
    while not over:
        over = ended.wait(0.5)
        now = [job.stage for job in jobs]
        finished = now.count(Stage.DONE) != stages.count(Stage.DONE)
        if finished or time.monotonic() - spoke > PLAIN_EVERY:
            print(summary(jobs, time.monotonic() - began), file=sys.stderr, flush=True)
            stages, spoke = now, time.monotonic()


def summary(jobs: Sequence[Job], elapsed: float) -> str:
    """One line: how many are built, what is done now, how long it took and will take."""
    done = sum(job.stage is Stage.DONE for job in jobs)
    counted = f"{done} of {len(jobs)} built after {duration(elapsed)}"
    current = [f"{job.target.binary}: {job.note}" for job in jobs if job.stage not in (Stage.DONE, Stage.WAITING)]
    if done == len(jobs):
        return counted
    return "; ".join([counted, *current, f"{duration(remaining(jobs, elapsed))} left"])


def duration(seconds: float) -> str:
    """In words, and no more exact than it is known."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
