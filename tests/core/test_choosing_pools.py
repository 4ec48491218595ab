"""Which pool serves whom: preference, priority, namespaces, quota, protocols, and pools that overlap."""

from __future__ import annotations

import pytest

from hostport.api.errors import NoMatchingPool, PoolExhausted, QuotaExceeded, RequestRefused
from tests.core import build
from tests.core.build import on_node, where
from tests.core.world import World


@pytest.fixture
def world() -> World:
    return World("n1", "n2")


def test_among_the_default_pools_the_higher_priority_then_the_name_decides(world: World) -> None:
    world.pool("b", "20001")
    world.pool("a", "20000")
    world.pool("z", "20002", priority=1)
    world.pool("not me", "20003", default=False, priority=9)
    assert [world.deploy(name)["app/http"] for name in ("one", "two", "three")] == [20002, 20000, 20001]
    with pytest.raises(PoolExhausted, match=r"pool z: .*; pool a: .*; pool b: "):
        world.deploy("four")


def test_named_pools_are_used_in_the_order_of_the_users_preference_and_no_others(world: World) -> None:
    world.pool("a", "20000", priority=9)
    world.pool("b", "20001", default=False)
    assert [world.deploy(name, pool="b,a")["app/http"] for name in ("one", "two")] == [20001, 20000]
    world.pool("c", "20002")
    with pytest.raises(PoolExhausted):
        world.deploy("three", pool="b,a")


def test_a_pool_that_does_not_exist_is_named_together_with_those_that_do(world: World) -> None:
    world.pool("main", "20000")
    with pytest.raises(NoMatchingPool, match='there is no HostPortPool "mian"; there are: main'):
        world.deploy("web", pool="mian")


def test_a_workload_whose_pool_is_changed_moves_to_the_new_one(world: World) -> None:
    world.pool("a", "20000")
    world.pool("b", "30000")
    world.deploy("web", pool="a")
    assert world.deploy("web", pool="b") == {"app/http": 30000}
    assert world.leases("web") == {"20000/TCP": "releasing", "30000/TCP": "active"}


def test_a_pool_for_some_namespaces_serves_those(world: World) -> None:
    world.state.namespaces["blue"] = {"team": "blue"}
    world.pool("main", "20000-20009", namespaceSelector={"matchLabels": {"team": "blue"}})
    assert world.deploy("web", namespace="blue") == {"app/http": 20000}
    with pytest.raises(NoMatchingPool, match="main is not for namespace default"):
        world.deploy("web")


def test_a_namespace_can_be_selected_by_its_name(world: World) -> None:
    named = {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}
    world.pool("main", "20000-20009", namespaceSelector=named)
    assert world.deploy("web", namespace="blue") == {"app/http": 20000}


@pytest.mark.parametrize(
    ("protocols", "entries", "missing"), [(["TCP"], "x:1/UDP", "UDP"), (["UDP"], "x:1 y:2/SCTP", "SCTP, TCP")]
)
def test_a_protocol_that_no_pool_hands_out_is_named(
    world: World, protocols: list[str], entries: str, missing: str
) -> None:
    world.pool("main", "20000-20009", protocols=protocols)
    with pytest.raises(NoMatchingPool, match=f"main hands out no {missing}"):
        world.deploy("web", entries)


def test_two_ports_may_come_from_two_pools(world: World) -> None:
    world.pool("tcp", "20000", protocols=["TCP"])
    world.pool("udp", "30000", protocols=["UDP"])
    assert world.deploy("web", "x:1 y:2/UDP") == {"app/x": 20000, "app/y": 30000}


def test_sctp_is_handed_out_where_a_pool_says_so(world: World) -> None:
    world.pool("main", "20000", protocols=["SCTP"])
    assert world.deploy("sig", "m3ua:2905/SCTP") == {"app/m3ua": 20000}
    assert world.leases() == {"20000/SCTP": "active"}


# Quota


def test_a_namespace_gets_no_more_than_its_quota(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=2)
    world.deploy("one")
    with pytest.raises(QuotaExceeded, match=r"namespace default holds 1 of the 2 numbers .* and 2 more are"):
        world.deploy("two", "a:1 b:2")
    world.deploy("two")
    with pytest.raises(QuotaExceeded, match="holds 2 of the 2"):
        world.deploy("three")
    assert world.deploy("one", namespace="blue") == {"app/http": 20002}


