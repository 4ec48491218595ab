"""The commands: up, down, run, binaries."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from controlplane.cluster import ControlPlane
from controlplane.detached import ClusterDir, down, up
from controlplane.errors import ControlPlaneError
from controlplane.provide import look, provide

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

Nodes = Annotated[int, typer.Option(help="How many kwok nodes to add.")]
Dir = Annotated[Path, typer.Option("--dir", help="Where the kubeconfig and the logs are.")]

_DEFAULT_DIR = Path(".cluster")


@app.command("up")
def up_command(nodes: Nodes = 2, directory: Dir = _DEFAULT_DIR) -> None:
    """Start a control plane in the background and leave it running."""
    provide()
    cluster = ClusterDir(directory)
    began = time.monotonic()
    started = up(cluster, nodes)
    typer.echo(f"Ready after {time.monotonic() - began:.1f} s." if started else "It is already running.", err=True)
    typer.echo(f"export KUBECONFIG={cluster.kubeconfig}")


@app.command("down")
def down_command(directory: Dir = _DEFAULT_DIR) -> None:
    """End the control plane that `up` or `run` started here."""
    ended = down(ClusterDir(directory))
    typer.echo("Ended." if ended else "Nothing is running here.", err=True)


@app.command()
def run(
    nodes: Nodes = 2,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where to put the kubeconfig and the logs.")] = None,
) -> None:
    """Run a control plane until Ctrl-C."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    cluster = ClusterDir(directory) if directory else None
    held: AbstractContextManager[None] = cluster.held() if cluster else nullcontext()
    try:
        with held, ControlPlane(log_dir=cluster.log_dir if cluster else None) as control_plane:
            control_plane.add_nodes(nodes)
            _announce(control_plane, cluster)
            _watch(control_plane)
    except KeyboardInterrupt:
        typer.echo("Ended.", err=True)


@app.command()
def binaries() -> None:
    """Say which binaries are used; build those that are missing."""
    provide(say=lambda line: typer.echo(line, err=True))
    lookup = look()
    for remark in lookup.passed_over:
        typer.echo(remark, err=True)
    for name, found in sorted(lookup.found.items()):
        typer.echo(f"{name:24} {found.place.label:20} {found.path}")


def main() -> None:
    """Run a command; what went wrong is said without a traceback."""
    try:
        app()
    except ControlPlaneError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _announce(control_plane: ControlPlane, cluster: ClusterDir | None) -> None:
    if cluster:
        cluster.publish(control_plane.kubeconfig)
    kubeconfig = cluster.kubeconfig if cluster else control_plane.kubeconfig
    typer.echo(f"export KUBECONFIG={kubeconfig}")
    typer.echo("Running until Ctrl-C.", err=True)


def _watch(control_plane: ControlPlane) -> None:
    while True:
        control_plane.check()
        time.sleep(0.5)


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt
