"""The Pods of one node."""

from __future__ import annotations

from collections.abc import Iterable

from hostport.api.podspec import claims
from hostport.api.ports import canonical_ip
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.foreign import is_done, pod_owner
from hostport.node.verdict import PodFacts


async def pods_of(api: Api, node: str) -> list[PodFacts]:
    """The Pods that run on a node; raises `NotFound` where there is no node of that name, and other `ApiError`s."""
    await api.get(paths.named(paths.NODES, node))
    found: list[PodFacts] = []
    query = {"fieldSelector": f"spec.nodeName={node}", "limit": "500"}
    while True:
        page = await api.get(paths.PODS, **query)
        found.extend(_facts(page["items"]))
        token = page["metadata"].get("continue")
        if not token:
            return found
        query["continue"] = token


def _facts(pods: Iterable[Json]) -> Iterable[PodFacts]:
    for pod in pods:
        if is_done(pod):
            continue
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        yield PodFacts(
            f"{meta['namespace']}/{meta['name']}",
            meta["uid"],
            pod_owner(pod),
            frozenset(canonical_ip(entry["ip"]) for entry in status.get("podIPs") or () if "ip" in entry),
            claims(spec),
            bool(spec.get("hostNetwork")),
        )
