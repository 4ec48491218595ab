"""python -m realnode: have everything there that a real node needs, or run one until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from typing import Annotated

import typer

from controlplane.errors import ControlPlaneError
from realnode.images import provide_images
from realnode.node import RealNode, provide_all
from realnode.runtime import Backend

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def provide() -> None:
    """Install and build what is missing."""
    provide_all(_say)
    provide_images(_say)


@app.command()
def run(backend: Annotated[Backend, typer.Option(help="What hostPorts are made with.")] = Backend.IPTABLES) -> None:
    """Run a cluster of one real node until Ctrl-C."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        with RealNode(_say, backend) as node:
            typer.echo(f"export KUBECONFIG={node.plane.kubeconfig}")
            _say(f"The node is {node.address}. A shell on it: {' '.join(node.machine.within)} sh")
            while True:
                node.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        _say("Ended.")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        app()
    except ControlPlaneError as error:
        _say(str(error))
        sys.exit(1)
