"""A strategy under which a rollout could never finish is made safe, told, and put back."""

from __future__ import annotations

import json
from random import Random

import pytest

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.rollout import Adjustment, Remark, Room, adjust, remarks, restore
from hostport.allocation.state import State
from hostport.api.errors import InvalidAnnotation
from hostport.api.podspec import Claim
from hostport.api.ports import Protocol
from hostport.api.strategy import Amount, Amounts, Strategy, parse_amounts
from hostport.api.workload import DEPLOYMENT, KINDS, Kind, Workload
from hostport.cluster.templates import operations
from tests.core import build
from tests.core.build import Json


def rolling(surge: Amount = "25%", unavailable: Amount = "25%") -> Json:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def web(
    replicas: int = 1, strategy: Json | None = None, *, kind: Kind = DEPLOYMENT, pod: Json | None = None, **notes: str
) -> Workload:
    manifest = build.deployment("web", pod=pod, **notes)
    manifest["spec"][kind.strategy] = rolling() if strategy is None else strategy
    manifest["spec"]["replicas"] = replicas
    if kind is not DEPLOYMENT:
        del manifest["spec"]["replicas"]
    return build.workload(manifest, kind=kind)


def adjusted(workload: Workload, nodes: int, closed: int = 0, *, runs: bool = True) -> tuple[Amounts, Amounts] | None:
    """New amounts, and what is remembered."""
    done = adjust(workload, Room(nodes, closed), keep=False, runs=runs)
    return (done.amounts, done.was) if done else None


# Surge and unavailability as the deployment controller resolves them


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "want_surge", "want_unavailable"),
    [
        ("25%", "25%", 1, 1, 0),
        ("25%", "25%", 3, 1, 0),
        ("25%", "25%", 4, 1, 1),
        ("25%", "25%", 5, 2, 1),
        ("100%", 0, 3, 3, 0),
        ("100%", 0, 0, 0, 1),
        (2, 1, 10, 2, 1),
        (0, "25%", 1, 0, 1),
        (0, "25%", 8, 0, 2),
        (0, 1, 1, 0, 1),
    ],
)
def test_percentages_of_a_surge_are_rounded_up_and_those_of_unavailability_down(
    surge: Amount, unavailable: Amount, replicas: int, want_surge: int, want_unavailable: int
) -> None:
    strategy = Strategy("strategy", surge, unavailable)
    assert (strategy.surge(replicas), strategy.unavailable(replicas)) == (want_surge, want_unavailable)


# What is changed


@pytest.mark.parametrize(
    ("case", "replicas", "nodes", "strategy", "want"),
    [
        ("a node to spare", 2, 3, rolling(), None),
        ("no node to spare", 3, 3, rolling(), ({"maxSurge": 0}, {"maxSurge": "25%"})),
        ("a single node", 1, 1, rolling(), ({"maxSurge": 0}, {"maxSurge": "25%"})),
        ("a larger surge than there are spare nodes", 2, 3, rolling(2, 1), ({"maxSurge": 0}, {"maxSurge": 2})),
        (
            "nothing may be missing",
            1,
            1,
            rolling(1, 0),
            ({"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": 1, "maxUnavailable": 0}),
        ),
        (
            "nothing may be missing, as a percentage",
            1,
            1,
            rolling("50%", "0%"),
            ({"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": "50%", "maxUnavailable": "0%"}),
        ),
        ("no surge", 3, 3, rolling(0, 1), None),
        ("more replicas than nodes", 5, 3, rolling(), ({"maxSurge": 0}, {"maxSurge": "25%"})),
        ("scaled to nothing", 0, 1, rolling(), None),
        ("scaled to nothing, with a surge in figures", 0, 0, rolling(1, 0), None),
        ("no node that is known", 1, 0, rolling(), None),
        ("all at once", 1, 1, {"type": "Recreate"}, None),
    ],
)
def test_surge_is_taken_away_where_there_is_no_node_for_it(
    case: str, replicas: int, nodes: int, strategy: Json, want: tuple[Amounts, Amounts] | None
) -> None:
    assert adjusted(web(replicas, strategy), nodes) == want, case


