"""How often the operator writes the same into an object that others change back."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.state import State
from hostport.run.budget import Budget
from tests.core import build
from tests.core.build import Json

MINUTE = 60.0


class Fight:
    """A Deployment that its owner keeps as it was, an operator that serves it, and a clock that is told the time."""

    def __init__(self, **annotations: str) -> None:
        self.seconds = 0.0
        self.written: list[float] = []
        self.budget = Budget(lambda: self.seconds)
        self.state = State()
        self.state.see_nodes([build.node("n1")])
        self.state.see_pool(build.pool("main", "20000-20009"))
        self.manifest = build.deployment("web", **annotations)

    def plan(self) -> Plan:
        """What the operator would write into the object as its owner wants it."""
        return Planner(self.state, Random(0)).plan(build.workload(self.manifest), "now")

    def round(self, stands: float = 0.0) -> str:
        """The owner has changed it back; the operator waits as long as it must, and writes. Returns why it does not."""
        verdict = self.budget.verdict(self.plan())
        if verdict.let_go is None:
            self.seconds += verdict.wait
            assert self.budget.verdict(self.plan()).wait == 0
            self.written.append(self.seconds)
            self.budget.wrote(self.plan())
            self.seconds += stands
        return verdict.let_go.text if verdict.let_go else ""


def test_what_is_changed_back_at_once_is_written_five_times_with_growing_pauses_and_then_let_go() -> None:
    fight = Fight()
    said = [fight.round() for _ in range(6)]
    assert fight.written == [0, 0, 2, 8, 26]
    assert said[:5] == [""] * 5
    assert said[5].startswith(
        "another controller has taken out what the operator wrote 5 times (hostPorts (app/http=20000"
    )


def test_who_keeps_taking_it_out_is_named() -> None:
    fight = Fight()
    entry = {"manager": "clickhouse-operator", "operation": "Update", "time": "2026-01-01T00:00:02Z"}
    ours = {"manager": "hostport-operator", "operation": "Update", "time": "2026-01-01T00:00:03Z"}
    status = {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-01-01T00:00:04Z"}
    fight.manifest["metadata"]["managedFields"] = [entry, ours, status]
    said = [fight.round() for _ in range(6)]
    assert "the field manager that wrote to it last is clickhouse-operator" in said[-1]


@pytest.mark.parametrize(
    ("case", "stands", "rounds"),
    [("ten times a day", 144 * MINUTE, 100), ("every quarter of an hour", 15 * MINUTE, 100)],
)
def test_a_pipeline_that_replaces_its_object_now_and_then_keeps_its_number(
    case: str, stands: float, rounds: int
) -> None:
    fight = Fight()
    assert not any(fight.round(stands) for _ in range(rounds)), case
    assert fight.written == [turn * stands for turn in range(rounds)], "at once each time"


def test_what_stood_ten_minutes_each_time_costs_nothing_and_half_of_that_costs_half() -> None:
    fight = Fight()
    assert not any(fight.round(5 * MINUTE) for _ in range(10))
    assert fight.round(5 * MINUTE)


def test_another_template_begins_anew() -> None:
    fight = Fight()
    while not fight.round():
        pass
    fight.manifest["spec"]["template"]["spec"]["serviceAccountName"] = "other"
    assert [bool(fight.round()) for _ in range(6)] == [False] * 5 + [True]


def test_another_annotation_begins_anew() -> None:
    fight = Fight()
    while not fight.round():
        pass
    fight.manifest["metadata"]["annotations"]["hostport/prefer"] = "http=20005"
    assert fight.round() == ""


def test_the_strategy_that_follows_the_number_is_no_second_write_of_the_same() -> None:
    fight = Fight()
    fight.manifest["spec"]["strategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert fight.round() == ""
    _shown(fight.manifest, 20000)
    workload = build.workload(fight.manifest)
    fight.state.ready.note("Pod default/web-1", workload.key, workload.claims)
    plan = fight.plan()
    assert plan.rollout is not None
    assert fight.budget.verdict(plan) == (0.0, None)
    said = [fight.round() for _ in range(6)]
    assert "rollout strategy" in said[-1]
    assert len(fight.written) <= 7, "the number once and the strategy five times"


def test_taking_out_what_was_written_is_nothing_to_fight_about() -> None:
    fight = Fight()
    fight.round()
    _shown(fight.manifest, 20000)
    fight.manifest["metadata"]["annotations"]["hostport/auto"] = "false"
    for _ in range(10):
        assert fight.plan().ports
        assert fight.round() == ""


def test_a_workload_of_the_same_name_that_comes_later_begins_anew() -> None:
    fight = Fight()
    while not fight.round():
        pass
    plan = fight.plan()
    another = replace(plan, workload=replace(plan.workload, uid="another"))
    assert fight.budget.verdict(another).let_go is None


# Refused


def test_a_refused_template_is_told_once_and_tried_again_less_and_less_often_for_an_hour() -> None:
    fight = Fight()
    told, waits = [], []
    while (verdict := fight.budget.verdict(fight.plan())).let_go is None:
        fight.seconds += verdict.wait
        if fight.budget.verdict(fight.plan()).let_go is None:
            told.append(fight.budget.refused(fight.plan().workload, "no host ports here", transient=False))
            waits.append(fight.budget.verdict(fight.plan()).wait)
    assert told == [True] + [False] * (len(told) - 1)
    assert waits[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert max(waits) == 300
    assert verdict.let_go.reason == "PatchRefused"
    assert "for an hour: no host ports here" in verdict.let_go.text


def test_a_right_that_is_missing_for_a_moment_is_not_told_at_once() -> None:
    fight = Fight()
    assert [fight.budget.refused(fight.plan().workload, "no", transient=True) for _ in range(4)] == [
        False,
        False,
        True,
        False,
    ]


def test_a_template_that_was_changed_is_tried_at_once() -> None:
    fight = Fight()
    fight.budget.refused(fight.plan().workload, "no", transient=False)
    assert fight.budget.verdict(fight.plan()).wait == 5
    fight.manifest["spec"]["template"]["metadata"]["labels"]["allowed"] = "true"
    assert fight.budget.verdict(fight.plan()).wait == 0


def _shown(manifest: Json, port: int) -> None:
    manifest["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostPort"] = port
    manifest["metadata"]["annotations"]["hostport/assigned"] = f'{{"app/http":{port}}}'
