"""The operator's way out of a cluster: it is stopped, then its finalizers come off, blocks first, pools last.

The other way round a block would be left behind: its pool goes, the garbage collector deletes the block, and its
finalizer keeps it for ever. And an operator that is at work puts the finalizer back with the next number it gives.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hostport.api.names import FINALIZER
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.election import NAME
from hostport.cluster.errors import Conflict, NotFound
from hostport.cluster.reader import pages

_LABEL = "app.kubernetes.io/name=hostport-operator"
_ALL_DEPLOYMENTS = paths.workloads("Deployment")
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What keeps the operator in a cluster: its Deployments (namespace/name), and pools and blocks with its finalizer.

    `workloads` have numbers, and keep them.
    """

    operators: tuple[str, ...]
    blocks: tuple[str, ...]
    pools: tuple[str, ...]
    workloads: tuple[str, ...]


class StillAtWork(Exception):
    """An operator has not stopped."""


async def holdings(api: Api) -> Holdings:
    """What there is; raises `ApiError`."""
    operators: list[str] = []
    owners: set[str] = set()
    held: dict[str, list[str]] = {paths.BLOCKS: [], paths.POOLS: []}

    def take_operator(raw: Json) -> None:
        operators.append(f"{raw['metadata']['namespace']}/{raw['metadata']['name']}")

    def take(path: str, raw: Json) -> None:
        if FINALIZER in (raw["metadata"].get("finalizers") or ()):
            held[path].append(raw["metadata"]["name"])
        leases = ((raw.get("status") or {}).get("leases") or {}).values()
        owners.update(lease["owner"] for lease in leases if lease.get("owner") and not lease.get("released"))

    await pages(api, _ALL_DEPLOYMENTS, take_operator, labelSelector=_LABEL)
    for path in held:
        await pages(api, path, lambda raw, path=path: take(path, raw))  # type: ignore[misc]
    return Holdings(tuple(operators), tuple(held[paths.BLOCKS]), tuple(held[paths.POOLS]), tuple(sorted(owners)))


async def stop(api: Api, operator: str) -> None:
    """Scale an operator's Deployment to 0 and wait until its Pods are gone; raises `StillAtWork`."""
    namespace, name = operator.split("/")
    path = paths.named(paths.workloads("Deployment", namespace), name)
    await api.patch(path, {"spec": {"replicas": 0}})
    for _ in range(int(_PATIENCE_SECONDS / _LOOK_SECONDS)):
        # Pods that are terminating are in no count of the Deployment's, so the Pods themselves are asked for.
        selector = (await api.get(path))["spec"]["selector"]["matchLabels"]
        words = ",".join(f"{key}={value}" for key, value in selector.items())
        if not (await api.get(paths.pods(namespace), labelSelector=words, limit="1"))["items"]:
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise StillAtWork(
        f"Pods of {operator} are still there after {_PATIENCE_SECONDS:.0f} s: kubectl -n {namespace} get pods"
    )


async def check_stopped(api: Api, namespace: str) -> None:
    """Nobody renews the leader's Lease; raises `StillAtWork`."""
    try:
        spec = (await api.get(paths.named(paths.leases(namespace), NAME)))["spec"]
    except NotFound:
        return
    if spec.get("holderIdentity") and spec.get("renewTime"):
        renewed = datetime.fromisoformat(spec["renewTime"])
        if datetime.now(UTC) - renewed < timedelta(seconds=spec.get("leaseDurationSeconds") or 15):
            raise StillAtWork(f"an operator is at work as {spec['holderIdentity']}: end it first")


async def let_go(api: Api, path: str, name: str) -> None:
    """Take our finalizer off a pool or block; what is gone already is gone."""
    path = paths.named(path, name)
    while True:
        try:
            meta = (await api.get(path))["metadata"]
            kept = [word for word in meta.get("finalizers") or () if word != FINALIZER]
            body = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": kept}}
            await api.patch(path, body)
        except Conflict:
            continue  # somebody wrote it just now
        except NotFound:
            pass
        return
