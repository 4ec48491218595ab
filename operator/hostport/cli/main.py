"""`hostport` and `kubectl hostport`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from hostport.cli.agent import agent
from hostport.cli.check import check
from hostport.cli.explain import explain
from hostport.cli.free import free
from hostport.cli.map import map
from hostport.cli.options import examples
from hostport.cli.pools import pools
from hostport.cli.run import run
from hostport.cli.sorry import Sorry, sentence
from hostport.cli.trace import trace
from hostport.cli.uninstall import uninstall
from hostport.cli.who import who
from hostport.cluster.errors import ApiError

_ABOUT = "Hands out hostPorts on Kubernetes: never the same one twice, and it can say who has yours."

app = typer.Typer(
    name="hostport", help=_ABOUT, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
# Each command with examples of its use.
for _command, *_shown in (
    (who, "hostport who 10012", "hostport who 53/UDP --node edge-1", "hostport who 10012 -o json"),
    (explain, "hostport explain deploy/web", "hostport explain -A", "kubectl hostport explain pod/web-5d4f9 -n web"),
    (free, "hostport free", "hostport free --pool edge --node edge-1 --count 3", "hostport free -n web -o json"),
    (pools, "hostport pools", "hostport pools -n web -o yaml"),
    (map, "hostport map", "hostport map --pool edge --node edge-1", "hostport map -o json"),
    (trace, "sudo hostport trace 10012", "sudo hostport trace 53/UDP -o json"),
    (check, "hostport check", "hostport check -o json"),
    (agent, "hostport agent"),
    (uninstall, "hostport uninstall --dry-run", "hostport uninstall --yes"),
    (run, "hostport run --namespace web --log-format json"),
):
    app.command(epilog=examples(*_shown))(_command)


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


def main() -> None:
    """The entry point of both commands; what can't be done ends as one sentence and exit code 2."""
    try:
        app()
    except (ApiError, Sorry, OSError) as error:
        typer.echo(f"hostport: {sentence(error)}", err=True)
        sys.exit(2)
