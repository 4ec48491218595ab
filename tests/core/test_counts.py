"""A pool in figures: every number counts once, as allocated, cooling, foreign or free."""

from __future__ import annotations

import pytest

from hostport.allocation.summary import Counts, summarize
from hostport.api.ports import Protocol
from tests.core.build import on_hosts, on_node
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", protocols=["TCP"], cooldownSeconds=60)
    return world


def test_a_fresh_pool_is_free(world: World) -> None:
    assert world.counts("main") == Counts(capacity=10)
    assert world.counts("main").free == 10


def test_each_number_counts_for_the_first_thing_that_is_true_of_it(world: World) -> None:
    world.deploy("active")
    world.deploy("releasing")
    world.deploy("resting")
    world.run("releasing", on="n1")
    world.delete("releasing")
    world.delete("resting")
    world.wait()
    world.pod("foreign", "x:1=20005", on="n1")
    world.service("too", 20006)
    counts = world.counts("main")
    assert counts == Counts(capacity=10, allocated=2, cooling=1, foreign=2)
    assert counts.free == 5


def test_a_leased_number_with_pods_of_its_own_is_not_foreign(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    assert world.counts("main") == Counts(capacity=10, allocated=1)


def test_protocols_count_apart_and_together(world: World) -> None:
    world.pool("main", "20000-20009", protocols=["TCP", "UDP"])
    world.deploy("dns", "dns:53/UDP tcp:53 http:80")
    summary = summarize(world.state, world.state.pools["main"])
    assert summary.by_protocol == {Protocol.TCP: Counts(10, allocated=2), Protocol.UDP: Counts(10, allocated=1)}
    assert summary.total == Counts(capacity=20, allocated=3)


def test_a_number_on_two_nodes_counts_once_and_has_two_leases(world: World) -> None:
    world.deploy("web", pod=on_hosts("n1", "n2"))
    summary = summarize(world.state, world.state.pools["main"])
    assert (summary.total.allocated, summary.leases, summary.nodes) == (1, 2, 2)


def test_a_number_that_one_has_and_another_rests_from_is_allocated(world: World) -> None:
    world.deploy("here", pod=on_node("n1"))
    world.deploy("there", pod=on_node("n2"), request="http=20000")
    world.delete("there")
    world.wait()
    assert world.counts("main") == Counts(capacity=10, allocated=1)


def test_only_numbers_that_are_valid_somewhere_count(world: World) -> None:
    world.deploy("web")
    world.pool("main", "20005-20014", protocols=["TCP"])
    summary = summarize(world.state, world.state.pools["main"])
    assert (summary.total, summary.out_of_range, summary.leases) == (Counts(capacity=10), 1, 1)


def test_a_number_that_is_foreign_only_where_it_is_not_valid_is_free(world: World) -> None:
    world.pool("main", "20000-20009", protocols=["TCP"], nodes=[{"name": "n2", "ranges": ["30000-30009"]}])
    world.pod("a", "x:1=30000", on="n1")
    world.pod("b", "x:1=20000", on="n2")
    assert world.counts("main") == Counts(capacity=20)
    world.pod("c", "x:1=30001", on="n2")
    world.pod("d", "x:1=20001", on="n1")
    world.service("everywhere", 20002, 30002)
    assert world.counts("main") == Counts(capacity=20, foreign=4)


def test_withheld_numbers_are_nobodys_to_count_but_the_elders(world: World) -> None:
    world.pool("young", "20005-20014", protocols=["TCP"], age=-5)
    assert world.counts("young") == Counts(capacity=5)
    assert world.counts("main") == Counts(capacity=10)


def test_a_pool_without_nodes_has_no_numbers(world: World) -> None:
    world.drop_node("n1")
    world.drop_node("n2")
    assert world.counts("main") == Counts()


def test_whoever_is_on_another_address_is_not_counted(world: World) -> None:
    world.pool("local", "30000-30009", protocols=["TCP"], hostIP="127.0.0.1")
    world.pod("elsewhere", "x:1=10.0.0.1:30000", on="n1")
    world.pod("everywhere", "x:1=30001", on="n1")
    assert world.counts("local") == Counts(capacity=10, foreign=1)
