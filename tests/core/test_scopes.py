"""Per node: ranges of single nodes, templates that may run on some nodes only, leases for a node of their own."""

from __future__ import annotations

import pytest

from hostport.api.errors import NoMatchingPool, PoolExhausted
from tests.core.build import on_hosts, on_node, where
from tests.core.world import World

# Ranges of single nodes


@pytest.fixture
def edges() -> World:
    """Two zones with ranges of their own, and a node with still another one."""
    world = World("plain")
    world.node("a-1", zone="a")
    world.node("a-2", zone="a")
    world.node("b-1", zone="b")
    world.pool(
        "main",
        "20000-20009",
        exclude=["20000", "25003"],
        nodes=[
            {"name": "a-2", "ranges": ["24000-24002"], "exclude": ["24000"]},
            {"nodeSelector": {"matchLabels": {"zone": "a"}}, "ranges": ["24000-24009"]},
            {"nodeSelector": {"matchLabels": {"zone": "b"}}, "ranges": ["20005-20009", "25003-25004"]},
        ],
    )
    return world


@pytest.mark.parametrize(("node", "first"), [("plain", 20001), ("a-1", 24000), ("a-2", 24001), ("b-1", 20005)])
def test_a_node_has_the_range_of_the_first_entry_that_is_about_it(edges: World, node: str, first: int) -> None:
    assert edges.deploy("web", pod=on_node(node)) == {"app/http": first}


def test_exclusions_hold_in_the_ranges_of_single_nodes_too(edges: World) -> None:
    numbers = [edges.deploy(f"web-{i}", pod=on_node("b-1"))["app/http"] for i in range(6)]
    assert numbers == [20005, 20006, 20007, 20008, 20009, 25004]


def test_a_number_must_be_valid_on_every_node_where_the_pods_may_run(edges: World) -> None:
    assert edges.deploy("web", pod=where(zone="a")) == {"app/http": 24001}
    assert edges.deploy("dns", pod=on_hosts("plain", "b-1")) == {"app/http": 20005}


def test_a_node_that_changes_zone_changes_range(edges: World) -> None:
    edges.node("b-1", zone="a")
    assert edges.deploy("web", pod=on_node("b-1")) == {"app/http": 24000}


# Which nodes a pool is for


def test_a_pool_for_some_nodes_serves_templates_that_stay_on_them() -> None:
    world = World("n1")
    world.node("gpu-1", gpu="yes")
    world.pool("gpu", "20000-20009", nodeSelector={"matchLabels": {"gpu": "yes"}})
    assert world.deploy("web", pod=where(gpu="yes")) == {"app/http": 20000}
    assert "affinity" not in world.manifest("web")["spec"]["template"]["spec"]
    with pytest.raises(NoMatchingPool, match="no node on which these Pods may run"):
        world.deploy("other", pod=on_node("n1"))


def test_a_pool_that_selects_no_node_serves_nobody() -> None:
    world = World("n1")
    world.pool("gpu", "20000-20009", nodeSelector={"matchLabels": {"gpu": "yes"}})
    with pytest.raises(NoMatchingPool, match="gpu selects no node"):
        world.deploy("web")


def test_a_tainted_node_does_not_count_for_templates_that_do_not_tolerate_it() -> None:
    world = World("n1")
    world.node("gpu-1", "gpu=yes:NoSchedule")
    world.pool("main", "20000-20009", nodeSelector={"matchLabels": {"kubernetes.io/hostname": "n1"}})
    world.deploy("web")
    assert "affinity" not in world.manifest("web")["spec"]["template"]["spec"]
    world.deploy("tolerant", pod={"tolerations": [{"key": "gpu", "operator": "Exists"}]})
    assert world.workload("tolerant").placement.pinned() == {"n1"}


# Leases per node


def test_two_workloads_pinned_to_different_nodes_may_have_the_same_number() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000")
    assert world.deploy("one", pod=on_node("n1")) == {"app/http": 20000}
    assert world.deploy("two", pod=on_hosts("n2")) == {"app/http": 20000}
    assert world.leases() == {"20000/TCP@n1": "active", "20000/TCP@n2": "active"}
    with pytest.raises(PoolExhausted):
        world.deploy("three", pod=on_node("n2"))


def test_a_workload_pinned_to_a_few_nodes_has_a_lease_on_each() -> None:
    world = World("n1", "n2", "n3")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_hosts("n1", "n3"))
    assert world.leases() == {"20000/TCP@n1": "active", "20000/TCP@n3": "active"}
    assert world.deploy("other", pod=on_node("n2"), request="http=20000") == {"app/http": 20000}
    assert world.deploy("last", pod=on_hosts("n2", "n3")) == {"app/http": 20001}


