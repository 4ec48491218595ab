"""python -m demo."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer
from rich.console import Console

from controlplane.errors import ControlPlaneError
from controlplane.provide import provide
from demo import ground, story
from demo.errors import Surprise
from demo.ground import Choice, Ground, decided
from demo.play import Play
from demo.stage import Stage
from demo.world import raised
from realnode.node import provide_all

_INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    on: Annotated[
        Choice, typer.Option(envvar="DEMO", help="A real node, one of paper, or the real one where it can be had.")
    ] = Choice.AUTO,
    nodes: Annotated[int, typer.Option(min=1, help="Of paper. With more than one, nobody is in anybody's way.")] = 1,
    patience: Annotated[float, typer.Option(help="How many seconds a thing may take to come to be.")] = 60.0,
) -> None:
    """Play the story of the three nginx Deployments on a real API server, and on a real node where one can be had."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    stage = Stage(Console(highlight=False))
    try:
        sys.exit(_perform(stage, on, nodes, patience))
    except KeyboardInterrupt:
        stage.say("Interrupted; nothing is left running.")
        sys.exit(_INTERRUPTED)


def _perform(stage: Stage, on: Choice, nodes: int, patience: float) -> int:
    """Raise the cluster, play all scenes, take everything down; the exit code."""
    is_real, why = decided(on, nodes)
    stage.open("hostport-operator", story.playbill(is_real, why))
    try:
        whole = _real(stage) if is_real else _paper(stage, nodes)
        with whole as (cluster, began), raised(cluster) as world:
            stage.tick(f"The cluster is up after {time.monotonic() - began:.1f} s.")
            return _play(Play(stage, world, patience), began)
    except ControlPlaneError as error:
        stage.fail("There is no cluster to play on", [("Why", str(error))])
        return 1


@contextmanager
def _paper(stage: Stage, nodes: int) -> Iterator[tuple[Ground, float]]:
    """The cluster, and when its start began: what has to be built once is built before."""
    binaries = provide()
    began = time.monotonic()
    with ExitStack() as stack:
        with stage.waiting("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok"):
            cluster = stack.enter_context(ground.paper(binaries, nodes))
        yield cluster, began


@contextmanager
def _real(stage: Stage) -> Iterator[tuple[Ground, float]]:
    provide_all(stage.say)
    began = time.monotonic()
    with ExitStack() as stack:
        with stage.waiting("starting etcd, kube-apiserver and the others, containerd, kubelet, kube-proxy"):
            cluster = stack.enter_context(ground.real(stage.say))
        yield cluster, began


def _play(play: Play, began: float) -> int:
    for scene in story.SCENES:
        try:
            scene(play)
        except (Surprise, ControlPlaneError) as error:
            expected, came = (error.expected, error.came) if isinstance(error, Surprise) else ("no error", str(error))
            log = play.world.operator_log
            details = [("Expected", expected), ("Came", came), ("The end of the operator's log", log)]
            play.stage.fail(f"This scene did not come out: {play.stage.headline}", details)
            return 1
    took = time.monotonic() - began
    play.stage.close(f"Played in {took:.0f} s; everything came out", story.EPILOGUE)
    return 0


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app()
