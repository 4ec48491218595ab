"""A look at the cluster, from a terminal: what goes wrong ends as one sentence and exit code 2."""

from __future__ import annotations

import asyncio

import typer

from hostport.cluster.client import Api
from hostport.cluster.errors import ApiError
from hostport.cluster.survey import Survey
from hostport.diagnosis.check import Finding, check


def findings() -> list[Finding]:
    """What does not agree in the cluster of $KUBECONFIG; ends the process with code 2 if it can't be read."""
    try:
        return asyncio.run(find())
    except (ApiError, OSError) as error:
        typer.echo(f"hostport: {error}", err=True)
        raise typer.Exit(2) from error


async def find(kubeconfig: str | None = None) -> list[Finding]:
    """What does not agree in a cluster; raises `ApiError`."""
    api = await Api.connect(kubeconfig)
    try:
        return check(await Survey(api).make())
    finally:
        await api.close()
