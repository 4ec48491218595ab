"""`hostport trace PORT`: what is on a port of the node this runs on."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from hostport.api.ports import LAST_PORT, Protocol
from hostport.cli.output import Format, Output, show
from hostport.cluster.credentials import has_credentials, kubeconfig_of_node
from hostport.cluster.errors import ApiError, NotFound
from hostport.node.facts import Sight, port_of, protocol_of
from hostport.node.look import Look
from hostport.node.verdict import Kind, PodFacts, Verdict, on_port
from hostport.node.verdict import trace as judge

_API_SECONDS = 15


def trace(
    port: Annotated[str, typer.Argument(metavar="PORT[/PROTOCOL]", help="10012, or 10012/UDP.")],
    node: Annotated[
        str, typer.Option(help="This node's name in the cluster; by default $NODE_NAME or the host's name.")
    ] = "",
    root: Annotated[
        Path, typer.Option(help="Where the node's file system is; /host in a Pod of `kubectl debug node`.")
    ] = Path("/"),
    offline: Annotated[bool, typer.Option("--offline", help="Don't ask the API server.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """On a node, as root: who is on a port, a process, a hostPort's rule, a Service, or nobody.

    Reads sockets, portmap's rules of both back ends, kube-proxy's NodePorts and conntrack, and follows a rule to its
    Pod and workload: by the API server where a kubeconfig or the kubelet's own credentials reach it, else by what CNI
    has recorded on this node. Exit code 0: told; 2: could not look.

    Examples: `hostport trace 10012`, `hostport trace 53/UDP -o json`, and without a shell on the node
    `kubectl debug node/edge-1 -it --profile=sysadmin --image=hostport-agent:0.1.0 -- hostport trace 10012 --root /host`
    """
    number, protocols = _wanted(port)
    if os.geteuid() != 0:
        raise Failure("a node's rules can be read by root alone: sudo hostport trace " + port)
    if not root.is_dir():
        raise Failure(f"--root {root} is no directory; leave it out, or name where the node's file system is mounted")
    sight = Look(root).sight()
    pods = None if offline else _pods(node or os.environ.get("NODE_NAME") or socket.gethostname().lower(), root)
    protocols = protocols or _usual(sight, number)
    verdicts = judge(sight, number, protocols, pods)
    _tell_gaps(sight, verdicts)
    show([_row(verdict, output) for verdict in verdicts], output, "")


class Failure(typer.Exit):
    """One sentence on stderr, and exit code 2."""

    def __init__(self, sentence: str) -> None:
        typer.echo(f"hostport: {sentence}", err=True)
        super().__init__(2)


def _wanted(text: str) -> tuple[int, list[Protocol]]:
    number, slash, word = text.partition("/")
    port, protocol = port_of(number), protocol_of(word.lower())
    if port is None:
        raise Failure(f"{number!r} is not a port: ports are numbers from 1 to {LAST_PORT}, as in 10012 or 10012/UDP")
    if slash and protocol is None:
        raise Failure(f"{word!r} is not a protocol: {', '.join(Protocol)}, as in {port}/UDP")
    return port, [protocol] if protocol else []


def _usual(sight: Sight, port: int) -> list[Protocol]:
    """TCP and UDP, and SCTP where there is something."""
    there = on_port(sight, port)
    return [p for p in Protocol if p is not Protocol.SCTP or p in there]


def _pods(node: str, root: Path) -> list[PodFacts] | None:
    """The node's Pods by the API server; None, and a remark on stderr, where it can't be asked."""
    if not has_credentials(root):
        return None
    try:
        return asyncio.run(asyncio.wait_for(_ask(node, root), _API_SECONDS))
    except NotFound:
        why = f"the cluster has no node {node}: name this one by --node"
    except (ApiError, OSError, TimeoutError) as error:
        why = f"the API server could not be asked ({str(error) or 'no answer'})"
    typer.echo(f"hostport: {why}; going on by what is on this node", err=True)
    return None


async def _ask(node: str, root: Path) -> list[PodFacts]:
    # Imported here: where there is nobody to ask, the answer need not wait for the client.
    from hostport.cluster.client import Api
    from hostport.cluster.node_pods import pods_of

    api = await Api.connect(kubeconfig_of_node(root))
    try:
        return await pods_of(api, node)
    finally:
        await api.close()


def _tell_gaps(sight: Sight, verdicts: list[Verdict]) -> None:
    """What could not be read is said; where it leaves a protocol without an answer, that is the end."""
    for gap in sight.gaps:
        typer.echo(f"hostport: {gap}", err=True)
    if sight.gaps and all(verdict.kind is Kind.CANT_TELL for verdict in verdicts):
        raise Failure("so it can't be told what is on the port")


def _row(verdict: Verdict, output: Format) -> dict[str, object]:
    row: dict[str, object] = {**verdict._asdict(), "protocol": str(verdict.protocol), "kind": str(verdict.kind)}
    if output is Format.TABLE:
        del row["kind"]
    return row