def test_pinned_to_more_nodes_than_eight_is_not_pinned() -> None:
    nodes = [f"n{i}" for i in range(9)]
    world = World(*nodes)
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_hosts(*nodes))
    assert world.leases() == {"20000/TCP": "active"}


def test_pinned_and_unpinned_never_share_a_number() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001", cooldownSeconds=0)
    world.deploy("pinned", pod=on_node("n1"))
    assert world.deploy("anywhere") == {"app/http": 20001}
    with pytest.raises(PoolExhausted):
        world.deploy("late")
    world.delete("pinned")
    world.wait()
    assert world.deploy("late") == {"app/http": 20000}
    with pytest.raises(PoolExhausted):
        world.deploy("pinned", pod=on_node("n1"))


def test_a_lease_of_a_workload_that_stays_on_some_nodes_holds_for_the_whole_pool() -> None:
    world = World("n1")
    world.node("a-1", zone="a")
    world.pool("main", "20000")
    world.deploy("web", pod=where(zone="a"))
    assert world.leases() == {"20000/TCP": "active"}
    with pytest.raises(PoolExhausted):
        world.deploy("other", pod=on_node("n1"))


# Templates that change their mind


def test_a_workload_that_is_pinned_no_longer_keeps_its_number_if_it_can_have_it_everywhere() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_node("n1"))
    assert world.deploy("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}


def test_a_workload_that_is_pinned_no_longer_moves_if_somebody_has_its_number_elsewhere() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_node("n1"))
    world.deploy("other", pod=on_node("n2"), request="http=20000")
    assert world.deploy("web") == {"app/http": 20001}
    assert world.leases("web") == {"20000/TCP@n1": "releasing", "20001/TCP": "active"}


def test_a_workload_that_becomes_pinned_keeps_what_it_has() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("web")
    assert world.deploy("web", pod=on_node("n1")) == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}


def test_a_workload_that_moves_to_another_node_takes_its_number_along() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_node("n1"))
    world.run("web", on="n1")
    assert world.deploy("web", pod=on_node("n2")) == {"app/http": 20000}
    world.wait()
    assert world.leases("web") == {"20000/TCP@n1": "releasing", "20000/TCP@n2": "active"}
    world.stop("web-n1")
    world.wait()
    assert world.leases("web") == {"20000/TCP@n1": "released", "20000/TCP@n2": "active"}
    world.wait(300)
    assert world.leases("web") == {"20000/TCP@n2": "active"}


def test_a_workload_that_moves_to_a_node_where_its_number_is_taken_gets_another() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_node("n1"))
    world.deploy("other", pod=on_node("n2"), request="http=20000")
    assert world.deploy("web", pod=on_node("n2")) == {"app/http": 20001}


def test_a_workload_that_moves_to_a_node_with_another_range_gets_another_number(edges: World) -> None:
    edges.deploy("web", pod=on_node("plain"))
    assert edges.deploy("web", pod=on_node("b-1")) == {"app/http": 20005}


# Nodes that come and go


def test_a_node_that_joins_with_others_on_it_is_one_more_to_be_free_on() -> None:
    world = World("n1")
    world.pool("main", "20000-20002")
    world.pod("static", "x:1=20000", on="n2")
    assert world.deploy("one", request="http=20000") == {"app/http": 20000}
    world.node("n2")
    world.service("np", 20001)
    assert world.deploy("two") == {"app/http": 20002}


def test_a_pinned_workload_holds_its_number_on_a_named_node_that_joins_later() -> None:
    world = World("n1")
    world.pool("main", "20000-20001")
    world.deploy("web", pod=on_hosts("n1", "n2"))
    assert world.leases() == {"20000/TCP@n1": "active"}
    world.node("n2")
    assert world.deploy("early bird", pod=on_node("n2"), prefer="http=20000") == {"app/http": 20001}
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP@n1": "active", "20000/TCP@n2": "active"}


def test_a_workload_whose_node_is_gone_for_a_while_keeps_its_number() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20009")
    world.deploy("web", pod=on_node("n1"))
    world.drop_node("n1")
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP@n1": "active"}


def test_a_joining_node_outside_of_the_pool_moves_nobody() -> None:
    world = World()
    world.node("n1", role="worker")
    world.drop_node("n2")
    world.drop_node("n3")
    world.pool("main", "20000-20009", nodeSelector={"matchLabels": {"role": "worker"}})
    world.deploy("web")
    world.node("stranger")
    before = world.manifest("web")
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.manifest("web") == before
    world.deploy("new")
    before = world.manifest("new")
    assert "affinity" in before["spec"]["template"]["spec"]
    world.node("another-worker", role="worker")
    assert world.reconcile("new") == {"app/http": 20001}
    assert world.manifest("new") == before
