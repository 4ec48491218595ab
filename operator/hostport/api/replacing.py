"""Workloads that do not replace their Pods by themselves when the template changes."""

from __future__ import annotations

from typing import Any


def left_to_you(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> str:
    """How the Pods of such a workload come to be replaced, as the end of a sentence; empty where they simply are.

    `spec` is the workload's own. Sources: `updateStrategy.type`, `rollingUpdate.partition` and `paused` in the API
    reference of apps/v1; a ReplicaSet only ever counts its Pods.
    """
    if kind == "ReplicaSet":
        return f"which a ReplicaSet leaves to you: {_delete(namespace, spec)}"
    if kind == "Deployment" and spec.get("paused"):
        return f"which begins when it is resumed: kubectl -n {namespace} rollout resume deployment/{name}"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return f"which updateStrategy OnDelete leaves to you: {_delete(namespace, spec)}"
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    if partition:
        return f"and those below ordinal {partition} are not until updateStrategy.rollingUpdate.partition is lowered"
    return ""


def _delete(namespace: str, spec: dict[str, Any]) -> str:
    selector = spec.get("selector") or {}
    labels = ",".join(f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items()))
    if not labels or selector.get("matchExpressions"):
        return "delete its Pods"
    return f"kubectl -n {namespace} delete pod -l {labels}"