def test_the_event_gives_the_figures_the_change_and_the_way_to_refuse_it() -> None:
    done = adjust(web(3, rolling("25%", 0)), Room(3), keep=False, runs=True)
    assert done is not None
    assert done.text == (
        'a hostPort fits once per node, and 3 replicas and 1 more during a rollout (maxSurge "25%") need 4 nodes where '
        "there are 3, so that a new Pod would wait for the port of an old one; "
        'spec.strategy.rollingUpdate: maxSurge "25%" → 0, maxUnavailable 0 → 1. '
        "To refuse this and have it put back: hostport/rollout: keep"
    )


def test_before_a_pod_with_the_number_is_ready_nothing_is_changed_and_nothing_warned_of() -> None:
    """Its old Pods hold no number, so that the first rollout needs no room; and where no Pod can be made, they stay."""
    assert adjusted(web(3), 3, runs=False) is None
    assert adjusted(web(kind=KINDS["DaemonSet"], strategy=rolling(1, 0)), 5, runs=False) is None
    assert list(remarks(web(3), Room(3), web().placement, keep=False)) == []


def test_a_cordoned_node_is_no_room_for_a_new_pod() -> None:
    assert adjusted(web(1), 1, closed=1) == ({"maxSurge": 0}, {"maxSurge": "25%"})
    done = adjust(web(1), Room(1, 1), keep=False, runs=True)
    assert done is not None
    assert "where there is 1 that takes Pods now (1 more cordoned or not ready), so that" in done.text
    assert warnings(web(2, rolling(0, 1)), 1, closed=1) == [], "its Pods stay where they are"


def test_a_daemon_set_that_surges_is_made_safe_whatever_the_nodes_are() -> None:
    daemons = web(kind=KINDS["DaemonSet"], strategy=rolling(1, 0))
    done = adjust(daemons, Room(5), keep=False, runs=True)
    assert done is not None
    assert (done.amounts, done.was) == ({"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": 1, "maxUnavailable": 0})
    assert "spec.updateStrategy.rollingUpdate: maxSurge 1 → 0" in done.text
    assert adjusted(web(kind=KINDS["DaemonSet"], strategy=rolling(0, 1)), 5) is None
    assert adjusted(web(kind=KINDS["DaemonSet"], strategy={"type": "OnDelete"}), 5) is None


def warnings(workload: Workload, nodes: int, closed: int = 0) -> list[Remark]:
    return list(remarks(workload, Room(nodes, closed), workload.placement, keep=True))


# Set back by others


@pytest.mark.parametrize(
    ("case", "now", "was", "want"),
    [
        ("as it was", rolling("25%", "25%"), {"maxSurge": "25%"}, {"maxSurge": "25%"}),
        ("to something else", rolling(2, "25%"), {"maxSurge": "25%"}, {"maxSurge": 2}),
        ("half of it", rolling(1, 1), {"maxSurge": 1, "maxUnavailable": 0}, {"maxSurge": 1, "maxUnavailable": 0}),
    ],
)
def test_set_back_it_is_made_safe_again_and_what_stands_there_is_remembered(
    case: str, now: Json, was: Amounts, want: Amounts
) -> None:
    """How often is the budget's business."""
    assert adjusted(web(strategy=now, rollout_was=json.dumps(was)), 1) == ({"maxSurge": 0}, want), case


def test_made_safe_already_it_is_left() -> None:
    assert adjusted(web(strategy=rolling(0, 1), rollout_was='{"maxSurge":"25%"}'), 1) is None
    assert adjusted(web(strategy=rolling(0, 1), rollout_was="garbage"), 1) is None


def test_keep_is_only_warned_of() -> None:
    kept = web(3, rollout="keep")
    assert adjust(kept, Room(3), keep=True, runs=True) is None
    (remark,) = warnings(kept, 3)
    assert remark.reason == "RolloutWouldDeadlock"
    assert "hostport/rollout: safe" in remark.text


