"""Templates see pools through views, of which only so many are kept; what is seen must be true all the same."""

from __future__ import annotations

import pytest

from hostport.allocation.scope import ways
from hostport.api.errors import OverlappingLease
from hostport.api.placement import Placement
from hostport.api.ports import Protocol
from tests.core import build, truths
from tests.core.build import where
from tests.core.world import World


def test_numbers_are_distinct_with_more_placements_than_are_kept_in_mind() -> None:
    world = World("n1", most_views=2)
    world.pool("main", "20000-20099", policy="LowestFree")
    many = [build.deployment(f"w{i}", pod=where(app=str(i % 7))) for i in range(21)]
    for i in range(7):
        world.node(f"node-{i}", app=str(i))
    assert sorted(given["app/http"] for given in world.deploy_at_once(*many)) == list(range(20000, 20021))


def test_the_ways_of_a_template_are_all_true_where_the_best_was_known_before_the_others() -> None:
    world = World("plain", most_views=4)
    world.node("a-1", zone="a")
    world.node("a-2", zone="a")
    zone_a = {"nodeSelector": {"matchLabels": {"zone": "a"}}, "ranges": ["24000-24009"]}
    world.pool("main", "20000-20009", nodes=[zone_a], policy="LowestFree")
    state = world.state
    pool = state.pools["main"]
    best, _ = ways(pool, Placement(), state.scopes["main"], state.nodes)
    state.view(pool, best)
    for i in range(3):  # now it is the oldest of all that are kept
        state.view(pool, build.workload(build.deployment("other", pod=where(app=str(i)))).placement)
    given = world.deploy_at_once(*(build.deployment(f"w{i}") for i in range(3)))
    assert given == [{"app/http": 24000}, {"app/http": 24001}, {"app/http": 24002}]


def test_who_looks_at_a_view_that_is_kept_no_longer_finds_nothing_free() -> None:
    world = World("n1", most_views=1)
    world.pool("main", "20000-20001")
    pool = world.state.pools["main"]
    old = world.state.view(pool, Placement()).view
    world.state.view(pool, build.workload(build.deployment("other", pod=where(app="x"))).placement)
    with pytest.raises(KeyError):
        old.free_for([Protocol.TCP])


def test_a_lease_is_never_taken_for_free_whatever_a_view_says() -> None:
    world = World("n1")
    world.pool("main", "20000-20001", policy="LowestFree")
    world.deploy("holder")
    view = world.state.view(world.state.pools["main"], Placement()).view
    view.free[Protocol.TCP][20000] = 1  # as by an error of ours
    before = truths.leases(world.state)
    with pytest.raises(OverlappingLease, match="Deployment/default/holder has 20000/TCP"):
        world.planner.plan(build.workload(build.deployment("late")), world.now)
    assert truths.leases(world.state) == before
