"""A number that holds on only some nodes: the template is kept to these, and is as it was when the number goes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostport.api.affinity import AffinityWas, both, manifest, required, said, terms_of
from hostport.api.errors import NoMatchingPool, PoolExhausted, RequestRefused
from hostport.api.placement import Placement
from hostport.api.selectors import NodeTerm
from tests.core import build
from tests.core.build import Json, affinity, on_hosts, on_node, where
from tests.core.world import World

ZONE_A = {"nodeSelector": {"matchLabels": {"zone": "a"}}}
ZONE_B = {"nodeSelector": {"matchLabels": {"zone": "b"}}}


@pytest.fixture
def zones() -> World:
    """Two nodes in zone a, one in b, one in neither; a pool with other numbers in each zone."""
    world = World("plain")
    for name, zone in (("a-1", "a"), ("a-2", "a"), ("b-1", "b")):
        world.node(name, zone=zone)
    nodes = [{**ZONE_A, "ranges": ["24000-24001"]}, {**ZONE_B, "ranges": ["25000-25001"]}]
    world.pool("main", "20000-20001", nodes=nodes)
    return world


def pod(world: World, name: str = "web") -> Json:
    found: Json = world.manifest(name)["spec"]["template"]["spec"]
    return found


def terms(world: World, name: str = "web") -> str:
    found = required(pod(world, name).get("affinity"))
    return "anywhere" if found is None else said(map(NodeTerm.parse, found))


# Which nodes


def test_a_template_is_kept_where_the_most_nodes_have_the_number(zones: World) -> None:
    assert zones.deploy("web") == {"app/http": 24000}
    assert terms(zones) == "zone=a"


def test_the_next_best_nodes_come_when_the_best_have_nothing_left(zones: World) -> None:
    got = [(zones.deploy(f"w{i}")["app/http"], terms(zones, f"w{i}")) for i in range(6)]
    assert got == [
        (24000, "zone=a"),
        (24001, "zone=a"),
        (20000, "zone!=a and zone!=b"),
        (20001, "zone!=a and zone!=b"),
        (25000, "zone=b"),
        (25001, "zone=b"),
    ]
    with pytest.raises(PoolExhausted, match="0 of 6 TCP numbers free"):
        zones.deploy("late")


def test_a_template_that_stays_there_by_itself_is_left_alone(zones: World) -> None:
    assert zones.deploy("web", pod=where(zone="b")) == {"app/http": 25000}
    assert zones.deploy("pinned", pod=on_node("a-1")) == {"app/http": 24000}
    assert "affinity" not in pod(zones) | pod(zones, "pinned")


def test_a_number_that_all_nodes_have_needs_no_affinity() -> None:
    world = World("n1")
    world.node("a-1", zone="a")
    world.pool("main", "20000-20009", nodes=[{**ZONE_A, "ranges": ["20005-20014"]}])
    assert world.deploy("web") == {"app/http": 20005}
    assert terms(world) == "anywhere"


def test_a_pool_for_some_nodes_keeps_its_templates_on_them() -> None:
    world = World("n1")
    world.node("gpu-1", gpu="yes")
    world.pool("gpu", "20000-20009", nodeSelector={"matchLabels": {"gpu": "yes"}})
    world.deploy("web")
    assert terms(world) == "gpu=yes"


def test_a_requested_number_decides_on_the_nodes(zones: World) -> None:
    assert zones.deploy("web", request="http=25001") == {"app/http": 25001}
    assert terms(zones) == "zone=b"
    with pytest.raises(RequestRefused, match=r"25001/TCP for app/http is held by .*the nearest free number is 25000"):
        zones.deploy("late", request="http=25001")


def test_all_ports_of_a_template_have_numbers_of_the_same_nodes(zones: World) -> None:
    assert zones.deploy("web", "http:80 tls:443") == {"app/http": 24000, "app/tls": 24001}
    assert set(zones.deploy("more", "http:80 tls:443").values()) == {20000, 20001}
    with pytest.raises(RequestRefused):
        zones.deploy("torn", "http:80 tls:443", request="http=25000,tls=24000")


def test_where_the_best_nodes_have_too_few_numbers_others_are_tried(zones: World) -> None:
    zones.deploy("one")
    assert set(zones.deploy("web", "http:80 tls:443").values()) == {20000, 20001}
    assert terms(zones) == "zone!=a and zone!=b"


def test_a_run_lies_on_nodes_that_have_all_of_it(zones: World) -> None:
    zones.deploy("one")
    assert zones.deploy("run", "a:1 b:2", contiguous="true") == {"app/a": 20000, "app/b": 20001}
    assert terms(zones, "run") == "zone!=a and zone!=b"


def test_two_pools_for_one_template_have_nodes_in_common() -> None:
    world = World("n1")
    world.node("a-1", zone="a")
    world.node("gpu-1", gpu="yes")
    world.node("both", zone="a", gpu="yes")
    world.pool("gpu", "20000", nodeSelector={"matchLabels": {"gpu": "yes"}}, priority=1)
    world.pool("zone-a", "21000", nodeSelector={"matchLabels": {"zone": "a"}})
    assert set(world.deploy("web", "http:80 tls:443").values()) == {20000, 21000}
    assert terms(world) == "gpu=yes and zone=a"


def test_what_the_user_wrote_stays_beside_it(zones: World) -> None:
    kept = affinity(
        {"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b-1"]}]},
    )
    kept["affinity"]["podAntiAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": []}
    zones.deploy("web", pod=kept)
    assert terms(zones) == "!disk and zone=a or zone=a and metadata.name=b-1"
    assert "podAntiAffinity" in pod(zones)["affinity"]


def test_where_no_selector_can_say_it_the_pool_is_refused() -> None:
    world = World("plain")
    selector = {"matchLabels": {f"l{i}": "x" for i in range(7)}}
    labels = {f"l{i}": "x" for i in range(7)}
    world.node("n1", **labels)
    nodes = [{"nodeSelector": selector, "ranges": ["24000"]}]
    nodes += [{"nodeSelector": {"matchLabels": {f"m{i}": "x" for i in range(7)}}, "ranges": ["25000"]}]
    world.pool("main", "20000", nodes=nodes, nodeSelector={"matchExpressions": [{"key": "l0", "operator": "Exists"}]})
    assert world.deploy("web") == {"app/http": 24000}
    world.drop_node("n1")
    world.node("n2", l0="y")
    with pytest.raises(NoMatchingPool, match="more than 32 terms"):
        world.deploy("other")


# Giving back


def test_the_template_is_as_it_was_when_the_number_goes(zones: World) -> None:
    mine = affinity({"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]})
    for name, own in (("bare", {}), ("mine", mine)):
        zones.deploy(name, pod=own)
        zones.deploy(name, pod=own, auto="false")
        assert pod(zones, name).get("affinity") == own.get("affinity")
        assert "hostport/affinity-was" not in zones.manifest(name)["metadata"]["annotations"]


def test_another_pool_is_another_affinity() -> None:
    world = World("n1")
    for zone in "ab":
        world.node(f"{zone}-1", zone=zone)
        world.pool(zone, "20000-20009", nodeSelector={"matchLabels": {"zone": zone}})
    for zone in "aba":
        world.deploy("web", pool=zone)
        assert terms(world) == f"zone={zone}"


def test_what_somebody_else_has_written_since_is_left(zones: World) -> None:
    zones.deploy("web")
    manifest = zones.manifest("web")
    manifest["spec"]["template"]["spec"].update(on_hosts("a-1"))
    manifest["metadata"]["annotations"]["hostport/auto"] = "false"
    zones.replace(manifest)
    assert pod(zones)["affinity"] == on_hosts("a-1")["affinity"]


# Set back by others


def set_back(world: World, own: Json, **changes: Any) -> Json:
    manifest = world.manifest("web")
    spec = manifest["spec"]["template"]["spec"]
    spec.pop("affinity", None)
    spec.update(own, **changes)
    world.replace(manifest)
    return pod(world)


def test_set_back_it_is_written_again(zones: World) -> None:
    """How often is the budget's business."""
    mine = affinity({"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]})
    zones.deploy("web", pod=mine)
    assert terms(zones) == "!disk and zone=a"
    for _ in range(3):
        set_back(zones, mine)
        assert terms(zones) == "!disk and zone=a"


def test_applying_the_same_manifest_again_changes_nothing(zones: World) -> None:
    zones.deploy("web")
    before = zones.manifest("web")
    zones.deploy("web")
    assert zones.manifest("web") == before


def test_a_copy_of_a_manifest_is_planned_from_what_the_user_wrote(zones: World) -> None:
    zones.deploy("web", "http:80 tls:443")
    copy = zones.manifest("web")
    copy["metadata"]["name"] = "copy"
    assert set(zones.replace(copy).values()) == {20000, 20001}
    assert terms(zones, "copy") == "zone!=a and zone!=b"


@pytest.mark.parametrize(
    "forged", ["", "{}", "null", "[]", '{"was": 1, "is": 2, "revision": 3, "times": 4}', "{" * 999]
)
def test_a_forged_record_is_no_record(zones: World, forged: str) -> None:
    assert AffinityWas.parse(forged) is None
    zones.deploy("web", affinity_was=forged)
    assert terms(zones) == "zone=a"


def test_a_node_that_gets_out_of_the_pool_moves_nobody_and_is_warned_of() -> None:
    world = World("n1")
    world.node("w", role="worker")
    world.drop_node("n1")
    world.pool("main", "20000-20009", nodeSelector={"matchLabels": {"role": "worker"}})
    world.deploy("web")
    world.node("stranger")
    before = world.manifest("web")
    world.reconcile("web")
    assert world.manifest("web") == before
    (remark,) = world.plans[-1].remarks
    assert "role=worker" in remark.text
    assert "does not touch a running template" in remark.text


# Selectors as terms

_KEYS = ("zone", "disk", "arch")
_VALUES = ("a", "b")
_REQUIREMENTS = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(_KEYS),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(_VALUES), min_size=1, unique=True),
        }
    ),
    st.fixed_dictionaries({"key": st.sampled_from(_KEYS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
_SELECTORS = st.fixed_dictionaries({"matchExpressions": st.lists(_REQUIREMENTS, max_size=3)})
_RULES = st.one_of(
    st.fixed_dictionaries({"name": st.sampled_from(["n1", "n2"]), "ranges": st.just(["20000"])}),
    st.fixed_dictionaries({"nodeSelector": _SELECTORS, "ranges": st.just(["20000"])}),
)
_LABELS = st.dictionaries(st.sampled_from(_KEYS), st.sampled_from((*_VALUES, "c")))


def _rule(*keys: str) -> Json:
    return {"nodeSelector": _has(*keys), "ranges": ["20000"]}


def _has(*keys: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}


@given(_SELECTORS, st.lists(_RULES, max_size=4), st.sets(st.integers(-1, 3), min_size=1), st.lists(_LABELS, max_size=6))
# The same said twice, and the same said in another order: one of the two terms stays.
@example(_has("disk", "disk"), [_rule("zone")], {-1, 0}, [{"disk": "a"}, {"disk": "a", "zone": "a"}, {}])
@example(_has(), [_rule("disk", "zone"), _rule("zone", "disk")], {0, 1}, [{"disk": "a", "zone": "a"}, {}])
def test_the_terms_mean_just_the_nodes_where_the_rules_are_in_force(
    selector: Json, rules: list[Json], wanted: set[int], nodes: list[dict[str, str]]
) -> None:
    pool = build.pool("main", "20000", nodes=rules, nodeSelector=selector)
    wanted = {rule for rule in wanted if rule < len(rules)} or {-1}
    found = terms_of(pool, frozenset(wanted))
    for i, labels in enumerate(nodes):
        node = build.node(f"n{i}", **labels)
        inside = pool.selector.matches(node.labels) and pool.rule_for(node) in wanted
        if found is not None:
            again = tuple(map(NodeTerm.parse, json.loads(json.dumps(manifest(found)))))
            assert again == found
            assert any(term.matches(node.name, node.labels) for term in found) == inside


@given(st.lists(_SELECTORS, max_size=3), st.lists(_SELECTORS, min_size=1, max_size=3), st.lists(_LABELS, max_size=6))
def test_both_terms_mean_the_nodes_that_each_means(
    one: list[Json], other: list[Json], nodes: list[dict[str, str]]
) -> None:
    mine, theirs = (tuple(map(NodeTerm.parse, side)) for side in (one, other))
    met = Placement(terms=mine).narrowed(theirs)
    assert met.terms == both(mine, theirs)
    for i, labels in enumerate(nodes):
        node = build.node(f"n{i}", **labels)
        wants = [any(term.matches(node.name, node.labels) for term in side) for side in (mine, theirs)]
        if NodeTerm() not in theirs:
            assert met.admits(node) == all(wants)


def test_numbers_that_hold_elsewhere_than_a_copied_affinity_says_are_taken_back_and_the_affinity_follows() -> None:
    world = World("n0")
    world.node("n1", zone="b")
    world.node("n2", zone="a")
    there = {"nodeSelector": {"matchLabels": {"zone": "b"}}, "ranges": ["20003-20004"]}
    world.pool("main", "20000-20001", nodes=[there], policy="LowestFree")
    assert world.deploy("web", "a:1 b:2", pod=build.on_hosts("n1")) == {"app/a": 20003, "app/b": 20004}
    world.delete("web")
    world.deploy("other", "a:1 b:2", request="a=20000,b=20001")
    copy = world.manifest("other")
    copy["metadata"]["name"] = "web"
    del copy["metadata"]["annotations"]["hostport/request"]
    assert world.copy(copy) == {"app/a": 20003, "app/b": 20004}