def test_tcp_and_udp_of_one_number_count_as_two(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    with pytest.raises(QuotaExceeded):
        world.deploy("dns", "dns:53 dns-udp:53/UDP")


def test_a_number_on_three_nodes_counts_once(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=2)
    world.deploy("one", pod=build.on_hosts("n1", "n2"))
    world.deploy("two", pod=on_node("n1"))
    with pytest.raises(QuotaExceeded):
        world.deploy("three", pod=on_node("n2"))
    assert world.deploy("three", pod=on_node("n2"), request="http=20001") == {"app/http": 20001}


def test_with_one_pools_quota_used_up_the_next_pool_serves(world: World) -> None:
    world.pool("a", "20000-20009", quotaPerNamespace=1)
    world.pool("b", "30000-30009")
    assert [world.deploy(name)["app/http"] for name in ("one", "two")] == [20000, 30000]


def test_a_number_that_is_still_releasing_counts_and_a_resting_one_does_not(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    world.deploy("one")
    world.delete("one")
    with pytest.raises(QuotaExceeded):
        world.deploy("two")
    world.wait()
    assert world.deploy("two") == {"app/http": 20001}


def test_a_quota_that_is_lowered_takes_nothing_away(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=5)
    world.deploy("web", "a:1 b:2")
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    assert world.reconcile("Deployment/default/web") == {"app/a": 20000, "app/b": 20001}


# Pools that go


def test_a_pool_that_is_being_deleted_serves_nobody_new(world: World) -> None:
    world.pool("main", "20000-20009")
    world.deploy("web")
    world.delete_pool("main")
    assert world.reconcile("Deployment/default/web") == {"app/http": 20000}
    with pytest.raises(NoMatchingPool, match="main is being deleted"):
        world.deploy("other")
    with pytest.raises(NoMatchingPool, match="main is being deleted"):
        world.deploy("web", "http:80 more:81")


def test_a_pool_that_has_gone_with_its_leases_leaves_its_workloads_to_another(world: World) -> None:
    world.pool("main", "20000-20009")
    world.deploy("web")
    world.pool("other", "20005-20009", age=-1)
    world.forget_pool("main")
    assert world.reconcile("Deployment/default/web") == {"app/http": 20005}


# Pools that overlap


def test_of_two_pools_on_the_same_nodes_the_younger_withholds_the_common_numbers(world: World) -> None:
    world.pool("young", "20000-20005", priority=1)
    world.pool("old", "20003-20009", age=5)
    assert [world.deploy(f"web-{i}", pool="young")["app/http"] for i in range(3)] == [20000, 20001, 20002]
    with pytest.raises(PoolExhausted):
        world.deploy("web", pool="young")
    assert world.counts("young").capacity == 6
    assert str(world.state.withheld["young"]["old"]) == "20003-20005"
    assert world.state.withheld["old"] == {}


def test_of_two_pools_of_the_same_age_the_name_decides(world: World) -> None:
    world.pool("b", "20000")
    world.pool("a", "20000")
    assert list(world.state.withheld["b"]) == ["a"]
    assert world.state.withheld["a"] == {}


def test_pools_on_different_nodes_do_not_mind_each_other(world: World) -> None:
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("a", "20000", nodeSelector={"matchLabels": {"zone": "a"}})
    world.pool("b", "20000", nodeSelector={"matchLabels": {"zone": "b"}})
    assert world.deploy("one", pod=where(zone="a")) == {"app/http": 20000}
    assert world.deploy("two", pod=where(zone="b")) == {"app/http": 20000}


def test_pools_of_different_addresses_or_protocols_do_not_mind_each_other(world: World) -> None:
    world.pool("a", "20000", hostIP="127.0.0.1")
    world.pool("b", "20000", hostIP="10.0.0.1")
    world.pool("c", "20000", protocols=["SCTP"])
    assert not any(world.state.withheld.values())


def test_an_overlap_that_a_relabelled_node_brings_about_moves_nobody_and_frees_nothing(world: World) -> None:
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("a", "20000-20001", nodeSelector={"matchLabels": {"zone": "a"}}, age=1)
    world.pool("b", "20000-20001", nodeSelector={"matchLabels": {"zone": "b"}})
    world.deploy("one", pod=where(zone="a"))
    world.deploy("two", pod=where(zone="b"))
    world.node("n2", zone="a")
    assert world.reconcile("one") == world.reconcile("two") == {"app/http": 20000}
    assert world.deploy("three", pod=where(zone="a")) == {"app/http": 20001}
    with pytest.raises(PoolExhausted):
        world.deploy("four", pod=where(zone="a"))


def test_a_workload_that_leaves_its_pools_nodes_keeps_its_number_unless_somebody_has_it_there(world: World) -> None:
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("a", "20000", nodeSelector={"matchLabels": {"zone": "a"}})
    world.pool("b", "20000-20001", nodeSelector={"matchLabels": {"zone": "b"}})
    world.deploy("web", pod=where(zone="a"))
    assert world.deploy("web", pod=where(zone="b")) == {"app/http": 20000}
    assert world.deploy("there", pod=where(zone="b")) == {"app/http": 20001}
    world.deploy("web", pod=where(zone="a"))
    world.delete("there")
    world.wait()
    world.wait(300)
    world.deploy("there", pod=where(zone="b"), request="http=20000")
    assert world.deploy("web", pod=where(zone="b")) == {"app/http": 20001}


def test_a_workload_that_has_left_its_pools_nodes_and_lost_its_number_from_the_template_gets_a_guarded_one(
    world: World,
) -> None:
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("a", "20000", nodeSelector={"matchLabels": {"zone": "a"}})
    world.pool("b", "20000-20001", nodeSelector={"matchLabels": {"zone": "b"}})
    world.deploy("web", pod=where(zone="a"))
    assert world.replace(build.deployment("web", "http:80 more:81", pod=where(zone="b"))) == {
        "app/http": 20000,
        "app/more": 20001,
    }
    assert {place[0]: lease.state for place, lease in world.ledger.items()} == {"a": "releasing", "b": "active"}


def moved_away(world: World, *numbers: str) -> None:
    """The Deployment `web` has 20001 of a pool that has been moved to other nodes; another pool has `numbers` there.

    Nothing shows 20001 but its lease: the template has the number of somebody else.
    """
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("p", "20000-20001", age=1)
    world.deploy("other")
    assert world.deploy("web") == {"app/http": 20001}
    world.pool("q", *numbers, nodeSelector={"matchLabels": {"zone": "a"}}, priority=1)
    world.pool("p", "20000", nodeSelector={"matchLabels": {"zone": "b"}}, age=1)


@pytest.mark.parametrize("contiguous", ["false", "true"])
def test_a_number_that_a_pod_has_from_one_pool_is_not_given_to_it_from_another(world: World, contiguous: str) -> None:
    moved_away(world, "20001-20002")
    numbers = world.deploy("web", "http:80=20000 dns:53", contiguous=contiguous)
    assert sorted(numbers.values()) == [20001, 20002]


def test_the_last_number_of_a_pool_is_none_for_a_pod_that_has_it_from_another(world: World) -> None:
    moved_away(world, "20001")
    with pytest.raises(PoolExhausted):
        world.deploy("web", "http:80=20000 dns:53")
    assert world.shown("web") == [20000, 0]


def kept_from_its_nodes(world: World) -> None:
    """The Deployment `web` has 20000, which holds in zone a alone; zone b has 20001 and 20002.

    With the affinity that it has for that, its Pods can run nowhere as soon as its template asks for zone b.
    """
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    rule = {"nodeSelector": {"matchLabels": {"zone": "b"}}, "ranges": ["20001-20002"]}
    world.pool("main", "20000", nodes=[rule])
    assert world.deploy("web", request="http=20000") == {"app/http": 20000}


@pytest.mark.parametrize(
    "asked", [{}, {"prefer": "dns=20001"}, {"contiguous": "true"}, {"prefer": "dns=20001", "contiguous": "true"}]
)
def test_a_number_written_by_hand_is_none_for_another_port_of_the_pod(world: World, asked: dict[str, str]) -> None:
    kept_from_its_nodes(world)
    numbers = world.deploy("web", "http:80=20001 dns:53", pod=where(zone="b"), **asked)
    assert numbers == {"app/dns": 20002}


def test_a_number_written_by_hand_is_refused_to_another_port_of_the_pod(world: World) -> None:
    kept_from_its_nodes(world)
    with pytest.raises(RequestRefused, match="20001/TCP for app/dns is held by another port of this workload; "):
        world.deploy("web", "http:80=20001 dns:53", pod=where(zone="b"), request="dns=20001")


def test_a_number_that_a_pod_has_from_one_pool_is_refused_to_another_port_of_it(world: World) -> None:
    moved_away(world, "20001-20002")
    with pytest.raises(RequestRefused, match="20001/TCP for app/dns is held by another port of this workload; "):
        world.deploy("web", "http:80=20000 dns:53", request="dns=20001")
