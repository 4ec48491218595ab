"""`hostport run`: the operator."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer


class LogFormat(StrEnum):
    """How log lines are written."""

    PLAIN = "plain"
    JSON = "json"


def run(
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Where /metrics is served; 0 picks one.")] = 9095,
    health_port: Annotated[int, typer.Option(min=0, max=65535, help="Where probes are served; 0 picks one.")] = 8081,
    namespace: Annotated[str, typer.Option(help="Serve the workloads of this namespace alone.")] = "",
    service_node_port_range: Annotated[
        str, typer.Option(help="As kube-apiserver's flag of that name.")
    ] = "30000-32767",
    pod_security_exempt_namespaces: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="Namespaces that the API server's Pod Security configuration exempts, whatever their labels say.",
        ),
    ] = "",
    leader_elect: Annotated[
        bool | None,
        typer.Option(
            "--leader-elect/--no-leader-elect",
            help="Of several replicas one works, by the Lease hostport-operator in $POD_NAMESPACE. Default: in a Pod.",
            show_default=False,
        ),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="For people or for machines.")] = LogFormat.PLAIN,
) -> None:
    """Run the operator against the cluster of $KUBECONFIG, ~/.kube/config, or the Pod this runs in."""
    # Imported here: the other commands need neither kopf nor its sixty megabytes.
    from hostport.api.errors import BadRange
    from hostport.api.ports import parse_range
    from hostport.run.logs import configure
    from hostport.run.main import Options, serve

    try:
        node_ports = parse_range(service_node_port_range)
    except BadRange as error:
        raise typer.BadParameter(str(error), param_hint="--service-node-port-range") from error
    exempt = frozenset(name.strip() for name in pod_security_exempt_namespaces.split(",") if name.strip())
    configure(log_format.value)
    options = Options(metrics_port, health_port, namespace, exempt, node_ports, leader_elect)
    asyncio.run(serve(options))
