"""Manifests as users write them, in one line each, and what the real parsers make of them.

Ports are written `name:80`, `dns:53/UDP`, `:9000` (unnamed) or `http:80=20000` (with a hostPort), and
`http:80=127.0.0.1:20000` (with a hostIP as well).
"""

from __future__ import annotations

import re
from typing import Any

from hostport.api.node import Node
from hostport.api.pool import Pool
from hostport.api.workload import DEPLOYMENT, Kind, Workload

Json = dict[str, Any]

_PORT = re.compile(r"(?P<name>[^:]*):(?P<number>\d+)(/(?P<protocol>\w+))?(=((?P<ip>.+):)?(?P<host>\d+))?")


def ports(text: str) -> list[Json]:
    """Entries of a container's `ports`."""
    return [_port(word) for word in text.split()]


def _port(word: str) -> Json:
    match = _PORT.fullmatch(word)
    assert match, word
    raw: Json = {"containerPort": int(match["number"]), "protocol": match["protocol"] or "TCP"}
    if match["name"]:
        raw["name"] = match["name"]
    if match["host"]:
        raw["hostPort"] = int(match["host"])
    if match["ip"]:
        raw["hostIP"] = match["ip"]
    return raw


def deployment(
    name: str, entries: str = "http:80", *, namespace: str = "default", pod: Json | None = None, **annotations: str
) -> Json:
    """A Deployment with one container `app` that asks for hostPorts, unless told `auto="false"`.

    `pod` is merged into the pod spec; `annotations` go without their prefix, `hostport/`.
    """
    notes = {f"hostport/{key.replace('_', '-')}": value for key, value in {"auto": "true", **annotations}.items()}
    spec = {"containers": [{"name": "app", "image": "app", "ports": ports(entries)}], **(pod or {})}
    return {
        "metadata": {"namespace": namespace, "name": name, "annotations": notes},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
    }


def workload(manifest: Json, *, kind: Kind = DEPLOYMENT, uid: str = "uid", version: int = 1) -> Workload:
    """A manifest as the operator reads it from the API server."""
    served = {"uid": uid, "resourceVersion": str(version), "generation": version}
    return Workload.parse(kind, {**manifest, "metadata": {**served, **manifest["metadata"]}})


def pool(name: str = "main", *ranges: str, age: int = 0, generation: int = 1, **spec: object) -> Pool:
    """A pool; the ones of a greater `age` were created earlier."""
    meta = {"name": name, "uid": f"uid-{name}", "generation": generation, "resourceVersion": str(generation)}
    created = {"creationTimestamp": f"2026-01-01T00:{59 - age:02}:00Z"}
    return Pool.parse({"metadata": {**meta, **created}, "spec": {"ranges": list(ranges), **spec}})


def node(name: str, *taints: str, cordoned: bool = False, **labels: str) -> Node:
    """A node with its hostname label; taints are written `key=value:Effect`."""
    parsed = [re.fullmatch(r"(.+)=(.*):(\w+)", taint) for taint in taints]
    spec: Json = {"taints": [{"key": t[1], "value": t[2], "effect": t[3]} for t in parsed if t]}
    if cordoned:
        spec["unschedulable"] = True
    return Node.parse({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}, "spec": spec})


# Pod specs


def on_node(name: str) -> Json:
    """Put on a node by the user himself."""
    return {"nodeName": name}


def on_hosts(*names: str) -> Json:
    """Required node affinity for a few hostnames."""
    return affinity({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(names)}]})


def affinity(*terms: Json) -> Json:
    """Required node affinity: one of these terms."""
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def where(**labels: str) -> Json:
    """A nodeSelector."""
    return {"nodeSelector": labels}


def pod(name: str, entries: str, *, on: str = "", namespace: str = "default", **spec: object) -> Json:
    """A Pod of nobody's, bound to the node `on` if there is one."""
    bound = {"nodeName": on} if on else {}
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"containers": [{"name": "app", "ports": ports(entries)}], **bound, **spec},
    }


def service(name: str, *node_ports: int, protocol: str = "TCP", health: int = 0) -> Json:
    """A Service of type NodePort."""
    entries = [{"port": 80, "nodePort": port, "protocol": protocol} for port in node_ports]
    spec: Json = {"type": "NodePort", "ports": entries}
    if health:
        spec["healthCheckNodePort"] = health
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}
