"""`hostport/contiguous`: all ports of a workload in one run of consecutive numbers."""

from __future__ import annotations

import pytest

from hostport.api.errors import PoolExhausted, QuotaExceeded, RequestRefused
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def test_ports_get_consecutive_numbers_in_the_order_of_the_template(world: World) -> None:
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true") == {"app/a": 20000, "app/b": 20001, "app/c": 20002}


def test_a_gap_that_is_too_small_is_passed_over(world: World) -> None:
    for name, port in (("x", 20001), ("y", 20005)):
        world.deploy(name, request=f"http={port}")
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true")["app/a"] == 20002


def test_tcp_and_udp_of_one_port_are_one_number_of_the_run(world: World) -> None:
    assert world.deploy("sip", "sip:5060/UDP sip-tcp:5060 tls:5061", contiguous="true") == {
        "app/sip": 20000,
        "app/sip-tcp": 20000,
        "app/tls": 20001,
    }


def test_each_number_of_a_run_must_be_free_for_its_own_protocol_only(world: World) -> None:
    for port in range(20000, 20010, 2):
        world.deploy(f"tcp-{port}", request=f"http={port}")
        world.deploy(f"udp-{port}", "http:80/UDP", request=f"http={port + 1}")
    assert world.deploy("pair", "a:1/UDP b:2", contiguous="true") == {"app/a": 20000, "app/b": 20001}


def test_no_run_is_said_to_be_missing_though_numbers_are_free(world: World) -> None:
    for port in range(20000, 20010, 2):
        world.deploy(f"web-{port}", request=f"http={port}")
    with pytest.raises(PoolExhausted, match="no 2 consecutive free numbers: 5 of 10 TCP numbers free"):
        world.deploy("rtp", "a:1 b:2", contiguous="true")


def test_a_run_lies_within_one_block_unless_none_fits(world: World) -> None:
    world.pool("main", "20220-20229")
    assert world.deploy("five", "a:1 b:2 c:3 d:4 e:5", contiguous="true")["app/a"] == 20224
    world.pool("main", "20220-20227")
    assert world.deploy("two", "a:1 b:2", contiguous="true")["app/a"] == 20220
    world.pool("main", "20222-20226")
    world.delete("five")
    world.wait()
    world.wait(300)
    assert world.deploy("five", "a:1 b:2 c:3 d:4 e:5", contiguous="true")["app/a"] == 20222


