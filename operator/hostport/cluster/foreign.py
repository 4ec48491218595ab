"""Who else is on a port: Pods, Services and hand-written templates, reduced to what they claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hostport.allocation.state import ForeignUse, State
from hostport.api.placement import Placement
from hostport.api.podspec import Claim, claims
from hostport.api.ports import Protocol, known_protocol
from hostport.api.references import key_of
from hostport.api.workload import Workload
from hostport.node.report import Report

Json = dict[str, Any]

_DONE = ("Succeeded", "Failed")


def pod_use(pod: Json) -> ForeignUse | None:
    """What a Pod claims; None for one that holds nothing: no hostPort, or it has run to its end."""
    spec, meta = pod["spec"], pod["metadata"]
    if is_done(pod):
        return None
    taken = claims(spec)
    if not taken:
        return None
    node = spec.get("nodeName")
    where = frozenset((node,)) if node else Placement.parse(spec)
    return ForeignUse(pod_owner(pod), f"Pod {meta['namespace']}/{meta['name']}", taken, where)


def is_done(pod: Json) -> bool:
    """Whether a Pod has run to its end and holds nothing any more."""
    return (pod.get("status") or {}).get("phase") in _DONE


def pod_owner(pod: Json) -> str:
    """The workload a Pod belongs to as Kind/namespace/name, or the Pod itself.

    A ReplicaSet of a Deployment is named `<deployment>-<pod-template-hash>` and its Pods carry that hash as a label
    (pkg/controller/deployment/sync.go), a Job of a CronJob `<cronjob>-<minutes>` (pkg/controller/cronjob/utils.go).
    Anybody may write a reference into his own Pod: one to what no object can be called is none.
    """
    meta = pod["metadata"]
    namespace = str(meta["namespace"])
    owner: Json = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    top = _top(owner.get("kind"), str(owner.get("name")), (meta.get("labels") or {}).get("pod-template-hash"))
    return key_of(top[0], namespace, top[1]) or f"Pod/{namespace}/{meta['name']}"


def _top(kind: object, name: str, template_hash: str | None) -> tuple[object, str]:
    """Kind and name of what has made a controller, as far as its own name shows it."""
    stem, _, end = name.rpartition("-")
    if kind == "ReplicaSet" and template_hash and end == template_hash:
        return "Deployment", stem
    if kind == "Job" and stem and end.isdigit() and len(end) >= 8:
        return "CronJob", stem
    return kind, name


def service_use(service: Json) -> ForeignUse | None:
    """The nodePorts of a Service, which kube-proxy opens on every node; None where it has none."""
    spec, meta = service["spec"], service["metadata"]
    taken = {
        Claim(protocol, int(port["nodePort"]))
        for port in spec.get("ports") or ()
        if port.get("nodePort") and (protocol := known_protocol(port.get("protocol")))
    }
    if spec.get("healthCheckNodePort"):
        taken.add(Claim(Protocol.TCP, int(spec["healthCheckNodePort"])))
    name = f"{meta['namespace']}/{meta['name']}"
    return ForeignUse(f"Service/{name}", f"Service {name} (nodePort)", frozenset(taken)) if taken else None


def is_claimed(state: State, node: str, claim: Claim) -> bool:
    """Whether a Pod on that node, or a Service, has the number by itself."""
    return any(
        taker.by.startswith(("Pod ", "Service ")) and (taker.nodes is None or node in taker.nodes)
        for taker in state.occupancy.takers(claim.protocol, claim.port)
        if not taker.lease
    )


def node_uses(report: Report, in_use: Callable[[Claim], bool]) -> dict[str, ForeignUse]:
    """Who is on ports of a node by its agent's report, by a key of each; what `in_use` knows already is left out.

    A process of a Pod's, or one that keeps a hostPort or nodePort open for somebody (a container runtime, kube-proxy),
    is there for a claim that is counted as what it is.
    """
    claimed: dict[str, set[Claim]] = {}
    for claim, who in report.listeners:
        if not in_use(claim):
            claimed.setdefault(who, set()).add(claim)
    stale = {claim for claim in report.stale if not in_use(claim)}
    if stale:
        claimed["a stale hostPort rule"] = stale
    owner, nodes = f"Node/{report.node}", frozenset((report.node,))
    return {
        f"HostPortNode {report.node} {who}": ForeignUse(owner, f"{who} on node {report.node}", frozenset(claims), nodes)
        for who, claims in claimed.items()
    }


def template_use(workload: Workload) -> ForeignUse | None:
    """What a workload's template claims on every node where its Pods may run, scheduled yet or not."""
    if not workload.claims:
        return None
    return ForeignUse(workload.key, f"{workload.key} (template)", workload.claims, workload.placement)