@pytest.mark.parametrize(
    ("case", "replicas", "nodes", "strategy", "want"),
    [
        ("nothing may be missing, no spare node", 3, 3, rolling(1, 0), ["RolloutWouldDeadlock"]),
        ("one may be missing: it leaves, and its node is free", 3, 3, rolling(1, 1), []),
        ("one spare node: a new Pod comes, then an old one leaves", 4, 5, rolling(2, 0), []),
        ("safe already", 3, 3, rolling(0, 1), []),
        ("all at once", 3, 3, {"type": "Recreate"}, []),
        ("more replicas than nodes, and surging", 4, 3, rolling(1, 0), ["TooFewNodes", "RolloutWouldDeadlock"]),
        ("more replicas than nodes", 4, 3, rolling(0, 1), ["TooFewNodes"]),
        ("so many may be missing that it goes on", 4, 3, rolling(1, 2), ["TooFewNodes"]),
    ],
)
def test_warnings_are_true(case: str, replicas: int, nodes: int, strategy: Json, want: list[str]) -> None:
    assert [remark.reason for remark in warnings(web(replicas, strategy), nodes)] == want, case


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        (None, "3 replicas, and the Pods may run on 1 node: "),
        (build.where(zone="a", disk="ssd"), "may run on 1 node (nodeSelector disk=ssd, zone=a): "),
        (build.on_hosts("n1"), "may run on 1 node (required node affinity): "),
        (build.on_node("n1"), "may run on 1 node (nodeName n1): "),
    ],
)
def test_too_few_nodes_gives_the_figures_and_the_selector(pod: Json | None, want: str) -> None:
    remark = warnings(web(3, pod=pod), 1)[0]
    assert want in remark.text
    assert "2 Pods will stay Pending" in remark.text


# What is put back


@pytest.mark.parametrize(
    ("case", "now", "was", "want"),
    [
        ("as it was left", rolling(0, 1), {"maxSurge": 1, "maxUnavailable": 0}, {"maxSurge": 1, "maxUnavailable": 0}),
        ("a percentage that was not touched", rolling(0, "25%"), {"maxSurge": "25%"}, {"maxSurge": "25%"}),
        ("somebody has changed the surge since", rolling(2, "25%"), {"maxSurge": "25%"}, {}),
        ("somebody has changed the other", rolling(0, 2), {"maxSurge": 1, "maxUnavailable": 0}, {"maxSurge": 1}),
        ("what is left would be refused", rolling("0%", 1), {"maxSurge": 1, "maxUnavailable": 0}, {}),
        ("all at once now", {"type": "Recreate"}, {"maxSurge": 1}, {}),
    ],
)
def test_what_was_changed_is_put_back_where_it_is_still_ours(case: str, now: Json, was: Amounts, want: Amounts) -> None:
    done = restore(web(strategy=now, rollout_was=json.dumps(was)))
    assert done is not None
    assert (done.amounts, done.was) == (want, {}), case


def test_of_a_daemon_set_nothing_is_put_back_that_would_be_refused() -> None:
    done = restore(web(kind=KINDS["DaemonSet"], strategy=rolling(0, 3), rollout_was='{"maxSurge":1}'))
    assert done == Adjustment({}, {}, "")


def test_where_nothing_was_changed_nothing_is_put_back() -> None:
    assert restore(web(strategy=rolling(0, 1))) is None


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "[]",
        "7",
        "{",
        '{"maxSurge":true}',
        '{"maxSurge":-1}',
        '{"maxSurge":"many"}',
        '{"replicas":3}',
        '{"maxSurge":{}}',
    ],
)
def test_an_annotation_that_we_never_wrote_changes_nothing_and_goes(forged: str) -> None:
    assert parse_amounts(forged) == {}
    assert restore(web(strategy=rolling(0, 1), rollout_was=forged)) == Adjustment({}, {}, "")


# In the plan


class Cluster:
    """One pool, some nodes, and a Deployment whose patches are taken over into its manifest."""

    def __init__(self, *nodes: str) -> None:
        self.state = State()
        self.state.see_nodes(build.node(name) for name in nodes)
        self.state.see_pool(build.pool("main", "20000-20009"))
        self.generation = 0
        self.manifest = build.deployment("web")
        self.manifest["spec"]["strategy"] = rolling()

    def plan(self) -> Plan:
        workload = build.workload(self.manifest, version=self.generation + 1)
        return Planner(self.state, Random(0)).plan(workload, "now")

    def run(self) -> None:
        """A Pod with the number is ready."""
        self.state.ready.note("Pod default/web-1", "Deployment/default/web", build.workload(self.manifest).claims)

    def settle(self) -> Plan:
        """Plan and patch until nothing is left to patch; fails if that takes more than one patch."""
        plan = self.plan()
        if plan.patches_template:
            _apply(self.manifest, operations(plan))
            self.generation += 1
            plan = self.plan()
        assert not plan.patches_template
        return plan

    @property
    def amounts(self) -> tuple[Amount, Amount]:
        amounts = self.manifest["spec"]["strategy"]["rollingUpdate"]
        return amounts["maxSurge"], amounts["maxUnavailable"]

    @property
    def notes(self) -> dict[str, str]:
        return dict(self.manifest["metadata"]["annotations"])