def test_a_port_that_is_added_makes_the_run_longer(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true") == {"app/a": 20000, "app/b": 20001, "app/c": 20002}


def test_a_run_grows_downwards_where_it_can_not_grow_upwards(world: World) -> None:
    world.deploy("low", request="http=20000")
    world.deploy("high", request="http=20004")
    world.deploy("rtp", "a:1 b:2", contiguous="true", request="a=20002")
    assert world.shown("rtp") == [20002, 20003]
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true") == {"app/a": 20002, "app/b": 20003, "app/c": 20001}


def test_a_run_that_can_not_be_made_longer_is_given_up_for_a_whole_new_one(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    world.deploy("next", request="http=20002")
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true") == {"app/a": 20003, "app/b": 20004, "app/c": 20005}
    assert world.leases("rtp") == {
        "20000/TCP": "releasing",
        "20001/TCP": "releasing",
        "20003/TCP": "active",
        "20004/TCP": "active",
        "20005/TCP": "active",
    }


def test_where_there_is_no_new_run_the_old_one_stays(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    for port in range(20002, 20010, 2):
        world.deploy(f"web-{port}", request=f"http={port}")
    with pytest.raises(PoolExhausted, match="no 3 consecutive free numbers"):
        world.deploy("rtp", "a:1 b:2 c:3", contiguous="true")
    assert world.shown("rtp") == [20000, 20001, 0]


def test_numbers_that_are_no_run_become_one_when_it_is_asked_for(world: World) -> None:
    world.deploy("rtp", "a:1")
    world.deploy("next")
    world.deploy("rtp", "a:1 b:2")
    assert world.shown("rtp") == [20000, 20002]
    assert world.deploy("rtp", "a:1 b:2", contiguous="true") == {"app/a": 20003, "app/b": 20004}


def test_numbers_that_are_a_run_already_stay_in_whatever_order(world: World) -> None:
    world.deploy("rtp", "a:1 b:2")
    assert world.deploy("rtp", "b:2 a:1", contiguous="true") == {"app/a": 20000, "app/b": 20001}


def test_a_renamed_entry_takes_its_number_along_and_the_new_one_makes_the_run_longer(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    manifest = world.manifest("rtp")
    entries = manifest["spec"]["template"]["spec"]["containers"][0]["ports"]
    entries[0]["name"] = "z"
    entries.insert(0, {"name": "a", "containerPort": 9, "protocol": "TCP"})
    assert world.replace(manifest) == {"app/z": 20000, "app/b": 20001, "app/a": 20002}


def test_a_run_is_in_the_order_in_which_the_ports_are_named(world: World) -> None:
    assert world.deploy("rtp", "a:1 b:2 c:3", ports="c,a", contiguous="true") == {"app/c": 20000, "app/a": 20001}


def test_a_dropped_end_leaves_a_run_and_a_dropped_middle_does_not(world: World) -> None:
    world.deploy("rtp", "a:1 b:2 c:3", contiguous="true")
    assert world.deploy("rtp", "a:1 b:2", contiguous="true") == {"app/a": 20000, "app/b": 20001}
    world.deploy("voip", "a:1 b:2 c:3", contiguous="true")
    assert world.shown("voip") == [20003, 20004, 20005]
    assert world.deploy("voip", "a:1 c:3", contiguous="true") == {"app/a": 20006, "app/c": 20007}


def test_a_run_comes_back_whole_when_its_workload_does(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    world.delete("rtp")
    world.wait()
    assert world.deploy("rtp", "a:1 b:2", contiguous="true") == {"app/a": 20000, "app/b": 20001}


def test_a_run_of_which_somebody_has_taken_a_number_meanwhile_is_replaced_as_a_whole(world: World) -> None:
    world.deploy("rtp", "a:1 b:2", contiguous="true")
    world.delete("rtp")
    world.wait()
    world.pod("thief", "x:1=20001", on="n1")
    assert world.deploy("rtp", "a:1 b:2", contiguous="true") == {"app/a": 20002, "app/b": 20003}


def test_a_run_is_laid_around_the_number_that_is_asked_for(world: World) -> None:
    assert world.deploy("rtp", "a:1 b:2 c:3", contiguous="true", request="b=20007") == {
        "app/a": 20006,
        "app/b": 20007,
        "app/c": 20008,
    }
    assert world.deploy("voip", "a:1 b:2", contiguous="true", request="b=20004") == {"app/a": 20003, "app/b": 20004}


def test_a_run_around_a_number_that_somebody_has_is_refused_with_his_name(world: World) -> None:
    world.deploy("web", request="http=20005")
    with pytest.raises(RequestRefused, match="20005/TCP for app/a is held by Deployment/default/web"):
        world.deploy("rtp", "a:1 b:2", contiguous="true", request="a=20005")


def test_a_run_around_a_number_without_neighbours_is_refused(world: World) -> None:
    world.deploy("x", request="http=20004")
    world.deploy("y", request="http=20006")
    with pytest.raises(PoolExhausted, match="no 2 consecutive free numbers"):
        world.deploy("rtp", "a:1 b:2", contiguous="true", request="a=20005")


def test_a_run_where_it_is_preferred_or_else_anywhere(world: World) -> None:
    assert world.deploy("one", "a:1 b:2", contiguous="true", prefer="a=20004")["app/a"] == 20004
    assert world.deploy("two", "a:1 b:2", contiguous="true", prefer="a=20004")["app/a"] == 20000


def test_a_run_leaves_numbers_written_by_hand_where_they_are(world: World) -> None:
    assert world.deploy("rtp", "a:1=20001 b:2 c:3", contiguous="true") == {"app/b": 20002, "app/c": 20003}
    assert world.shown("rtp") == [20001, 20002, 20003]


def test_a_run_counts_as_a_whole_against_the_quota(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=3)
    with pytest.raises(QuotaExceeded, match="holds 0 of the 3 numbers that pool main allows"):
        world.deploy("rtp", "a:1 b:2 c:3 d:4", contiguous="true")
    world.deploy("rtp", "a:1 b:2 c:3", contiguous="true")
    with pytest.raises(QuotaExceeded):
        world.deploy("rtp", "a:1 b:2 c:3 d:4", contiguous="true")
    assert world.shown("rtp") == [20000, 20001, 20002, 0]


def test_a_run_stays_though_the_quota_is_less_by_now_and_gets_no_longer(world: World) -> None:
    numbers = world.deploy("rtp", "a:1 b:2", contiguous="true")
    world.deploy("other")
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    assert world.reconcile("rtp") == numbers
    with pytest.raises(QuotaExceeded):
        world.deploy("rtp", "a:1 b:2 c:3", contiguous="true")
    assert world.shown("rtp") == [*numbers.values(), 0]
