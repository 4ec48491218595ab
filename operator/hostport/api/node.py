"""What the allocator needs to know of a Node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hostport.api.selectors import Taint


@dataclass(frozen=True, slots=True)
class Node:
    """A node's name, labels and taints. A cordoned node keeps its Pods, so cordoning is no reason to forget it."""

    name: str
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    taints: tuple[Taint, ...] = ()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Node:
        """A Node as the API server shows it."""
        taints = (raw.get("spec") or {}).get("taints") or ()
        kept = (Taint(t.get("key") or "", t.get("value") or "", t.get("effect") or "") for t in taints)
        return cls(
            raw["metadata"]["name"],
            dict(raw["metadata"].get("labels") or {}),
            tuple(t for t in kept if t.key not in _PASSING),
        )


# Put on and taken off by the node lifecycle controller or by `kubectl cordon`: they say when a node takes Pods.
_PASSING = frozenset(
    f"node.kubernetes.io/{word}"
    for word in (
        "not-ready",
        "unreachable",
        "unschedulable",
        "memory-pressure",
        "disk-pressure",
        "pid-pressure",
        "network-unavailable",
        "out-of-service",
    )
) | {"node.cloudprovider.kubernetes.io/uninitialized", "node.cloudprovider.kubernetes.io/shutdown"}
