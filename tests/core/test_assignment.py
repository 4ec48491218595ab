"""One small pool, from the first workload to the last number and back."""

from __future__ import annotations

from random import Random

import pytest

from hostport.allocation.plan import Planner
from hostport.allocation.state import State
from hostport.api.errors import InvalidAnnotation, NoMatchingPool, PoolExhausted
from hostport.ledger.book import MOST_LEASES
from tests.core import build
from tests.core.world import World


def test_a_pool_from_its_first_number_to_its_last_and_back() -> None:
    world = World()
    world.pool("main", "20000-20003", cooldownSeconds=60)

    # "one" gets a number, and no other the next time it is looked at
    assert world.deploy("one") == {"app/http": 20000}
    assert world.shown("one") == [20000]
    assert world.deploy("one") == {"app/http": 20000}

    # "two" has three ports; TCP and UDP of one containerPort go together
    assert world.deploy("two", "dns:53/UDP dns-tcp:53 http:80") == {
        "app/dns": 20001,
        "app/dns-tcp": 20001,
        "app/http": 20002,
    }

    # "three" wants two numbers, and there is only one: it gets none
    with pytest.raises(PoolExhausted, match="1 of 4 TCP numbers free and 2 ports to be served"):
        world.deploy("three", "a:1 b:2")
    assert world.shown("three") == [0, 0]
    assert world.leases("three") == {}

    # "four" is content with one
    assert world.deploy("four") == {"app/http": 20003}
    with pytest.raises(PoolExhausted, match="0 of 4 TCP numbers free"):
        world.deploy("five")

    # "five" asks for UDP, of which there is some
    assert world.deploy("five", "rtp:5004/UDP") == {"app/rtp": 20000}

    # "one" gives its number back: it rests, and "three" still has to wait
    world.deploy("one", auto="false")
    world.wait()
    assert world.shown("one") == [0]
    assert world.leases("one") == {"20000/TCP": "released"}
    with pytest.raises(PoolExhausted, match="1 resting for up to 60 s"):
        world.deploy("three", "a:1")
    world.wait(59)
    with pytest.raises(PoolExhausted):
        world.deploy("three", "a:1")

    # a second later it is "three"'s
    world.wait(1)
    assert world.leases("one") == {}
    assert world.deploy("three", "a:1") == {"app/a": 20000}

    # the pool grows, and "six" is served from what has been added
    world.pool("main", "20000-20004", cooldownSeconds=60)
    assert world.deploy("six") == {"app/http": 20004}

    # the pool shrinks, and nobody loses anything
    world.pool("main", "20004", cooldownSeconds=60)
    assert world.deploy("two", "dns:53/UDP dns-tcp:53 http:80")["app/http"] == 20002
    assert world.counts("main").capacity == 2


def test_who_asks_for_nothing_gets_nothing() -> None:
    world = World()
    world.pool("main", "20000-20009")
    assert world.deploy("web", auto="false") == {}
    assert world.leases() == {}
    assert world.shown("web") == [0]


def test_a_grant_is_dated_and_has_one_id_for_all_of_its_leases() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web", "a:1 b:2 c:3")
    granted = [world.lease("main", f"{port}/TCP") for port in (20000, 20001, 20002)]
    assert {lease.since for lease in granted if lease} == {world.now}
    assert [lease.port for lease in granted if lease] == ["app/a", "app/b", "app/c"]
    (grant,) = {lease.grant for lease in granted if lease}
    assert grant.endswith("/3")


def test_a_port_that_is_added_gets_a_number_and_the_others_keep_theirs() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web", "a:1 b:2")
    world.deploy("other")
    assert world.deploy("web", "c:3 b:2 a:1") == {"app/a": 20000, "app/b": 20001, "app/c": 20003}


def test_a_port_that_is_dropped_gives_its_number_back() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web", "a:1 b:2")
    assert world.deploy("web", "b:2") == {"app/b": 20001}
    assert world.leases("web") == {"20000/TCP": "releasing", "20001/TCP": "active"}


def test_a_port_that_is_no_longer_asked_for_loses_its_number() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web", "a:1 b:2")
    assert world.deploy("web", "a:1 b:2", ports="b") == {"app/b": 20001}
    assert world.shown("web") == [0, 20001]
    assert world.plans[-2].released == ["app/a=20000"]


def test_the_user_names_the_ports_that_are_meant() -> None:
    world = World()
    world.pool("main", "20000-20009")
    assert world.deploy("web", "a:1 b:2 c:3", ports="c") == {"app/c": 20000}
    assert world.shown("web") == [0, 0, 20000]


def test_a_nonsense_annotation_changes_nothing_for_a_workload_that_is_served() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web")
    with pytest.raises(InvalidAnnotation):
        world.deploy("web", auto="maybe")
    assert world.shown("web") == [20000]
    assert world.leases("web") == {"20000/TCP": "active"}


def test_without_a_pool_the_refusal_says_what_to_create() -> None:
    with pytest.raises(NoMatchingPool, match="no HostPortPool with default: true"):
        World().deploy("web")


def test_a_workload_that_is_being_deleted_keeps_its_number_till_it_is_gone() -> None:
    world = World()
    world.pool("main", "20000-20009")
    world.deploy("web")
    manifest = world.manifest("web")
    manifest["metadata"]["deletionTimestamp"] = world.now
    assert world.replace(manifest) == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}
    world.delete("web")
    assert world.leases("web") == {"20000/TCP": "releasing"}


def test_two_workloads_of_the_same_name_in_two_namespaces_are_two() -> None:
    world = World()
    world.pool("main", "20000-20009")
    assert world.deploy("web", namespace="blue") == {"app/http": 20000}
    assert world.deploy("web", namespace="green") == {"app/http": 20001}


def test_a_number_that_only_one_port_can_use_is_left_to_it() -> None:
    world = World()
    world.pool("main", "20000-20001", protocols=["TCP", "UDP"])
    world.pod("dns", "dns:53/UDP=20001", on="n1")
    assert world.deploy("web", "http:80 dns:53 dns-udp:53/UDP") == {
        "app/dns": 20000,
        "app/dns-udp": 20000,
        "app/http": 20001,
    }


def test_a_block_that_holds_as_many_leases_as_one_object_should_takes_no_more() -> None:
    nodes = [f"n{i}" for i in range(8)]
    state = State()
    state.see_nodes(build.node(name) for name in nodes)
    state.see_pool(build.pool("main", "20000-20223", "30000", policy="LowestFree"))
    planner = Planner(state, Random(0))
    for i in range(MOST_LEASES // len(nodes)):
        spread = build.deployment(f"web-{i}", pod=build.on_hosts(*nodes))
        assert planner.plan(build.workload(spread), "now").assigned == {"app/http": 20000 + i}
    late = build.workload(build.deployment("late"))
    assert planner.plan(late, "now").assigned == {"app/http": 30000}
    for change in planner.plan_gone("Deployment/default/web-0", "now"):
        state.put(change._replace(lease=None))
    assert planner.plan(build.workload(build.deployment("last")), "now").assigned == {"app/http": 20000}


def test_many_workloads_share_a_pool_without_meeting() -> None:
    world = World()
    world.pool("main", "20000-20049")
    numbers = [world.deploy(f"web-{i}")["app/http"] for i in range(50)]
    assert sorted(numbers) == list(range(20000, 20050))
