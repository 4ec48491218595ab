"""References to objects are whatever somebody wrote: only names that an object can have are followed, as names."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hostport.api.lease import Lease
from hostport.cluster import paths
from hostport.cluster.errors import NotFound
from hostport.cluster.foreign import pod_owner, pod_use
from hostport.cluster.stuck import stuck_pod
from hostport.run.budget import Budget
from hostport.run.delivery import Delivery
from hostport.run.disputes import Disputes
from hostport.run.office import Office
from tests.core import build
from tests.core.desk import in_a_loop
from tests.support.api_server import ApiServer

Json = dict[str, Any]

SERVICE_OF_ANOTHER = "../../../../../../api/v1/namespaces/kube-system/services/kube-dns"


def owned_by(**reference: object) -> Json:
    pod = build.pod("p", "http:80=20000", namespace="evil")
    pod["metadata"]["ownerReferences"] = [{"apiVersion": "apps/v1", "uid": "x", "controller": True, **reference}]
    return pod


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "../deployments"),
        ("Deployment", SERVICE_OF_ANOTHER),
        ("Deployment", "x?watch=1&resourceVersion=0"),
        ("Deployment", "x%2f..%2fy"),
        ("Deployment", "."),
        ("Deployment", ".."),
        ("Deployment", ""),
        ("Deployment", "Web"),
        ("Deployment", "web\n"),
        ("Deployment", "web#"),
        ("Deployment", "w" * 254),
        ("Deployment", None),
        ("", "web"),
        ("../Deployment", "web"),
        ("Deployment/x", "web"),
        ("Deploy ment", "web"),
        ("Deployment\n", "web"),
        (None, "web"),
    ],
)
def test_a_reference_that_can_name_nothing_is_none(kind: object, name: object) -> None:
    assert pod_owner(owned_by(kind=kind, name=name)) == "Pod/evil/p"


@pytest.mark.parametrize("name", ["web", "web-1.example.org", "w" * 253, "1"])
def test_a_reference_that_can_name_something_is_one(name: str) -> None:
    assert pod_owner(owned_by(kind="StatefulSet", name=name)) == f"StatefulSet/evil/{name}"


def test_a_pod_whose_reference_says_nothing_is_read_all_the_same() -> None:
    pod = owned_by()
    use = pod_use(pod)
    assert use is not None
    assert use.owner == "Pod/evil/p"
    message = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports"
    pod["metadata"]["uid"] = "u"
    pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}
    stuck = stuck_pod(pod)
    assert stuck is not None
    assert stuck.owner == "Pod/evil/p"


@in_a_loop
async def test_what_is_asked_for_is_the_quoted_name_and_nothing_else() -> None:
    """Even if such a name got so far. The path is compared as it arrives."""
    names = {
        f"Deployment/evil/{SERVICE_OF_ANOTHER}": (
            "/apis/apps/v1/namespaces/evil/deployments/"
            "..%2F..%2F..%2F..%2F..%2F..%2Fapi%2Fv1%2Fnamespaces%2Fkube-system%2Fservices%2Fkube-dns"
        ),
        "Deployment/evil/x?watch=1": "/apis/apps/v1/namespaces/evil/deployments/x%3Fwatch%3D1",
        "Deployment/evil/%2e%2e": "/apis/apps/v1/namespaces/evil/deployments/%252e%252e",
        "Deployment/evil/a#b c": "/apis/apps/v1/namespaces/evil/deployments/a%23b%20c",
        "Pod/evil/../services": "/api/v1/namespaces/evil/pods/..%2Fservices",
        "Service/e%vil/x": "/api/v1/namespaces/e%25vil/services/x",
        "Deployment/default/web": "/apis/apps/v1/namespaces/default/deployments/web",
    }
    async with ApiServer() as server:
        for key in names:
            with pytest.raises(NotFound):
                await server.api.get(paths.owned(key))
        assert server.asked == [("GET", path) for path in names.values()]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_no_server_takes_for_a_name_is_not_found_without_asking(name: str) -> None:
    with pytest.raises(NotFound, match="no object can have the name"):
        paths.named(paths.POOLS, name)


@pytest.mark.parametrize("key", ["Deployment/evil", "Deployment", "", "Node/evil/n1"])
def test_a_key_of_no_kind_that_we_may_read_has_no_path(key: str) -> None:
    assert paths.owned(key) == ""


@in_a_loop
async def test_an_owner_of_a_lease_that_is_no_workload_is_never_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody who may write a pool's status may write an owner there."""
    async with ApiServer() as server:
        office = Office.open(server.api, "me", (30000, 32767))
        gone: list[str] = []
        delivery = Delivery(office, Budget(time.monotonic), again=gone.append, gone=gone.append, found=lambda *_: None)
        owner = f"Deployment/evil/{SERVICE_OF_ANOTHER}"
        assert Lease(owner).owner == owner
        for key in (owner, "Deployment/../web", "Deployment/evil/..", "Deployment//web"):
            delivery.confirm_gone(key)
        await delivery.drain()
        assert (server.asked, gone) == ([], [])
    assert sum("names no workload" in r.getMessage() or "is no workload" in r.getMessage() for r in caplog.records) == 4


@in_a_loop
async def test_a_conflict_is_told_to_a_pod_with_such_a_reference_by_its_own_name() -> None:
    async with ApiServer() as server:
        office = Office.open(server.api, "me", (30000, 32767))
        owner = pod_owner(owned_by(kind="Deployment", name=SERVICE_OF_ANOTHER))
        await Disputes(office).tell(owner, "somebody has it")
        assert server.asked == [("GET", "/api/v1/namespaces/evil/pods/p")]
