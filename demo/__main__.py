"""python -m demo."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console

from controlplane.errors import ControlPlaneError
from controlplane.provide import provide
from demo import story
from demo.errors import Surprise
from demo.play import Play
from demo.stage import Stage
from demo.world import raised

_INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    nodes: Annotated[int, typer.Option(min=1, help="With more than one, nobody is in anybody's way.")] = 1,
    patience: Annotated[float, typer.Option(help="How many seconds a thing may take to come to be.")] = 30.0,
) -> None:
    """Play the story of the three nginx Deployments on a real API server."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    stage = Stage(Console(highlight=False))
    try:
        sys.exit(_perform(stage, nodes, patience))
    except KeyboardInterrupt:
        stage.say("Interrupted; nothing is left running.")
        sys.exit(_INTERRUPTED)


def _perform(stage: Stage, nodes: int, patience: float) -> int:
    """Raise the cluster, play all scenes, take everything down; the exit code."""
    stage.open("hostport-operator", story.PLAYBILL)
    try:
        binaries = provide()
        began = time.monotonic()
        with ExitStack() as stack:
            with stage.waiting("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok"):
                world = stack.enter_context(raised(binaries, nodes))
            stage.tick(f"The cluster is up after {time.monotonic() - began:.1f} s.")
            return _play(Play(stage, world, patience), began)
    except ControlPlaneError as error:
        stage.fail("There is no cluster to play on", [("Why", str(error))])
        return 1


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
