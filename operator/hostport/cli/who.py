"""`hostport who`: who holds a port, on which nodes, and by what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from hostport.allocation.occupancy import Nodes
from hostport.allocation.state import State
from hostport.api.ports import Protocol
from hostport.cli.arguments import chosen_nodes, parse_port
from hostport.cli.look import look
from hostport.cli.options import AllNamespaces, Context, Kubeconfig, Namespace, NodeName
from hostport.cli.output import Format, Output, show
from hostport.cli.sorry import known
from hostport.diagnosis.holders import Holder, holders
from hostport.diagnosis.offers import offers


def who(
    port: Annotated[str, typer.Argument(metavar="PORT[/PROTO]", help="10012, or 10012/UDP.", show_default=False)],
    node: NodeName = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Who holds a port, on which nodes, and by what: a Pod, a lease, a Service's nodePort, a template.

    Works in any cluster, with the operator or without.
    """
    number, protocols = parse_port(port)
    state = look(kubeconfig, context, strict=False).state
    nodes = chosen_nodes(state, node)
    found = holders(state, protocols, number, nodes)
    if namespace is not None and not all_namespaces:
        known("namespace", namespace, state.namespaces)
        found = [holder for holder in found if holder.namespace == namespace]
    hint = _hint(state, number, protocols, nodes)
    show([_row(h) for h in found], output, f"Nobody holds {port}. {hint}", [_told(h) for h in found], hint)


def _row(holder: Holder) -> dict[str, Any]:
    return {
        "port": holder.port,
        "protocol": str(holder.protocol),
        "hostIP": holder.ip,
        "holder": holder.owner,
        "how": holder.how,
        "nodes": None if holder.nodes is None else sorted(holder.nodes),
        "pods": [{"name": name, "node": node} for name, node in sorted(holder.pods.items())],
        "waiting": sorted(holder.waiting),
    }


def _told(holder: Holder) -> dict[str, Any]:
    address = f"[{holder.ip}]:" if holder.ip else ""
    pods = [f"{name} on {node}" for name, node in sorted(holder.pods.items())]
    return {
        "port": f"{address}{holder.port}/{holder.protocol}",
        "held by": holder.owner if holder.how else f"nobody; {holder.owner} waits for it",
        "how": "; ".join(holder.how),
        "nodes": "every node" if holder.nodes is None else sorted(holder.nodes),
        "pods": pods + [f"{name} (Pending)" for name in sorted(holder.waiting)],
    }


def _hint(state: State, port: int, protocols: Iterable[Protocol], nodes: Nodes | None) -> str:
    """Which pools hand the number out, and which free one is the nearest."""
    if not state.pools:
        return "There is no HostPortPool."
    serving = sorted(pool.name for pool in state.pools.values() if port in pool.all_ports)
    said = f"Handed out by pool {', '.join(serving)}." if serving else "No pool hands it out."
    near = [(offer.nearest(port), offer.pool.name) for offer in offers(state, protocols, nodes)]
    free = [f"{number} in pool {pool}" for number, pool in near if number is not None]
    return f"{said} The nearest free number: {', '.join(free[:3])}." if free else f"{said} No pool has a free number."
