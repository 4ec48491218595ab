"""The ledger against the cluster, read from the API server alone: no lease twice, no number without lease."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from controlplane.cluster import ControlPlane

Json = dict[str, Any]


def disagreements(plane: ControlPlane) -> list[str]:
    """What is wrong, in sentences; empty when all is well."""
    leases = _leases(plane)
    kinds = "deployments,statefulsets,daemonsets,replicasets,cronjobs"
    found = json.loads(plane.kubectl("get", kinds, "-A", "-o", "json"))["items"]
    workloads = [item for item in found if not item["metadata"].get("ownerReferences")]
    return [*_doubles(leases), *_bare_numbers(leases, workloads), *_idle_leases(leases, workloads)]


def _leases(plane: ControlPlane) -> dict[str, list[Json]]:
    """Every lease by its key, whichever pool it is in."""
    found: dict[str, list[Json]] = defaultdict(list)
    for kind in ("hostportpools", "hostportblocks"):
        for item in json.loads(plane.kubectl("get", kind, "-o", "json"))["items"]:
            for key, lease in ((item.get("status") or {}).get("leases") or {}).items():
                found[key].append(lease)
    return found


def _doubles(leases: dict[str, list[Json]]) -> list[str]:
    """The same key twice, or a number for the whole pool and for one of its nodes."""
    found = [f"{key} is leased {len(entries)} times" for key, entries in leases.items() if len(entries) > 1]
    whole = {key for key in leases if "@" not in key}
    return found + [
        f"{key} lies within {key.split('@')[0]}" for key in leases if "@" in key and key.split("@")[0] in whole
    ]


def _asks(workload: Json) -> bool:
    return (workload["metadata"].get("annotations") or {}).get("hostport/auto") == "true"


def _owner(workload: Json) -> str:
    return f"{workload['kind']}/{workload['metadata']['namespace']}/{workload['metadata']['name']}"


def _numbers(workload: Json) -> set[str]:
    assigned = json.loads((workload["metadata"].get("annotations") or {}).get("hostport/assigned", "{}"))
    spec = workload["spec"].get("jobTemplate", workload)["spec"]
    containers = spec["template"]["spec"]["containers"]
    ports = [port for container in containers for port in container.get("ports") or () if port.get("hostPort")]
    return {f"{p['hostPort']}/{p['protocol']}" for p in ports if p["hostPort"] in assigned.values()}


def _bare_numbers(leases: dict[str, list[Json]], workloads: list[Json]) -> list[str]:
    held = {(key.split("@")[0], lease["owner"]) for key, entries in leases.items() for lease in entries}
    held |= {(key.rpartition("]:")[2], owner) for key, owner in held}
    return [
        f"{_owner(workload)} has {number} without a lease"
        for workload in workloads
        for number in _numbers(workload)
        if (number, _owner(workload)) not in held
    ]


def _idle_leases(leases: dict[str, list[Json]], workloads: list[Json]) -> list[str]:
    asking = {_owner(d): _numbers(d) for d in workloads if _asks(d)}
    found = []
    for key, entries in leases.items():
        number = key.split("@")[0].rpartition("]:")[2]
        for lease in entries:
            active = "released" not in lease and "releasing" not in lease
            if active and number not in asking.get(lease["owner"], set()):
                found.append(f"{key} is leased to {lease['owner']}, whose template does not have it")
    return found
