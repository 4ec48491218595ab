"""How much one workload may ask for: past the limits a sentence, and below them work that grows with what is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.state import State
from hostport.api.errors import InvalidAnnotation, PoolExhausted
from hostport.api.podspec import PortEntry
from hostport.api.request import parse_request
from hostport.cluster.foreign import pod_use
from tests.core import build
from tests.core.build import Json, deployment

MOST = 5000
KB = 1024


def entries(count: int) -> str:
    return " ".join(f"p{i}:{i + 1}" for i in range(count))


def planned(manifest: Json, *taken: int | str, ranges: str = "20000-49999", **pool: object) -> Plan:
    """The plan for a Deployment; `taken` are the numbers of others, `20000` or `20000/UDP`."""
    state = State()
    state.see_nodes(build.node(f"n{i}") for i in range(3))
    state.see_pool(build.pool("main", ranges, **pool))
    for number in taken:
        port, _, protocol = str(number).partition("/")
        use = pod_use(build.pod(f"x{port}{protocol.lower()}", f":1/{protocol or 'TCP'}={port}", on="n1"))
        assert use is not None
        state.see_use(use.by, use)
    return Planner(state, Random(0)).plan(build.workload(manifest), "2026-01-01T00:00:00Z")


def effort(work: Callable[[], object]) -> int:
    """How many functions are called for it."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def grows_linearly(work: Callable[[int], object], size: int) -> bool:
    """Whether twice as much takes about twice the work; four times is what a square would take."""
    work(size)  # what is made once is made
    return effort(lambda: work(2 * size)) < 2.6 * effort(lambda: work(size))


# Limits


@pytest.mark.parametrize("annotation", ["ports", "request", "prefer", "pool", "passthrough"])
def test_too_many_words_are_refused_with_the_limit_and_the_way_out(annotation: str) -> None:
    plan = planned(deployment("web", **{annotation: ",".join(["p0"] * 80 * KB)}))
    assert isinstance(plan.refusal, InvalidAnnotation)
    said = str(plan.refusal)
    assert said.startswith(f'hostport/{annotation}: "p0,p0,')
    assert said.endswith(
        '": 81920 entries, and 5000 at most are read: name each port or pool once, or split the workload'
    )
    assert len(said) < 300


def test_too_many_ports_are_refused_with_the_limit_and_the_way_out() -> None:
    plan = planned(deployment("web", entries(MOST + 1)))
    assert isinstance(plan.refusal, InvalidAnnotation)
    assert str(plan.refusal) == (
        'hostport/auto: "true": 5001 ports, and one workload is given 5000 at most: '
        "name those in hostport/ports that need a number, or split the workload"
    )


def test_of_a_template_with_more_ports_some_can_be_named() -> None:
    assert planned(deployment("web", entries(3 * MOST), ports="p7,p14000")).assigned == {
        "app/p7": 20000,
        "app/p14000": 20001,
    }


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {"ports": ",".join(f"app/p{i}" for i in range(MOST))},
        {"prefer": ",".join(f"p{i}={20000 + i}" for i in range(MOST))},
    ],
    ids=lambda notes: next(iter(notes), "auto"),
)
def test_as_many_ports_as_are_allowed_are_served(notes: dict[str, str]) -> None:
    plan = planned(deployment("web", entries(MOST), **notes))
    assert plan.refusal is None
    assert sorted(plan.assigned.values()) == list(range(20000, 20000 + MOST))


@pytest.mark.parametrize(
    ("notes", "way_out"),
    [
        ({"passthrough": ",".join(f"g{i}" for i in range(1001)), "ports": "p0"}, "name fewer"),
        ({"env": "true"}, "take it away"),
    ],
    ids=["passthrough", "env"],
)
def test_more_variables_than_anybody_reads_are_refused(notes: dict[str, str], way_out: str) -> None:
    said = str(planned(deployment("web", entries(1001), **notes)).refusal)
    problem = "1001 ports to be told by variables, and 1000 at most are written"
    assert said.endswith(f"{problem}: {way_out}, or split the workload")
    notes = {key: value.removesuffix(",g1000") for key, value in notes.items()}
    assert planned(deployment("web", entries(1000), **notes)).refusal is None


# Work


@pytest.mark.parametrize(
    ("annotation", "word"),
    [("ports", "p{0}"), ("ports", "app/{1}/TCP"), ("request", "p{0}={2}"), ("passthrough", "g{0}")],
)
def test_reading_a_list_of_ports_grows_with_the_list(annotation: str, word: str) -> None:
    def read(count: int) -> None:
        words = ",".join(word.format(i, i + 1, 20000 + i) for i in range(count))
        parse_request(build.workload(deployment("web", entries(count), **{annotation: words})))

    assert grows_linearly(read, 200)


