"""Nodes that exist in the API only; kwok is their kubelet."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

from controlplane.api import Api, Json
from controlplane.errors import ControlPlaneError

CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "10000"}
READY_TIMEOUT = 60.0


# Each node has a range for its Pods and an address of its own, so that what is shown looks like a cluster.
_POD_RANGES = list(ipaddress.ip_network("10.128.0.0/9").subnets(new_prefix=20))
_NODE_RANGE = ipaddress.ip_network("172.20.0.0/16")


def node(
    name: str, number: int, labels: Mapping[str, str], taints: Sequence[Mapping[str, str]], capacity: Mapping[str, str]
) -> Json:
    """The object a kubelet would register."""
    own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    addresses = {"InternalIP": str(_NODE_RANGE[number]), "Hostname": name}
    pods = str(_POD_RANGES[number % len(_POD_RANGES)])
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": own | dict(labels)},
        "spec": {"taints": [dict(taint) for taint in taints], "podCIDR": pods, "podCIDRs": [pods]},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses.items()],
            "capacity": dict(capacity),
            "allocatable": dict(capacity),
        },
    }


def free_names(api: Api, wanted: int) -> list[str]:
    """The first unused of node-1, node-2, …"""
    used = {item["metadata"]["name"] for item in _nodes(api)}
    return list(islice((name for n in count(1) if (name := f"node-{n}") not in used), wanted))


def free_numbers(api: Api) -> Iterator[int]:
    """Numbers whose addresses no node has."""
    used = {address["address"] for item in _nodes(api) for address in item["status"].get("addresses", [])}
    return (number for number in range(1, _NODE_RANGE.num_addresses - 1) if str(_NODE_RANGE[number]) not in used)


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