def _apply(manifest: Json, patch: list[Json]) -> None:
    for step in patch:
        *path, last = (part.replace("~1", "/") for part in step["path"].split("/")[1:])
        place = manifest
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if step["op"] == "test" and path[0] == "spec" and not isinstance(place, list):
            assert place[last] == step["value"], step
        if step["op"] in ("add", "replace"):
            place[last] = step["value"]
        if step["op"] == "remove":
            del place[last]


def served(*nodes: str) -> Cluster:
    """A Deployment that has its number, a Pod that runs on it, and a strategy that fits."""
    cluster = Cluster(*nodes)
    cluster.settle()
    cluster.run()
    cluster.settle()
    return cluster


def test_the_strategy_follows_the_number_when_a_pod_runs_and_both_go_in_one_patch() -> None:
    cluster = Cluster("n1")
    cluster.settle()
    assert cluster.amounts == ("25%", "25%")
    cluster.run()
    cluster.settle()
    assert cluster.amounts == (0, "25%")
    assert cluster.notes["hostport/rollout-was"] == '{"maxSurge":"25%"}'

    del cluster.manifest["metadata"]["annotations"]["hostport/auto"]
    cluster.settle()
    assert cluster.amounts == ("25%", "25%")
    assert cluster.notes == {}
    assert cluster.generation == 3


def test_a_pod_of_an_earlier_number_is_no_pod_with_the_number() -> None:
    cluster = Cluster("n1")
    claims = frozenset({Claim(Protocol.TCP, 20009)})
    cluster.state.ready.note("Pod default/web-0", "Deployment/default/web", claims)
    cluster.settle()
    assert cluster.amounts == ("25%", "25%")


def test_a_node_that_is_cordoned_makes_a_rollout_need_more_room() -> None:
    cluster = served("n1", "n2")
    assert cluster.amounts == ("25%", "25%")
    views = cluster.state.changes
    cluster.state.see_nodes([build.node("n2", cordoned=True)])
    assert cluster.state.changes == views, "what is free on the node stays free"
    cluster.settle()
    assert cluster.amounts == (0, "25%")


def test_scaled_up_a_workload_that_has_its_number_is_adjusted_then() -> None:
    cluster = served("n1", "n2")
    assert cluster.amounts == ("25%", "25%")
    cluster.manifest["spec"]["replicas"] = 2
    cluster.settle()
    assert cluster.amounts == (0, "25%")


def test_more_nodes_are_no_reason_to_write_again() -> None:
    cluster = served("n1")
    cluster.state.see_nodes([build.node("n2"), build.node("n3")])
    assert not cluster.plan().patches_template


def test_the_last_port_given_back_puts_the_strategy_back() -> None:
    cluster = served("n1")
    entry = cluster.manifest["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    entry["hostPort"] = 9999
    cluster.settle()
    assert cluster.amounts == ("25%", "25%")


def test_keep_after_the_fact_puts_it_back_and_warns() -> None:
    cluster = served("n1")
    cluster.manifest["metadata"]["annotations"]["hostport/rollout"] = "keep"
    plan = cluster.settle()
    assert cluster.amounts == ("25%", "25%")
    assert "hostport/rollout-was" not in cluster.notes
    assert [remark.reason for remark in plan.remarks] == ["RolloutWouldDeadlock"]


def test_another_value_than_safe_and_keep_is_refused() -> None:
    cluster = Cluster("n1")
    cluster.manifest["metadata"]["annotations"]["hostport/rollout"] = "Keep"
    refusal = cluster.plan().refusal
    assert isinstance(refusal, InvalidAnnotation)
    assert str(refusal) == 'hostport/rollout: "Keep": write "safe" or "keep"'