@pytest.mark.parametrize("notes", [{}, {"passthrough": "x"}, {"ports": "x"}, {"prefer": "x"}], ids=str)
def test_planning_grows_with_the_ports(notes: dict[str, str]) -> None:
    def plan(count: int) -> None:
        words = {"passthrough": "g{0}", "ports": "p{0}", "prefer": "p{0}={1}"}
        made = {key: ",".join(words[key].format(i, 20000 + 2 * i) for i in range(count)) for key in notes}
        assert planned(deployment("web", entries(count), **made)).refusal is None

    assert grows_linearly(plan, 150)


def test_looking_for_a_run_around_a_number_grows_with_the_run() -> None:
    def plan(count: int) -> None:
        notes = {"contiguous": "true", "request": "p0=30000"}
        refusal = planned(deployment("run", entries(count), **notes), 30001, 30000 - count + 1).refusal
        assert isinstance(refusal, PoolExhausted)

    assert grows_linearly(plan, 60)


def test_a_quota_that_is_too_small_for_any_run_is_found_at_once() -> None:
    def plan(count: int) -> None:
        notes = {"contiguous": "true", "request": "p0=30000"}
        refusal = planned(deployment("run", entries(count), **notes), quotaPerNamespace=count // 2).refusal
        assert "holds 0 of the" in str(refusal)

    assert grows_linearly(plan, 60)


@pytest.mark.parametrize("contiguous", ["true", "false"])
def test_many_names_for_one_container_port_take_no_more_work_than_others(contiguous: str) -> None:
    def plan(count: int) -> None:
        manifest = deployment("web", " ".join(f"p{i}:80" for i in range(count)), contiguous=contiguous)
        assert planned(manifest, ranges=f"20000-{20000 + count - 2}").refusal is not None

    assert grows_linearly(plan, 200)


# What is found is what there is


@given(
    taken=st.sets(st.tuples(st.integers(20000, 20015), st.sampled_from(["TCP", "UDP"])), max_size=10),
    protocols=st.lists(st.sampled_from(["TCP", "UDP"]), min_size=2, max_size=5),
    exact=st.dictionaries(st.integers(0, 4), st.integers(20000, 20015), min_size=1, max_size=2),
)
def test_a_run_is_found_exactly_where_there_is_one(
    taken: set[tuple[int, str]], protocols: list[str], exact: dict[int, int]
) -> None:
    exact = {turn: number for turn, number in exact.items() if turn < len(protocols)}
    spread = max(exact.values(), default=0) - min(exact.values(), default=0)
    if not exact or len(set(exact.values())) < len(exact) or spread >= len(protocols):
        return
    ports = " ".join(f"p{i}:{i + 1}/{protocol}" for i, protocol in enumerate(protocols))
    request = ",".join(f"p{turn}={number}" for turn, number in exact.items())
    plan = planned(
        deployment("run", ports, contiguous="true", request=request),
        *(f"{port}/{protocol}" for port, protocol in taken),
        ranges="20000-20015",
    )
    assert (plan.refusal is None) is _there_is_a_run(taken, protocols, exact)
    if plan.refusal is None:
        numbers = [plan.assigned[f"app/p{i}"] for i in range(len(protocols))]
        assert sorted(numbers) == list(range(min(numbers), min(numbers) + len(numbers)))
        assert all(numbers[turn] == number for turn, number in exact.items())


def _there_is_a_run(taken: set[tuple[int, str]], protocols: list[str], exact: dict[int, int]) -> bool:
    """By trying all: who asks for no number gets the gaps from below, in the order of the template."""
    for first in range(20000, 20016 - len(protocols) + 1):
        run = range(first, first + len(protocols))
        if not all(number in run for number in exact.values()):
            continue
        gaps = iter([number for number in run if number not in exact.values()])
        numbers = [exact[turn] if turn in exact else next(gaps) for turn in range(len(protocols))]
        if not any(pair in taken for pair in zip(numbers, protocols, strict=True)):
            return True
    return False


def _naive(some: list[PortEntry], fixed: dict[PortEntry, int]) -> list[list[PortEntry]]:
    groups: list[list[PortEntry]] = []
    for entry in some:
        for group in groups:
            there = {fixed[e] for e in (entry, *group) if e in fixed}
            same = (group[0].container_name, group[0].number) == (entry.container_name, entry.number)
            if same and len(there) < 2 and all(e.protocol != entry.protocol for e in group):
                group.append(entry)
                break
        else:
            groups.append([entry])
    return groups


@given(
    st.lists(
        st.tuples(st.sampled_from([80, 81]), st.sampled_from(["TCP", "UDP", "SCTP"]), st.sampled_from([0, 0, 1, 2, 3])),
        max_size=14,
    )
)
def test_ports_of_one_container_port_go_together_first_come_first(wanted: list[tuple[int, str, int]]) -> None:
    from hostport.allocation.siblings import groups_of

    text = " ".join(f"p{i}:{number}/{protocol}" for i, (number, protocol, _) in enumerate(wanted))
    some = list(build.workload(deployment("web", text)).entries) if wanted else []
    fixed = {entry: number for entry, (_, _, number) in zip(some, wanted, strict=True) if number}
    assert groups_of(some, fixed) == _naive(some, fixed)
