"""A look at the cluster, from a terminal."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hostport.cluster.client import Api
from hostport.cluster.survey import Survey
from hostport.diagnosis.check import Finding, check

T = TypeVar("T")


def ask(question: Callable[[Api], Awaitable[T]], kubeconfig: str | None = None, context: str | None = None) -> T:
    """What `question` makes of a connection to the cluster; raises `ApiError`."""

    async def put() -> T:
        api = await Api.connect(kubeconfig, context)
        try:
            return await question(api)
        finally:
            await api.close()

    # A command asks once, and says itself what has failed.
    logging.getLogger("hostport").addHandler(logging.NullHandler())
    # A command lives for seconds and makes many small objects, none of them in circles: looking for circles among
    # them takes longer than reading them.
    gc.disable()
    return asyncio.run(put())


def look(kubeconfig: str | None = None, context: str | None = None, *, strict: bool = True) -> Survey:
    """The whole cluster, as far as it is about ports; raises `ApiError`. Unless `strict`, it may be without pools."""

    async def make(api: Api) -> Survey:
        survey = Survey(api)
        await survey.make(strict=strict)
        return survey

    return ask(make, kubeconfig, context)


def findings(kubeconfig: str | None = None, context: str | None = None) -> list[Finding]:
    """What does not agree in a cluster; raises `ApiError`."""
    return check(ask(lambda api: Survey(api).make(), kubeconfig, context))


async def find(kubeconfig: str | None = None) -> list[Finding]:
    """What does not agree in a cluster; raises `ApiError`."""
    api = await Api.connect(kubeconfig)
    try:
        return check(await Survey(api).make())
    finally:
        await api.close()
