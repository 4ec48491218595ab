"""`hostport agent`: what runs on every node, if you want the nodes' own processes to be kept away from."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer


def agent(
    node: Annotated[str, typer.Option(help="This node's name; by default $NODE_NAME or the host's name.")] = "",
    root: Annotated[Path, typer.Option(help="Where the node's file system is.")] = Path("/"),
    interval: Annotated[float, typer.Option(min=1, max=300, help="Seconds between two looks.")] = 10,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log lines for machines.")] = False,
) -> None:
    """Report this node's listeners, hostPort rules and ephemeral range as a HostPortNode. It changes nothing else.

    Runs in the node's network and PID namespaces; manifests/agent has the DaemonSet and says what it needs and why.
    Writes when something has changed, and every 5 minutes as a sign of life.
    """
    from hostport.cluster.errors import ApiError
    from hostport.run.agent import AgentOptions, serve
    from hostport.run.logs import configure

    configure("json" if json_log else "plain")
    name = node or os.environ.get("NODE_NAME") or socket.gethostname().lower()
    try:
        asyncio.run(serve(AgentOptions(name, root, interval)))
    except (ApiError, OSError) as error:
        typer.echo(f"hostport: {error}", err=True)
        sys.exit(2)
