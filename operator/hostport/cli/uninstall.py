"""`hostport uninstall`: the operator's way out of a cluster."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from hostport.api.names import FINALIZER
from hostport.cli.look import ask
from hostport.cli.options import Context, Kubeconfig
from hostport.cli.output import Format, Output, dump
from hostport.cli.sorry import Sorry, few
from hostport.cluster import paths
from hostport.cluster.client import Api
from hostport.cluster.errors import Forbidden
from hostport.cluster.uninstall import Holdings, StillAtWork, check_stopped, holdings, let_go, stop

T = TypeVar("T")

_LEFT = (
    "kubectl delete hostportpools --all",
    "kubectl delete -k manifests/",
)


def uninstall(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take the operator out of the cluster, so that nothing is stranded when its CRDs are deleted.

    Stops its Deployment, then takes its finalizers off: HostPortBlocks first, HostPortPools last. No workload is
    touched, each keeps the hostPorts that stand in its template. It needs an administrator's permissions.
    """
    there = _ask(holdings, kubeconfig, context)
    steps = _steps(there)
    if output is Format.TABLE:
        _announce(steps, there)
    if dry_run or not steps:
        return _report(steps, there, output, done=not steps)
    if not yes:
        _confirm()
    _ask(lambda api: _carry_out(api, there), kubeconfig, context)
    return _report(steps, there, output, done=True)


def _ask(question: Callable[[Api], Awaitable[T]], kubeconfig: str | None, context: str | None) -> T:
    try:
        return ask(question, kubeconfig, context)
    except Forbidden as error:
        if error.status == 401:
            raise
        raise Sorry(f"{error.message}; this is for an administrator: choose another --context, or ask one") from error


def _steps(there: Holdings) -> list[str]:
    said = [f"scale Deployment {name} to 0 and wait until its Pods are gone" for name in there.operators]
    for kind, names in (("HostPortBlocks", there.blocks), ("HostPortPools", there.pools)):
        if names:
            said.append(f"take the finalizer {FINALIZER} off {len(names)} {kind}: {few(list(names))}")
    return said


def _announce(steps: list[str], there: Holdings) -> None:
    if steps:
        typer.echo("To be done, in this order:")
        for number, step in enumerate(steps, 1):
            typer.echo(f"  {number}. {step}")
    else:
        typer.echo("No operator runs here as a Deployment, and no pool or block has its finalizer: nothing to be done.")
    typer.echo(f"Workloads with hostPorts from a pool: {len(there.workloads)}. They keep them, and are not touched.")


def _confirm() -> None:
    if not sys.stdin.isatty() and sys.stdin.closed:
        raise Sorry("nobody is there to be asked: --yes goes ahead")
    try:
        agreed = typer.confirm("Go ahead?")
    except typer.Abort as error:
        raise Sorry("nobody has answered: --yes goes ahead") from error
    if not agreed:
        raise Sorry("nothing was done")


async def _carry_out(api: Api, there: Holdings) -> None:
    try:
        for operator in there.operators:
            await stop(api, operator)
        for namespace in {name.split("/")[0] for name in there.operators} or {"hostport-system"}:
            await check_stopped(api, namespace)
    except StillAtWork as error:
        raise Sorry(str(error)) from error
    # Looked for anew: an operator may have written until it was stopped.
    now = await holdings(api)
    for path, names in ((paths.BLOCKS, now.blocks), (paths.POOLS, now.pools)):
        for name in names:
            await let_go(api, path, name)


def _report(steps: list[str], there: Holdings, output: Format, *, done: bool) -> None:
    if output is not Format.TABLE:
        dump({"done": done, "steps": steps, "workloads": list(there.workloads), "left": list(_LEFT)}, output)
    elif done:
        typer.echo("Done. The leases stay written in the pools: an operator that comes back takes them up again.")
        typer.echo("What is left to delete, whenever you like:")
        for command in _LEFT:
            typer.echo(f"  {command}")
