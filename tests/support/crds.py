"""The CRDs' schemas put to the test: one pool and one block, and what the API server says of changes to them."""

import json
from typing import Any

import pytest

from controlplane.cluster import ControlPlane
from controlplane.errors import KubectlError

POOL, BLOCK = "crds-test", "crds-test-block"


def manifest(spec: object, name: str = POOL) -> str:
    return json.dumps(
        {"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": name}, "spec": spec}
    )


def block_manifest(numbers: str) -> str:
    spec = {"pool": POOL, "numbers": numbers}
    body = {"apiVersion": "hostport.dev/v1", "kind": "HostPortBlock", "metadata": {"name": BLOCK}, "spec": spec}
    return json.dumps(body)


def accepted(cluster: ControlPlane, body: str) -> dict[str, Any]:
    answer = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=body)
    return dict(json.loads(answer))


def refused(cluster: ControlPlane, body: str) -> str:
    return refusal(cluster, "create", "--dry-run=server", "-f", "-", body=body)


def refusal(cluster: ControlPlane, *args: str, body: str | None = None) -> str:
    with pytest.raises(KubectlError) as error:
        cluster.kubectl(*args, input=body)
    return error.value.stderr


def patch(spec: object) -> tuple[str, ...]:
    return ("--type=merge", "-p", json.dumps(spec))


def write_status(cluster: ControlPlane, what: str, status: dict[str, Any]) -> None:
    cluster.kubectl("patch", what, "--subresource=status", *patch({"status": status}))


def read(cluster: ControlPlane, what: str) -> dict[str, Any]:
    return dict(json.loads(cluster.kubectl("get", what, "-o", "json")))
