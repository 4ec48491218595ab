"""`hostport/request`: this number or a clear refusal. `hostport/prefer`: this number if it is free."""

from __future__ import annotations

import pytest

from hostport.api.errors import NoMatchingPool, PoolExhausted, QuotaExceeded, RequestRefused
from tests.core.build import on_node
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def _refused(world: World, name: str = "late", entries: str = "http:80", **more: object) -> str:
    with pytest.raises(RequestRefused) as caught:
        world.deploy(name, entries, **more)
    return str(caught.value)


# request


def test_a_free_number_that_is_asked_for_is_given(world: World) -> None:
    assert world.deploy("web", request="http=20007") == {"app/http": 20007}


def test_a_number_that_somebody_has_is_refused_with_his_name_and_the_nearest_free_one(world: World) -> None:
    world.deploy("web", request="http=20005")
    world.deploy("next", request="http=20006")
    text = _refused(world, request="http=20005")
    assert text.startswith("20005/TCP for app/http is held by Deployment/default/web (app/http)")
    assert text.endswith("; the nearest free number is 20004")


def test_a_number_that_a_pod_is_on_is_refused_with_the_pods_name(world: World) -> None:
    world.pod("svclb", "lb:80=20005", on="n1")
    assert "is held by Pod default/svclb;" in _refused(world, request="http=20005")


def test_a_number_that_is_a_node_port_is_refused_with_the_services_name(world: World) -> None:
    world.service("web", 20005)
    assert "is held by Service default/web (nodePort);" in _refused(world, request="http=20005")


def test_a_number_that_a_hand_written_template_claims_is_refused_with_its_name(world: World) -> None:
    world.deploy("by hand", "http:80=20005", auto="false")
    assert "is held by Deployment/default/by hand (template);" in _refused(world, request="http=20005")


def test_at_most_three_holders_are_named(world: World) -> None:
    for i in range(5):
        world.pod(f"pod-{i}", "x:1=20005", on="n1")
    assert "is held by Pod default/pod-0, Pod default/pod-1, Pod default/pod-2;" in _refused(
        world, request="http=20005"
    )


def test_of_a_full_pool_it_is_said_that_nothing_else_is_free(world: World) -> None:
    world.pool("main", "20000")
    world.deploy("web")
    assert _refused(world, request="http=20000").endswith("; no other number is free")


def test_a_resting_number_is_refused_to_others_with_the_time_it_rests(world: World) -> None:
    world.deploy("web")
    world.delete("web")
    world.wait()
    assert f"it rests for 60 s from {world.now} on" in _refused(world, request="http=20000")
    world.wait(60)
    assert world.deploy("late", request="http=20000") == {"app/http": 20000}


def test_a_number_of_no_pool_is_refused_with_what_there_is(world: World) -> None:
    text = _refused(world, request="http=10012")
    assert text == "10012/TCP for app/http is outside of every pool that may serve it: main has 20000-20009"


def test_a_number_that_is_not_valid_on_the_workloads_node_is_refused(world: World) -> None:
    world.pool("main", "20000-20009", nodes=[{"name": "n2", "ranges": ["30000-30009"]}])
    assert "outside of every pool" in _refused(world, request="http=20000", pod=on_node("n2"))
    assert world.deploy("late", request="http=20000", pod=on_node("n1")) == {"app/http": 20000}


def test_of_two_pools_the_one_that_has_the_number_gives_it(world: World) -> None:
    world.pool("other", "30000-30009")
    assert world.deploy("web", request="http=30003") == {"app/http": 30003}


def test_a_protocol_that_no_pool_hands_out_is_no_matter_of_the_number(world: World) -> None:
    world.pool("main", "20000-20009", protocols=["UDP"])
    with pytest.raises(NoMatchingPool, match="main hands out no TCP"):
        world.deploy("web", request="http=20000")


