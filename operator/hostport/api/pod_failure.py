"""Pods that the API server refuses to let a workload make."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# What is refused for a while, or for a reason that no hostPort is: it comes back when that is over.
_OTHER_REASONS = (
    "exceeded quota",
    "failed calling webhook",
    "failed quota:",
    "because it is being terminated",
    "error looking up service account",
    "no PriorityClass with name",
    "usage per Container",
    "usage per Pod",
)
_DENIALS = ("is forbidden:", "denied the request", "denied request")


def pod_failure(kind: str, raw: Json) -> str:
    """Why no Pod of the present revision could ever be made, in the API server's words; the empty string otherwise.

    Only Deployments and ReplicaSets say it in a condition (`ReplicaFailure`, pkg/controller/controller_utils.go); the
    other kinds have events. Of a Deployment whose rollout has ever come to its end (`NewReplicaSetAvailable`) the
    revision has had Pods.
    """
    if kind not in ("Deployment", "ReplicaSet"):
        return ""
    status, generation = raw.get("status") or {}, raw["metadata"].get("generation", 0)
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    failure, progress = conditions.get("ReplicaFailure") or {}, conditions.get("Progressing") or {}
    if failure.get("status") != "True" or status.get("observedGeneration", 0) < generation:
        return ""
    if status.get("updatedReplicas") or progress.get("reason") == "NewReplicaSetAvailable":
        return ""
    message = str(failure.get("message") or "")
    return message if is_denial(message) else ""


def is_denial(message: str) -> bool:
    """Whether admission refuses such Pods for what they are."""
    return any(word in message for word in _DENIALS) and not any(word in message for word in _OTHER_REASONS)
