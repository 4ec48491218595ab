"""What the scheduler has to say of a Pod and its ports: that it fits nowhere, or that it had to make room."""

from __future__ import annotations

from typing import Any

from hostport.api.placement import Placement
from hostport.api.podspec import claims
from hostport.cluster.foreign import pod_owner
from hostport.diagnosis.pending import NO_FREE_PORTS, Stuck

Json = dict[str, Any]


def stuck_pod(pod: Json) -> Stuck | None:
    """A Pod that can't be scheduled for its ports; None for any other."""
    spec, meta = pod["spec"], pod["metadata"]
    if spec.get("nodeName") or not _is_refused(pod):
        return None
    owner = next((str(o.get("name") or "") for o in meta.get("ownerReferences") or () if o.get("controller")), "")
    return Stuck(
        meta["namespace"], meta["name"], meta["uid"], pod_owner(pod), owner, claims(spec), Placement.parse(spec)
    )


def _is_refused(pod: Json) -> bool:
    scheduled = _condition(pod, "PodScheduled")
    return scheduled.get("status") == "False" and NO_FREE_PORTS in (scheduled.get("message") or "")


def is_preempted(pod: Json) -> bool:
    """Whether the scheduler evicts the Pod for one of higher priority (KEP-3329)."""
    target = _condition(pod, "DisruptionTarget")
    return (target.get("status"), target.get("reason")) == ("True", "PreemptionByScheduler")


def is_ready(pod: Json) -> bool:
    """Whether it serves."""
    return _condition(pod, "Ready").get("status") == "True" and not is_leaving(pod)


def is_leaving(pod: Json) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def _condition(pod: Json, kind: str) -> Json:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})
