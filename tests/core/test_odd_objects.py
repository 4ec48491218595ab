"""What the API server takes, however odd, is read as Kubernetes reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostport.api.affinity import AffinityWas
from hostport.api.node import Node
from hostport.api.podspec import Claim, claims
from hostport.api.ports import Protocol
from hostport.api.selectors import Requirement
from hostport.api.strategy import Strategy, is_zero, parse_amounts
from hostport.api.workload import DEPLOYMENT, KINDS, Workload
from hostport.cluster.blocks import leases_of, not_leases, stored
from hostport.cluster.foreign import pod_use, service_use
from hostport.node.report import parse as parse_report
from tests.core import build
from tests.core.world import World

Json = dict[str, Any]

# One digit more than Python makes a number of.
DIGITS = 4301


def surging(max_surge: str, max_unavailable: str = "25%") -> Strategy:
    rolling = {"maxSurge": max_surge, "maxUnavailable": max_unavailable}
    made = Strategy.parse("strategy", {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}})
    assert made is not None
    return made


# Percentages


def test_a_surge_of_any_length_is_a_huge_one() -> None:
    strategy = surging("9" * DIGITS + "%")
    assert strategy.surge(3) >= 1000
    assert strategy.is_valid


def test_leading_zeros_of_any_number_do_not_count() -> None:
    assert surging("0" * DIGITS + "25%").surge(8) == 2
    assert is_zero("0" * DIGITS + "%")
    assert surging("25%", "0" * DIGITS + "50%").unavailable(8) == 4


def test_a_workload_with_such_a_surge_is_served_made_safe_and_put_back_as_it_was() -> None:
    world = World("n1")
    world.pool("main", "20000-20009")
    manifest = build.deployment("web")
    was = {"maxSurge": "9" * DIGITS + "%", "maxUnavailable": "0" * DIGITS + "%"}
    manifest["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": dict(was)}
    assert world.apply(manifest) == {"app/http": 20000}
    world.run("web", on="n1")
    assert world.reconcile("web") == {"app/http": 20000}
    strategy = world.manifest("web")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert all(len(plan.rollout.text) < 1000 for plan in world.plans if plan.rollout is not None)
    manifest = world.manifest("web")
    manifest["metadata"]["annotations"]["hostport/auto"] = "false"
    world.replace(manifest)
    assert world.manifest("web")["spec"]["strategy"]["rollingUpdate"] == was


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_workload_with_nulls_wherever_they_may_be(kind: Any) -> None:
    meta = {"name": "w", "namespace": "d", "uid": "u", "resourceVersion": "5", "annotations": None, "labels": None}
    spec: Json = {"replicas": None, "strategy": None, "updateStrategy": None, "template": None, "selector": None}
    read = Workload.parse(kind, {"metadata": {**meta, "ownerReferences": None}, "spec": spec, "status": None})
    assert (read.entries, read.claims) == ((), frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"maxSurge": ' + "[" * 100_000,
        "9" * 5000,
        '{"maxSurge": ' + "9" * 5000 + "}",
        '{"maxSurge": NaN}',
    ],
)
def test_notes_that_cannot_be_read_say_nothing(text: str) -> None:
    assert parse_amounts(text) == {}
    notes = {"rollout_was": text, "affinity_was": text, "assigned": text, "env_added": text}
    read = build.workload(build.deployment("web", **notes))
    assert (read.assigned(), read.env_added(), read.affinity_was(), read.rollout_was()) == ({}, {}, None, {})
    assert read.home == read.placement


# Selectors


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "matches"),
    [
        ("5", "Gt", "4", True),
        ("5", "Lt", "4", False),
        ("-5", "Lt", "-4", True),
        ("+5", "Gt", "4", True),
        ("0005", "Gt", "4", True),
        ("9" * 50, "Gt", "4", False),
        ("5", "Lt", "9" * 50, False),
        ("5", "Lt", "9" * 5000, False),
        (str(2**63 - 1), "Gt", "4", True),
        (str(2**63), "Gt", "4", False),
        ("1_000", "Gt", "4", False),
        ("5", "Gt", " 4", False),
        ("\u0665", "Gt", "4", False),
        ("", "Gt", "4", False),
    ],
)
def test_greater_and_less_compare_what_fits_64_bits_and_nothing_else(
    value: str, operator: str, wanted: str, matches: bool
) -> None:
    assert Requirement("size", operator, (wanted,)).matches({"size": value}) is matches


def test_greater_than_nothing_matches_nothing() -> None:
    assert not Requirement("size", "Gt", ()).matches({"size": "5"})


# Affinity


@pytest.mark.parametrize(
    "terms",
    [
        [{"matchExpressions": [{"key": ["a"], "operator": "In", "values": ["b"]}]}],
        [{"matchExpressions": [{"key": "a", "operator": "In", "values": [["b"]]}]}],
        [{"matchExpressions": [{"key": "a", "operator": "In", "values": "b"}]}],
        [{"matchExpressions": [{"key": "a", "operator": {}}]}],
        [{"matchExpressions": {"key": "a"}}],
        [{"matchExpressions": ["a"]}],
        [5],
        {"matchExpressions": []},
        "terms",
        0,
        False,
    ],
)
def test_a_forged_note_about_affinity_is_no_note(terms: object) -> None:
    good = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    assert AffinityWas.parse(json.dumps({"was": good, "is": good, "revision": "r", "times": 1}))
    for was, now in ((terms, good), (good, terms)):
        text = json.dumps({"was": was, "is": now, "revision": "r", "times": 1})
        assert AffinityWas.parse(text) is None
        read = build.workload(build.deployment("web", affinity_was=text))
        assert read.home == read.placement


# Ports


def test_a_protocol_that_a_later_kubernetes_may_know_is_passed_over() -> None:
    entries = build.ports("quic:443=20000 http:80=20001")
    entries[0]["protocol"] = "QUIC"
    assert claims({"containers": [{"name": "app", "ports": entries}]}) == {Claim(Protocol.TCP, 20001)}
    read = build.workload(build.deployment("web", pod={"containers": [{"name": "app", "ports": entries}]}))
    assert [(entry.name, entry.position) for entry in read.entries] == [("http", 1)]

    pod = build.pod("p", "http:80=20001")
    pod["spec"]["containers"][0]["ports"] = entries
    use = pod_use(pod)
    assert use is not None
    assert use.claims == {Claim(Protocol.TCP, 20001)}

    service = build.service("s", 30001)
    service["spec"]["ports"].append({"port": 1, "nodePort": 30002, "protocol": "QUIC"})
    use = service_use(service)
    assert use is not None
    assert use.claims == {Claim(Protocol.TCP, 30001)}


def test_pods_and_nodes_with_nulls_wherever_they_may_be() -> None:
    pod = {
        "metadata": {"namespace": "d", "name": "p", "ownerReferences": None, "labels": None},
        "spec": {"containers": [{"name": "a", "ports": None}, *build.pod("x", "a:1=20000")["spec"]["containers"]]},
        "status": None,
    }
    pod["spec"] |= {"initContainers": None, "affinity": None, "tolerations": None, "nodeSelector": None}  # type: ignore[operator]
    use = pod_use(pod)
    assert use is not None
    assert {claim.port for claim in use.claims} == {20000}
    assert Node.parse({"metadata": {"name": "n", "labels": None}, "spec": None}).taints == ()
    (taint,) = Node.parse({"metadata": {"name": "n"}, "spec": {"taints": [{"effect": "NoExecute"}]}}).taints
    assert taint.repels


# Records


def test_what_stands_in_a_record_and_is_no_lease_is_told_and_hides_no_other() -> None:
    lease = {"owner": "Deployment/d/w"}
    leases = {"20000/TCP": lease, "20001/TCP": "somebody", "20002/TCP": None, "20003/TCP": ["x"], "20004/QUIC": lease}
    raw = {"metadata": {"resourceVersion": "5"}, "spec": {"pool": "p", "numbers": "19968-20223"}}
    raw["status"] = {"leases": leases}
    assert [str(key) for key in leases_of(raw)] == ["20000/TCP"]
    assert set(not_leases(raw, leases_of(raw))) == {"20001/TCP", "20002/TCP", "20003/TCP", "20004/QUIC"}
    raw = {"metadata": {"resourceVersion": "5"}, "spec": {}, "status": {"block": "no block", "leases": leases}}
    assert [str(key) for key in stored(raw).leases] == ["20000/TCP"]


def test_a_report_with_a_nameless_owner_is_read() -> None:
    raw = {"metadata": {"name": "n1", "ownerReferences": [{"kind": "Node"}]}, "status": None}
    assert parse_report(raw).node == "n1"


def test_the_surge_of_the_finding_is_read() -> None:
    manifest = build.deployment("evil")
    rolling = {"maxSurge": "9" * DIGITS + "%", "maxUnavailable": "25%"}
    manifest["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
    manifest["metadata"] |= {"uid": "u", "resourceVersion": "5", "generation": 1}
    assert Workload.parse(DEPLOYMENT, manifest).peak > 1
