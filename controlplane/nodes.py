"""Nodes that exist in the API only; kwok is their kubelet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from controlplane.api import Api, Json
from controlplane.errors import ControlPlaneError

CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "10000"}
READY_TIMEOUT = 60.0


def node(
    name: str, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]], capacity: Mapping[str, str]
) -> Json:
    """The object a kubelet would register."""
    own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": own | dict(labels)},
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {"capacity": dict(capacity), "allocatable": dict(capacity)},
    }


def free_names(api: Api, count: int) -> list[str]:
    """The first unused of node-1, node-2, …"""
    used = {item["metadata"]["name"] for item in _nodes(api)}
    candidates = (f"node-{n}" for n in range(1, len(used) + count + 1))
    return [name for name in candidates if name not in used][:count]


def wait_ready(api: Api, names: Sequence[str], timeout: float = READY_TIMEOUT) -> None:
    """Return when the scheduler may use all of them: Ready, and the not-ready taint lifted."""
    waited_for, deadline = set(names), time.monotonic() + timeout
    while waited_for := waited_for - {item["metadata"]["name"] for item in _nodes(api) if _usable(item)}:
        if time.monotonic() > deadline:
            raise ControlPlaneError(f"not Ready after {timeout:.0f} s: {', '.join(sorted(waited_for))}")
        time.sleep(0.05)


def _nodes(api: Api) -> list[Json]:
    items: list[Json] = api.get("/api/v1/nodes?resourceVersion=0")["items"]
    return items


def _usable(item: Json) -> bool:
    conditions = item["status"].get("conditions", [])
    taints = item["spec"].get("taints", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not any(t["key"] == "node.kubernetes.io/not-ready" for t in taints)
