"""What the allocator needs to know of a Node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hostport.api.selectors import Taint


@dataclass(frozen=True, slots=True)
class Node:
    """A node's name, labels and taints. A cordoned node keeps its Pods, so cordoning is no reason to forget it.

    `takes_pods`: new Pods can go there now. What is on which port does not depend on it.
    """

    name: str
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    taints: tuple[Taint, ...] = ()
    takes_pods: bool = field(default=True, compare=False)

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Node:
        """A Node as the API server shows it."""
        spec = raw.get("spec") or {}
        kept = spec.get("taints") or ()
        taints = [Taint(t.get("key") or "", t.get("value") or "", t.get("effect") or "") for t in kept]
        closed = spec.get("unschedulable") or any(t.key in _PASSING and t.repels for t in taints)
        return cls(
            raw["metadata"]["name"],
            dict(raw["metadata"].get("labels") or {}),
            tuple(t for t in taints if t.key not in _PASSING),
            not closed,
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
