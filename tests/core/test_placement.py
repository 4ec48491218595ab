"""Where Pods of a template may run, and whether it is pinned to a few nodes."""

from __future__ import annotations

import pytest

from hostport.api.placement import ANYWHERE, MOST_PINNED_NODES, Placement
from tests.core.build import Json, affinity, node, on_hosts, on_node, where

_NODES = [node("n1", zone="a"), node("n2", zone="b"), node("gpu-1", "gpu=yes:NoSchedule", zone="a")]


def _may_run_on(spec: Json) -> list[str]:
    return [each.name for each in _NODES if Placement.parse(spec).admits(each)]


def _in(key: str, *values: str) -> Json:
    return {"key": key, "operator": "In", "values": list(values)}


def _hosts(*names: str) -> Json:
    return _in("kubernetes.io/hostname", *names)


def _labels(*expressions: Json) -> Json:
    return {"matchExpressions": list(expressions)}


def _name(name: str) -> Json:
    return {"matchFields": [_in("metadata.name", name)]}


@pytest.mark.parametrize(
    ("spec", "nodes"),
    [
        ({}, ["n1", "n2"]),
        ({"affinity": {"podAntiAffinity": {}}}, ["n1", "n2"]),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, ["n1", "n2"]),
        (where(zone="a"), ["n1"]),
        (where(zone="a", disk="ssd"), []),
        (where(zone="a") | {"tolerations": [{"operator": "Exists"}]}, ["n1", "gpu-1"]),
        ({"tolerations": [{"key": "gpu", "operator": "Exists"}]}, ["n1", "n2", "gpu-1"]),
        (on_node("gpu-1"), ["gpu-1"]),
        (on_node("n1") | where(zone="b"), ["n1"]),
        (on_hosts("n2"), ["n2"]),
        (affinity(_labels(_in("zone", "a")), _name("n2")), ["n1", "n2"]),
        (affinity(_labels(_in("zone", "a"))) | where(zone="b"), []),
        (affinity({}), []),
        (affinity(), []),
    ],
)
def test_where_pods_may_run(spec: Json, nodes: list[str]) -> None:
    assert _may_run_on(spec) == nodes


def test_a_template_that_says_nothing_is_the_one_placement_that_says_nothing() -> None:
    assert Placement.parse({"nodeSelector": {}, "tolerations": []}) is ANYWHERE


@pytest.mark.parametrize("taint", ["node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready"])
def test_a_node_that_is_cordoned_or_not_ready_keeps_its_pods_and_so_its_ports(taint: str) -> None:
    assert ANYWHERE.admits(node("n1", f"{taint}=:NoSchedule"))


@pytest.mark.parametrize(
    ("spec", "pinned"),
    [
        ({}, None),
        (where(zone="a"), None),
        (on_node("n1"), {"n1"}),
        (where(**{"kubernetes.io/hostname": "n1"}), {"n1"}),
        (on_hosts("n1", "n2"), {"n1", "n2"}),
        (affinity(_name("n1")), {"n1"}),
        (affinity(_name("n1"), _labels(_hosts("n2"))), {"n1", "n2"}),
        (affinity(_name("n1"), _labels(_in("zone", "a"))), None),
        (affinity(_labels(_hosts("n1", "n2"), _hosts("n2", "n3"))), {"n2"}),
        (affinity(_labels(_hosts("n1"), _hosts("n2"))), None),
        (affinity(_labels(_hosts("n1") | {"operator": "NotIn"})), None),
        (affinity(), None),
        (on_hosts(*(f"n{i}" for i in range(MOST_PINNED_NODES))), {f"n{i}" for i in range(MOST_PINNED_NODES)}),
        (on_hosts(*(f"n{i}" for i in range(MOST_PINNED_NODES + 1))), None),
    ],
)
def test_a_template_is_pinned_to_the_few_nodes_it_names(spec: Json, pinned: set[str] | None) -> None:
    assert Placement.parse(spec).pinned() == pinned


def test_placements_that_say_the_same_are_the_same() -> None:
    assert Placement.parse(where(a="1", b="2")) == Placement.parse(where(b="2", a="1"))
    assert hash(Placement.parse(where(a="1", b="2"))) == hash(Placement.parse(where(b="2", a="1")))
