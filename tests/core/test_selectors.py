"""Labels, node terms, taints and tolerations, as Kubernetes reads them."""

from __future__ import annotations

from typing import Any

import pytest

from hostport.api.selectors import LabelSelector, NodeTerm, Taint, Toleration, tolerated

_LABELS = {"zone": "a", "size": "10", "name": "ten"}


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "In", "values": ["b"]}, False),
        ({"key": "gone", "operator": "In", "values": ["a"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "gone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "zone", "operator": "Exists"}, True),
        ({"key": "gone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, False),
        ({"key": "gone", "operator": "DoesNotExist"}, True),
        ({"key": "size", "operator": "Gt", "values": ["9"]}, True),
        ({"key": "size", "operator": "Gt", "values": ["10"]}, False),
        ({"key": "size", "operator": "Lt", "values": ["11"]}, True),
        ({"key": "size", "operator": "Lt", "values": ["10"]}, False),
        ({"key": "name", "operator": "Gt", "values": ["9"]}, False),
        ({"key": "gone", "operator": "Lt", "values": ["9"]}, False),
        ({"key": "size", "operator": "Gt", "values": ["nine"]}, False),
        ({"key": "size", "operator": "Gt"}, False),
        ({"key": "zone", "operator": "Like", "values": ["a"]}, False),
    ],
)
def test_an_expression(expression: dict[str, Any], matches: bool) -> None:
    assert LabelSelector.parse({"matchExpressions": [expression]}).matches(_LABELS) is matches
    assert NodeTerm.parse({"matchExpressions": [expression]}).matches("n1", _LABELS) is matches


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": {"zone": "a"}}, True),
        ({"matchLabels": {"zone": "a", "size": "11"}}, False),
        ({"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "size", "operator": "Exists"}]}, True),
        ({"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "gone", "operator": "Exists"}]}, False),
    ],
)
def test_a_selector_wants_all_of_it_and_an_empty_one_nothing(selector: dict[str, Any] | None, matches: bool) -> None:
    assert LabelSelector.parse(selector).matches(_LABELS) is matches


def test_an_empty_node_term_fits_no_node() -> None:
    assert not NodeTerm.parse({}).matches("n1", _LABELS)


@pytest.mark.parametrize(("name", "matches"), [("n1", True), ("n2", False)])
def test_a_node_term_can_name_the_node(name: str, matches: bool) -> None:
    by_name = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    in_zone = {"key": "zone", "operator": "In", "values": ["a"]}
    assert NodeTerm.parse({"matchFields": [by_name]}).matches(name, {}) is matches
    assert NodeTerm.parse({"matchFields": [by_name], "matchExpressions": [in_zone]}).matches(name, _LABELS) is matches
    assert not NodeTerm.parse({"matchFields": [by_name], "matchExpressions": [in_zone]}).matches(name, {})


_GPU = Taint("gpu", "yes", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"operator": "Exists"}, True),
        ({"key": "cpu", "operator": "Exists"}, False),
        ({"key": "gpu", "operator": "Near", "value": "yes"}, False),
    ],
)
def test_a_toleration(toleration: dict[str, str], tolerates: bool) -> None:
    assert Toleration.parse(toleration).tolerates(_GPU) is tolerates


@pytest.mark.parametrize(
    ("effect", "may_run"), [("NoSchedule", False), ("NoExecute", False), ("PreferNoSchedule", True)]
)
def test_only_taints_that_repel_need_a_toleration(effect: str, may_run: bool) -> None:
    assert tolerated([Taint("gpu", "", effect)], []) is may_run


def test_every_taint_needs_its_toleration() -> None:
    taints = [_GPU, Taint("edge", "", "NoExecute")]
    gpu, edge = Toleration("gpu", "Exists"), Toleration("edge", "Exists")
    assert tolerated(taints, [gpu, edge])
    assert not tolerated(taints, [gpu])
