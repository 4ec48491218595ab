"""Nobody gets a number that somebody else is on already, lease or no lease."""

from __future__ import annotations

import pytest

from hostport.api.errors import PoolExhausted
from tests.core.build import on_node, where
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    return world


def test_a_pods_host_port_is_avoided_and_free_again_when_the_pod_is_gone(world: World) -> None:
    world.pod("svclb", "lb:80=20000", on="n1")
    assert world.deploy("one") == {"app/http": 20001}
    with pytest.raises(PoolExhausted):
        world.deploy("two")
    world.stop("svclb")
    assert world.deploy("two") == {"app/http": 20000}


def test_only_the_protocol_of_a_pod_is_taken(world: World) -> None:
    world.pod("dns", "dns:53/UDP=20000", on="n1")
    assert world.deploy("tcp") == {"app/http": 20000}
    assert world.deploy("udp", "rtp:5004/UDP") == {"app/rtp": 20001}


def test_a_pod_on_another_node_than_ours_may_run_on_is_not_in_the_way(world: World) -> None:
    world.pod("other", "x:1=20000", on="n1")
    assert world.deploy("web", pod=on_node("n2")) == {"app/http": 20000}


def test_a_pod_that_is_not_scheduled_yet_is_in_the_way_wherever_it_may_land(world: World) -> None:
    world.node("n2", zone="b")
    world.pod("pending", "x:1=20000", nodeSelector={"zone": "b"})
    assert world.deploy("here", pod=on_node("n1")) == {"app/http": 20000}
    assert world.deploy("there", pod=on_node("n2")) == {"app/http": 20001}


def test_a_pod_on_the_nodes_network_is_on_all_of_its_ports(world: World) -> None:
    world.pod("agent", "metrics:20000", on="n1", hostNetwork=True)
    assert world.deploy("web") == {"app/http": 20001}


def test_a_services_node_port_is_taken_on_every_node(world: World) -> None:
    world.service("web", 20000)
    assert world.deploy("one", pod=on_node("n2")) == {"app/http": 20001}
    world.drop_service("web")
    assert world.deploy("two", pod=on_node("n2")) == {"app/http": 20000}


def test_a_template_written_by_hand_is_avoided_before_its_pods_are_there(world: World) -> None:
    world.deploy("by hand", "http:80=20000", auto="false")
    assert world.deploy("web") == {"app/http": 20001}


def test_a_template_written_by_hand_is_only_in_the_way_where_it_may_run(world: World) -> None:
    world.node("n2", zone="b")
    world.deploy("by hand", "http:80=20000", auto="false", pod=where(zone="b"))
    assert world.deploy("web", pod=on_node("n1")) == {"app/http": 20000}


def test_what_is_taken_after_the_grant_moves_nobody(world: World) -> None:
    world.deploy("web")
    world.pod("late", "x:1=20000", on="n1")
    assert world.reconcile("web") == {"app/http": 20000}


# Addresses


def test_a_pool_of_one_address_only_minds_who_is_on_that_address() -> None:
    world = World("n1")
    world.pool("local", "20000-20009", hostIP="127.0.0.1")
    world.pod("elsewhere", "x:1=10.0.0.1:20000", on="n1")
    world.pod("here", "x:1=127.0.0.1:20001", on="n1")
    world.pod("everywhere", "x:1=20002", on="n1")
    assert world.deploy("one") == {"app/http": 20000}
    assert world.deploy("two") == {"app/http": 20003}
    port = world.manifest("one")["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    assert (port["hostIP"], port["hostPort"]) == ("127.0.0.1", 20000)
    assert world.leases() == {"[127.0.0.1]:20000/TCP": "active", "[127.0.0.1]:20003/TCP": "active"}


def test_the_address_goes_out_of_the_template_with_the_number() -> None:
    world = World("n1")
    world.pool("local", "20000-20009", hostIP="127.0.0.1")
    world.deploy("web")
    world.deploy("web", auto="false")
    port = world.manifest("web")["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    assert "hostPort" not in port
    assert "hostIP" not in port


def test_an_address_that_has_been_taken_out_of_the_template_is_put_back() -> None:
    world = World("n1")
    world.pool("local", "20000-20009", hostIP="127.0.0.1")
    world.deploy("web")
    manifest = world.manifest("web")
    del manifest["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostIP"]
    world.replace(manifest)
    assert world.manifest("web")["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostIP"] == "127.0.0.1"


def test_two_pools_of_different_addresses_hand_out_the_same_numbers() -> None:
    world = World("n1")
    world.pool("v4", "20000", hostIP="127.0.0.1", priority=1)
    world.pool("v6", "20000", hostIP="::1")
    assert world.deploy("one") == {"app/http": 20000}
    assert world.deploy("two") == {"app/http": 20000}
    with pytest.raises(PoolExhausted):
        world.deploy("three")
    assert sorted(world.leases()) == ["[127.0.0.1]:20000/TCP", "[::1]:20000/TCP"]


def test_a_pool_of_every_ipv6_address_minds_all_of_them_and_no_ipv4() -> None:
    world = World("n1")
    world.pool("v6", "20000-20001", hostIP="::")
    world.pod("v4", "x:1=10.0.0.1:20000", on="n1")
    world.pod("v6", "x:1=2001:DB8::1:20001", on="n1")
    assert world.deploy("web") == {"app/http": 20000}
    with pytest.raises(PoolExhausted):
        world.deploy("other")
