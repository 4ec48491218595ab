"""The Pods of one node, and the credentials that a node has."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hostport.api.podspec import claims
from hostport.api.ports import canonical_ip
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.foreign import is_done, pod_owner
from hostport.node.verdict import PodFacts

# The kubelet's own: kubeadm, then other installers, k3s, RKE2. It may list the Pods of its node.
_KUBELET = (
    "etc/kubernetes/kubelet.conf",
    "var/lib/kubelet/kubeconfig",
    "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
)


def kubeconfig_of_node(root: Path) -> str | None:
    """The kubelet's kubeconfig, where neither the environment nor the home directory names one."""
    if _has_own():
        return None
    return next((str(root / path) for path in _KUBELET if (root / path).exists()), None)


def has_credentials(root: Path) -> bool:
    """Whether there is anything to reach the API server with."""
    return _has_own() or kubeconfig_of_node(root) is not None


def _has_own() -> bool:
    named = any(os.environ.get(name) for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"))
    return named or (Path.home() / ".kube" / "config").exists()


async def pods_of(api: Api, node: str) -> list[PodFacts]:
    """The Pods that run on a node; raises `NotFound` where there is no node of that name, and other `ApiError`s."""
    await api.get(f"{paths.NODES}/{node}")
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