def test_a_number_beyond_the_quota_is_refused_for_the_quota(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    world.deploy("web")
    with pytest.raises(QuotaExceeded, match="holds 1 of the 1 numbers"):
        world.deploy("late", request="http=20005")


def test_who_asks_for_a_number_goes_before_those_who_take_any(world: World) -> None:
    assert world.deploy("web", "a:1 b:2 c:3", request="c=20000", prefer="b=20001") == {
        "app/c": 20000,
        "app/b": 20001,
        "app/a": 20002,
    }


def test_tcp_and_udp_can_be_asked_for_on_one_number(world: World) -> None:
    world.deploy("udp", "x:1/UDP", request="x=20003")
    text = _refused(world, "dns", "dns:53/UDP dns-tcp:53", request="dns=20003,dns-tcp=20003")
    assert text.startswith("20003/UDP+TCP for app/dns, app/dns-tcp is held by Deployment/default/udp (app/x)")
    assert world.deploy("dns", "dns:53/UDP dns-tcp:53", request="dns=20004,dns-tcp=20004")["app/dns"] == 20004


def test_the_other_protocol_follows_the_number_that_is_asked_for(world: World) -> None:
    assert world.deploy("dns", "dns:53/UDP dns-tcp:53", request="dns=20004") == {"app/dns": 20004, "app/dns-tcp": 20004}


def test_a_workload_that_asks_for_another_number_moves_there(world: World) -> None:
    world.deploy("web")
    assert world.deploy("web", request="http=20005") == {"app/http": 20005}
    assert world.leases("web") == {"20000/TCP": "releasing", "20005/TCP": "active"}


def test_a_workload_that_asks_for_a_number_it_can_not_have_keeps_the_one_it_has(world: World) -> None:
    world.deploy("web", request="http=20005")
    world.deploy("late")
    _refused(world, request="http=20005")
    assert world.shown("late") == [20000]
    assert world.leases("late") == {"20000/TCP": "active"}


def test_a_workload_may_go_back_to_its_number_while_that_still_rests(world: World) -> None:
    world.deploy("web")
    world.deploy("web", request="http=20005")
    world.wait()
    assert world.deploy("web", request="http=20000") == {"app/http": 20000}


def test_a_number_that_another_port_of_the_same_workload_keeps_is_refused(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    assert "is held by Deployment/default/web (app/a)" in _refused(world, "web", "a:1 b:2", request="b=20000")
    assert world.shown("web") == [20000, 20001]


def test_two_ports_of_a_workload_may_swap_their_numbers(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    assert world.deploy("web", "a:1 b:2", request="a=20001,b=20000") == {"app/a": 20001, "app/b": 20000}
    assert world.leases("web") == {"20000/TCP": "active", "20001/TCP": "active"}


def test_a_number_moves_to_another_port_when_its_own_is_asked_for_no_longer(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    assert world.deploy("web", "a:1 b:2", ports="a", request="a=20001") == {"app/a": 20001}
    assert world.shown("web") == [20001, 0]


def test_a_number_that_rests_for_another_port_of_the_same_workload_is_refused(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    world.deploy("web", "b:2")
    world.wait()
    assert "it rests for 60 s" in _refused(world, "web", "b:2", request="b=20000")


def test_a_number_on_ones_own_node_is_not_held_by_somebody_on_another(world: World) -> None:
    world.deploy("web", request="http=20005", pod=on_node("n1"))
    assert world.deploy("other", request="http=20005", pod=on_node("n2")) == {"app/http": 20005}
    assert "is held by Deployment/default/" in _refused(world, request="http=20005")


# prefer


def test_a_preferred_number_is_given_if_it_is_free_and_else_another(world: World) -> None:
    assert world.deploy("one", prefer="http=20005") == {"app/http": 20005}
    assert world.deploy("two", prefer="http=20005") == {"app/http": 20000}
    assert world.deploy("three", prefer="http=10012") == {"app/http": 20001}


def test_a_preferred_number_moves_nobody_who_has_one_already(world: World) -> None:
    world.deploy("web")
    assert world.deploy("web", prefer="http=20005") == {"app/http": 20000}


def test_a_preferred_number_that_is_taken_in_an_exhausted_pool_is_an_exhausted_pool(world: World) -> None:
    world.pool("main", "20000")
    world.deploy("web")
    with pytest.raises(PoolExhausted):
        world.deploy("late", prefer="http=20000")


def test_two_ports_that_prefer_the_same_number_get_two(world: World) -> None:
    assert world.deploy("web", "a:1 b:2", request="b=20005", prefer="a=20005") == {"app/b": 20005, "app/a": 20000}


def test_a_quota_that_is_enough_for_some_of_the_numbers_is_named_and_not_the_number() -> None:
    world = World("n1")
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    with pytest.raises(QuotaExceeded, match="holds 1 of the 1 numbers that pool main allows it, and 1 more"):
        world.deploy("web", "a:1 b:2", request="a=20003,b=20006")
    assert world.leases() == {}


def test_a_pool_whose_quota_is_used_up_is_named_beside_who_holds_the_number_in_another() -> None:
    """Else it looks as if nobody had the number there, and as if it would do to ask for another one."""
    world = World("n0")
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("here", "20000-20009", quotaPerNamespace=1, nodeSelector={"matchLabels": {"zone": "a"}})
    world.pool("there", "20003-20004", nodeSelector={"matchLabels": {"zone": "b"}})
    world.pool("elsewhere", "30000-30009", quotaPerNamespace=0)
    world.deploy("first", pool="here")
    world.deploy("second", pool="there")
    with pytest.raises(RequestRefused) as caught:
        world.deploy("third", request="http=20003")
    assert caught.value.message == (
        "20003/TCP for app/http is held by Deployment/default/second (app/http), Deployment/default/second (template); "
        "the nearest free number is 20004; "
        "namespace default holds 1 of the 1 numbers that pool here allows it, and 1 more are asked for"
    )
