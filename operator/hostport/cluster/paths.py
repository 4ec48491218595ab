"""Where the API server keeps what we ask for."""

from __future__ import annotations

from hostport.api.names import API_VERSION
from hostport.api.workload import KINDS

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
SERVICES = "/api/v1/services"
NAMESPACES = "/api/v1/namespaces"
POOLS = f"/apis/{API_VERSION}/hostportpools"
BLOCKS = f"/apis/{API_VERSION}/hostportblocks"
REPORTS = f"/apis/{API_VERSION}/hostportnodes"
# What the API server publishes of our CRDs; every authenticated user may read it (the ClusterRole system:discovery).
SCHEMA = f"/openapi/v3/apis/{API_VERSION}"


def workloads(kind: str, namespace: str = "") -> str:
    """The collection of a kind of workload, of one namespace or all."""
    known = KINDS[kind]
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{known.group}/{known.version}{inside}/{known.plural}"


def workload(key: str) -> str:
    """The object of a workload's key, Kind/namespace/name."""
    kind, namespace, name = key.split("/", 2)
    return f"{workloads(kind, namespace)}/{name}"


def owned(key: str) -> str:
    """The object of an owner's key: a workload's, a Pod's or a Service's; the empty string for any other kind."""
    kind, _, name = key.partition("/")
    if kind in ("Pod", "Service"):
        return f"/api/v1/namespaces/{name.replace('/', f'/{kind.lower()}s/')}"
    return workload(key) if kind in KINDS else ""


def pods(namespace: str) -> str:
    """The Pods of a namespace."""
    return f"/api/v1/namespaces/{namespace}/pods"


def leases(namespace: str) -> str:
    """The Leases (coordination.k8s.io) of a namespace."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def events(namespace: str | None) -> str:
    """The events of a namespace, or of all."""
    return f"/apis/events.k8s.io/v1{f'/namespaces/{namespace}' if namespace else ''}/events"
