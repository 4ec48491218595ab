"""Where the API server keeps what we ask for. Whatever a name holds, it is one segment of the path."""

from __future__ import annotations

from urllib.parse import quote

from hostport.api.names import API_VERSION
from hostport.api.workload import KINDS
from hostport.cluster.errors import NotFound

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
SERVICES = "/api/v1/services"
NAMESPACES = "/api/v1/namespaces"
POOLS = f"/apis/{API_VERSION}/hostportpools"
BLOCKS = f"/apis/{API_VERSION}/hostportblocks"
REPORTS = f"/apis/{API_VERSION}/hostportnodes"
# What the API server publishes of our CRDs; every authenticated user may read it (the ClusterRole system:discovery).
SCHEMA = f"/openapi/v3/apis/{API_VERSION}"


def named(collection: str, name: str) -> str:
    """The object of that name in a collection; raises `NotFound` where no object can be called that.

    Source: `IsValidPathSegmentName` in k8s.io/apimachinery/pkg/api/validation/path.
    """
    if name in ("", ".", ".."):
        raise NotFound(404, f'no object can have the name "{name}"', collection)
    return f"{collection}/{quote(name, safe='')}"


def workloads(kind: str, namespace: str = "") -> str:
    """The collection of a kind of workload, of one namespace or all."""
    known = KINDS[kind]
    group = f"/apis/{known.group}/{known.version}"
    return f"{_inside(group, namespace) if namespace else group}/{known.plural}"


def workload(key: str) -> str:
    """The object of a workload's key, Kind/namespace/name."""
    kind, namespace, name = key.split("/", 2)
    return named(workloads(kind, namespace), name)


def owned(key: str) -> str:
    """The object of an owner's key: a workload's, a Pod's or a Service's; the empty string for any other kind."""
    kind, namespace, name = key.split("/", 2) if key.count("/") >= 2 else ("", "", "")
    if kind in ("Pod", "Service"):
        return named(f"{_inside('/api/v1', namespace)}/{kind.lower()}s", name)
    return workload(key) if kind in KINDS else ""


def pods(namespace: str) -> str:
    """The Pods of a namespace."""
    return f"{_inside('/api/v1', namespace)}/pods"


def leases(namespace: str) -> str:
    """The Leases (coordination.k8s.io) of a namespace."""
    return f"{_inside('/apis/coordination.k8s.io/v1', namespace)}/leases"


def events(namespace: str | None) -> str:
    """The events of a namespace, or of all."""
    group = "/apis/events.k8s.io/v1"
    return f"{group if namespace is None else _inside(group, namespace)}/events"


def _inside(group: str, namespace: str) -> str:
    return named(f"{group}/namespaces", namespace)
