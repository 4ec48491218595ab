"""What a pod spec claims on its node, as the scheduler counts it; and which ports it has."""

from __future__ import annotations

import pytest

from hostport.api.podspec import claims, port_entries
from hostport.cluster.foreign import pod_owner, pod_use, service_use
from tests.core.build import Json, pod, ports, service


def _spec(main: str = "", *, init: str = "", sidecar: str = "", **fields: object) -> Json:
    return {
        "containers": [{"name": "app", "ports": ports(main)}],
        "initContainers": [
            {"name": "init", "ports": ports(init)},
            {"name": "sidecar", "restartPolicy": "Always", "ports": ports(sidecar)},
        ],
        **fields,
    }


@pytest.mark.parametrize(
    ("spec", "claimed"),
    [
        (_spec("http:80"), set()),
        (_spec("http:80=8080 dns:53/UDP=5353"), {"8080/TCP", "5353/UDP"}),
        (_spec(sidecar="proxy:15000=15000"), {"15000/TCP"}),
        (_spec(init="once:1=9000"), set()),
        (_spec("http:80", hostNetwork=True), {"80/TCP"}),
        (_spec("http:80=80", hostNetwork=True), {"80/TCP"}),
        (_spec("http:80", init="once:9000", hostNetwork=True), {"80/TCP", "9000/TCP"}),
        (_spec("http:80", sidecar="proxy:15000", hostNetwork=True), {"80/TCP", "15000/TCP"}),
        ({}, set()),
        ({"containers": None, "initContainers": None}, set()),
        ({"containers": [{"name": "app", "ports": None}]}, set()),
    ],
)
def test_a_pod_claims_its_host_ports(spec: Json, claimed: set[str]) -> None:
    assert {str(claim) for claim in claims(spec)} == claimed


def test_a_claim_is_on_an_address_in_its_one_spelling() -> None:
    spec = {"containers": [{"name": "app", "ports": ports("a:1=127.0.0.1:80 b:2=2001:DB8::1:80 c:3=0.0.0.0:81")}]}
    assert {(claim.ip, claim.port) for claim in claims(spec)} == {("127.0.0.1", 80), ("2001:db8::1", 80), ("", 81)}


def test_the_ports_of_the_containers_proper_in_order() -> None:
    spec = {
        "containers": [
            {"name": "web", "ports": ports("http:80 :443")},
            {"name": "log"},
            {"name": "dns", "ports": ports("dns:53/UDP=5353")},
        ],
        "initContainers": [{"name": "init", "ports": ports("once:1")}],
    }
    entries = port_entries(spec)
    assert [(entry.ref, entry.host_port) for entry in entries] == [
        ("web/http", 0),
        ("web/443/TCP", 0),
        ("dns/dns", 5353),
    ]
    assert [(entry.container, entry.position) for entry in entries] == [(0, 0), (0, 1), (2, 0)]


# Who claims


def _owned(kind: str, name: str, **labels: str) -> Json:
    manifest = pod("p", "http:80=80")
    manifest["metadata"] |= {"labels": labels, "ownerReferences": [{"kind": kind, "name": name, "controller": True}]}
    return manifest


@pytest.mark.parametrize(
    ("manifest", "owner"),
    [
        (pod("p", "http:80=80"), "Pod/default/p"),
        (_owned("ReplicaSet", "web-7d9f", **{"pod-template-hash": "7d9f"}), "Deployment/default/web"),
        (_owned("ReplicaSet", "web-7d9f"), "ReplicaSet/default/web-7d9f"),
        (_owned("StatefulSet", "db"), "StatefulSet/default/db"),
        (_owned("DaemonSet", "svclb-web"), "DaemonSet/default/svclb-web"),
        (_owned("Job", "backup-29012345"), "CronJob/default/backup"),
        (_owned("Job", "migrate-3"), "Job/default/migrate-3"),
        (_owned("Job", "29012345"), "Job/default/29012345"),
    ],
)
def test_a_pod_belongs_to_its_workload(manifest: Json, owner: str) -> None:
    assert pod_owner(manifest) == owner


def test_a_pod_claims_on_its_node_or_wherever_it_may_be_put() -> None:
    bound, free = pod_use(pod("p", "http:80=80", on="n1")), pod_use(pod("p", "http:80=80"))
    assert bound is not None
    assert free is not None
    assert bound.nodes == {"n1"}
    assert free.nodes is not None
    assert free.nodes != bound.nodes


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_run_to_its_end_claims_nothing(phase: str) -> None:
    assert pod_use(pod("p", "http:80=80", on="n1") | {"status": {"phase": phase}}) is None
    assert pod_use(pod("p", "http:80=80", on="n1") | {"status": {"phase": "Running"}}) is not None


def test_a_service_claims_its_node_ports_everywhere() -> None:
    use = service_use(service("web", 30080, 30443, health=30999))
    assert use is not None
    assert ({str(claim) for claim in use.claims}, use.nodes) == ({"30080/TCP", "30443/TCP", "30999/TCP"}, None)
    assert service_use(service("web", 0)) is None
