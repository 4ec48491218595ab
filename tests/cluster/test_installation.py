"""What `kubectl apply -k manifests/` leaves on a cluster: it may be repeated, is admitted, and may what it needs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.cluster import ControlPlane
from controlplane.errors import KubectlError
from tests.support.terminal import Terminal
from tests.support.wait import until

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
MANIFESTS = str(ROOT / "manifests")
SERVICE_ACCOUNT = "system:serviceaccount:hostport-system:hostport-operator"


@pytest.fixture(scope="module")
def fresh(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster of its own, that has never heard of a pool; `control_plane` skips where there can be none."""
    with ControlPlane() as own:
        own.kubectl("apply", "-k", MANIFESTS)
        yield own


def test_installing_again_changes_nothing(fresh: ControlPlane) -> None:
    said = fresh.kubectl("apply", "-k", MANIFESTS).splitlines()
    assert len(said) == 13
    # The selector of a PodDisruptionBudget is replaced as a whole: kubectl always sends a patch, and says "configured".
    budget = ("-n", "hostport-system", "get", "poddisruptionbudget/hostport-operator")
    assert fresh.kubectl(*budget, "-o", "jsonpath={.metadata.generation}") == "1"
    others = [line for line in said if not line.startswith("poddisruptionbudget")]
    assert [line for line in others if not line.endswith(" unchanged")] == []


def test_the_example_pool_can_follow_at_once(fresh: ControlPlane) -> None:
    example = str(ROOT / "manifests" / "example-pool.yaml")
    fresh.kubectl("wait", "--for=condition=Established", "crd/hostportpools.hostport.dev", "--timeout=120s")
    assert "hostportpool.hostport.dev/default created" in fresh.kubectl("apply", "-f", example)


def test_pod_security_restricted_admits_the_operator(fresh: ControlPlane) -> None:
    fresh.kubectl("apply", "--dry-run=server", "--warnings-as-errors", "-k", MANIFESTS)
    deployment = ("-n", "hostport-system", "deployment/hostport-operator")
    fresh.kubectl("wait", *deployment, "--for=jsonpath={.status.replicas}=2", "--timeout=120s")
    assert "ReplicaFailure" not in fresh.kubectl("get", *deployment, "-o", "jsonpath={.status.conditions[*].type}")


def test_pod_security_restricted_admits_nobody_else(fresh: ControlPlane) -> None:
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        fresh.kubectl("run", "-n", "hostport-system", "root", "--image=root", "--dry-run=server")


MAY = [
    ("hostport.dev", "hostportpools", "get list watch patch"),
    ("hostport.dev", "hostportpools/status", "get patch"),
    ("hostport.dev", "hostportpools/finalizers", "update"),
    ("hostport.dev", "hostportblocks", "get list watch create patch delete"),
    ("hostport.dev", "hostportblocks/status", "get patch"),
    ("hostport.dev", "hostportnodes", "list watch"),
    ("apps", "deployments", "get list watch patch"),
    ("apps", "statefulsets", "get list watch patch"),
    ("apps", "daemonsets", "get list watch patch"),
    ("apps", "replicasets", "get list watch patch"),
    ("batch", "cronjobs", "get list watch patch"),
    ("batch", "jobs", "get list watch"),
    ("", "pods", "get list watch"),
    ("", "services", "list watch"),
    ("", "nodes", "list watch"),
    ("", "namespaces", "list watch"),
    ("events.k8s.io", "events", "list create patch"),
]

MAY_NOT = [
    ("*", "*", "*"),
    ("", "secrets", "get list watch create patch delete"),
    ("", "configmaps", "get list watch create patch delete"),
    ("", "pods", "create update patch delete"),
    ("", "pods/exec", "create"),
    ("", "pods/eviction", "create"),
    ("", "nodes", "update patch delete"),
    ("", "nodes/proxy", "get"),
    ("", "services", "create patch delete"),
    ("", "namespaces", "patch delete"),
    ("", "serviceaccounts/token", "create"),
    ("", "serviceaccounts", "impersonate"),
    ("apps", "deployments", "create update delete"),
    ("apps", "deployments/scale", "patch"),
    ("apps", "daemonsets", "create delete"),
    ("batch", "jobs", "create patch delete"),
    ("hostport.dev", "hostportpools", "create update delete"),
    ("hostport.dev", "hostportnodes", "create update patch delete"),
    ("hostport.dev", "hostportnodes/status", "patch"),
    ("coordination.k8s.io", "leases", "create get patch"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "list watch patch delete"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "create patch"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind escalate patch"),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "create"),
]


def single(rows: list[tuple[str, str, str]]) -> list[Any]:
    return [
        pytest.param(group, resource, verb, id=f"{verb} {resource}")
        for group, resource, verbs in rows
        for verb in verbs.split()
    ]


def allowed(fresh: ControlPlane, verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
    kind, _, subresource = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": kind, "subresource": subresource, "namespace": namespace}
    body = {"spec": {"user": SERVICE_ACCOUNT, "resourceAttributes": asked | {"name": name}}}
    return bool(fresh.api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"]["allowed"])


@pytest.mark.parametrize(("group", "resource", "verb"), single(MAY))
def test_the_operator_may(fresh: ControlPlane, group: str, resource: str, verb: str) -> None:
    assert allowed(fresh, verb, group, resource)


@pytest.mark.parametrize(("group", "resource", "verb"), single(MAY_NOT))
def test_the_operator_may_not(fresh: ControlPlane, group: str, resource: str, verb: str) -> None:
    assert not allowed(fresh, verb, group, resource)


def test_the_operator_may_lead_and_touch_no_other_lease(fresh: ControlPlane) -> None:
    lease = ("coordination.k8s.io", "leases", "hostport-system")
    assert all(allowed(fresh, verb, *lease, name="hostport-operator") for verb in ("create", "get", "update", "patch"))
    assert not any(allowed(fresh, verb, *lease, name="another") for verb in ("get", "update", "patch", "delete"))


def test_whoever_may_view_the_cluster_may_view_pools(fresh: ControlPlane) -> None:
    aggregated = fresh.kubectl("get", "clusterrole", "view", "-o", "jsonpath={.rules[*].resources}")
    assert "hostportpools" in aggregated
    assert "hostportblocks" in aggregated
    assert "hostportnodes" in aggregated


def test_run_ends_with_a_sentence_where_a_crd_is_of_an_older_version(fresh: ControlPlane) -> None:
    """The API server would drop a field that it does not know, and with it what the operator must remember."""
    older = yaml.safe_load((ROOT / "crds" / "hostportblocks.yaml").read_text())
    (version,) = older["spec"]["versions"]
    lease = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["leases"]["additionalProperties"]
    del lease["properties"]["abandoned"]
    fresh.kubectl("apply", "-f", "-", input=json.dumps(older))
    published = ("get", "--raw", "/openapi/v3/apis/hostport.dev/v1")
    until(lambda: fresh.kubectl(*published).count('"abandoned"') == 1, "the older schema is published")

    try:
        done = Terminal(fresh.kubeconfig).run("run", "--metrics-port", "0", "--health-port", "0")
    finally:
        fresh.kubectl("apply", "-k", MANIFESTS)

    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "hostport: the installed CRDs are of another version and lack HostPortBlock.status.leases[*].abandoned, which"
        " would be lost: kubectl apply -f crds/"
    )
