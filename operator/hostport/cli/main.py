"""`hostport` and `kubectl hostport`."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated

import typer

from hostport.cli.agent import agent
from hostport.cli.output import Format, Output, show
from hostport.cli.trace import trace

app = typer.Typer(
    name="hostport",
    help="Hands out hostPorts on Kubernetes: never the same one twice, and it can say who has yours.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class LogFormat(StrEnum):
    """How log lines are written."""

    PLAIN = "plain"
    JSON = "json"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hostport {version('hostport-operator')}")
        raise typer.Exit


@app.callback()
def hostport(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hands out hostPorts on Kubernetes: never the same one twice, and it can say who has yours."""


@app.command()
def run(
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Where /metrics is served; 0 picks one.")] = 9095,
    health_port: Annotated[int, typer.Option(min=0, max=65535, help="Where probes are served; 0 picks one.")] = 8081,
    namespace: Annotated[str, typer.Option(help="Serve the workloads of this namespace alone.")] = "",
    service_node_port_range: Annotated[
        str, typer.Option(help="As kube-apiserver's flag of that name.")
    ] = "30000-32767",
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
    import uvloop

    from hostport.api.errors import BadRange
    from hostport.api.ports import parse_range
    from hostport.cluster.errors import ApiError
    from hostport.run.logs import configure
    from hostport.run.main import Options, serve

    try:
        options = Options(metrics_port, health_port, namespace, parse_range(service_node_port_range), leader_elect)
    except BadRange as error:
        raise typer.BadParameter(str(error), param_hint="--service-node-port-range") from error
    configure(log_format.value)
    try:
        uvloop.run(serve(options))
    except (ApiError, OSError) as error:
        typer.echo(f"hostport: {error}", err=True)
        sys.exit(2)


@app.command()
def check(output: Output = Format.TABLE) -> None:
    """Compare the ledger with the cluster. Exit code 0: they agree; 1: findings; 2: could not look.

    Overlapping leases, numbers without a lease, leases without a workload or not in its template, counts that don't add
    up, quotas that are overrun. While the operator is at work a finding may be one of a moment: look again.
    """
    from hostport.cli.look import findings

    found = findings()
    show([f._asdict() for f in found], output, "The ledger and the cluster agree.")
    raise typer.Exit(1 if found else 0)


app.command()(trace)
app.command()(agent)


def main() -> None:
    """The entry point of both commands."""
    app()
