"""A ledger that has been emptied is rebuilt from the workloads, within the pools' rules; nothing that runs is moved."""

from __future__ import annotations

import pytest

from hostport.api.lease import Lease
from tests.core import truths
from tests.core.build import deployment
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def test_every_workload_gets_the_lease_of_its_own_number_again(world: World) -> None:
    for name in ("web", "dns", "game"):
        world.deploy(name)
    before = world.leases()
    world.empty_ledger()
    for name, number in (("game", 20002), ("web", 20000), ("dns", 20001)):
        assert world.reconcile(name) == {"app/http": number}
    assert world.leases() == before


def test_somebody_new_does_not_get_a_number_whose_lease_is_lost(world: World) -> None:
    world.deploy("web")
    world.empty_ledger()
    assert world.deploy("new", prefer="http=20000") == {"app/http": 20001}
    assert world.reconcile("web") == {"app/http": 20000}


def _in_another_name(world: World, **more: str) -> None:
    """Somebody writes another owner into the lease of 20000."""
    lease = Lease("Deployment/default/nobody", "uid-0", "app/http", **more)
    world.plant("main", "20000/TCP", lease)


@pytest.mark.parametrize("since", ["", "2026-01-01T00:00:09Z", "2025-01-01T00:00:00Z"])
def test_a_running_workload_takes_back_a_lease_that_was_put_into_another_name(world: World, since: str) -> None:
    manifest = deployment("web")
    manifest["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    world.apply(manifest)
    world.run("web", on="n1")
    _in_another_name(world, since=since)
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"} == world.leases()


def test_nothing_is_decided_before_it_is_known_whether_the_owner_of_a_lease_is_gone(world: World) -> None:
    world.deploy("web", "http:80 dns:53")
    world.run("web", on="n1")
    _in_another_name(world)
    before = truths.Snapshot.of(world.state)
    plan = world.planner.plan(world.workload("web"), world.now)
    assert plan.suspects == {"Deployment/default/nobody"}
    assert not plan.patches_template
    assert plan.changes == []
    before.assert_still(world.state)


def test_a_lease_that_rests_for_a_name_goes_to_no_other(world: World) -> None:
    world.apply(deployment("web"))
    world.run("web", on="n1")
    _in_another_name(world, released="2026-01-01T00:00:00Z")
    assert world.reconcile("web") == {"app/http": 20001}


@pytest.mark.parametrize(("state", "number"), [("active", None), ("releasing", 20000)])
def test_another_object_of_the_name_decides_about_an_active_lease_first(
    world: World, state: str, number: int | None
) -> None:
    """Deleted and created anew it has its number back, however quick somebody with our mark is."""
    world.apply(deployment("web"))
    world.run("web", on="n1")
    _in_another_name(world, **({"releasing": world.now} if state == "releasing" else {}))
    plan = world.planner.plan(world.workload("web"), world.now, lambda _owner: "uid-of-the-new-one")
    assert bool(plan.suspects) == (number is None)
    assert plan.adopted == ({} if number is None else {"app/http": number})


def test_a_lease_in_the_name_of_what_can_be_no_workload_moves_nobody(world: World) -> None:
    world.apply(deployment("web"))
    world.run("web", on="n1")
    lease = Lease("somebody", "uid-0", "app/http")
    world.plant("main", "20000/TCP", lease)
    world.reconcile("web")
    assert world.shown("web") == [20000]
    assert "though it is leased to somebody" in _told(world)


def test_a_lease_of_who_is_gone_is_inherited_within_the_quota_only(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    world.apply(deployment("web"))
    world.run("web", on="n1")
    lease = Lease("Deployment/elsewhere/nobody", "uid-0", "app/http")
    world.plant("main", "20000/TCP", lease)
    world.deploy("full")
    world.reconcile("web")
    assert world.shown("web") == [20000]
    assert world.lease("main", "20000/TCP") == lease
    assert "namespace default holds 1 of the 1 numbers" in _told(world)


def test_a_copy_that_runs_already_does_not_take_the_lease_of_its_original(world: World) -> None:
    """Nobody uses the original's number just now, but it is there."""
    world.deploy("original")
    world.state.forget_use("Deployment/default/original")
    copy = deployment("copy", "http:80=20000", auto="false", assigned='{"app/http": 20000}')
    copy["metadata"]["creationTimestamp"] = "2026-01-01T00:00:05Z"
    world.replace(copy)
    world.run("copy", on="n1")
    copy["metadata"]["annotations"]["hostport/auto"] = "true"
    assert world.replace(copy) == {"app/http": 20001}
    assert world.leases("original") == {"20000/TCP": "active"}


def test_it_is_told_which_numbers_had_no_lease(world: World) -> None:
    world.deploy("web")
    world.empty_ledger()
    world.reconcile("web")
    assert [plan.adopted for plan in world.plans[-2:]] == [{"app/http": 20000}, {}]


def test_tcp_and_udp_on_one_number_stay_together(world: World) -> None:
    world.deploy("dns", "dns:53 dns-udp:53/UDP")
    world.empty_ledger()
    assert world.reconcile("dns") == {"app/dns": 20000, "app/dns-udp": 20000}
    assert world.leases() == {"20000/TCP": "active", "20000/UDP": "active"}


def test_what_runs_stays_where_the_pool_has_shrunk_meanwhile(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.empty_ledger()
    world.pool("main", "20005-20009")
    world.reconcile("web")
    _stays_without_a_lease(
        world,
        "web",
        "app/http keeps hostPort 20000/TCP, on which a Pod of it runs, and can't have its lease: 20000/TCP for "
        "app/http is outside of every pool that may serve it: main has 20005-20009. What runs is not moved. "
        "Take the hostPort out of the template to get another number",
    )


def test_what_runs_stays_where_somebody_is_on_its_number_on_another_node(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.pod("by-hand", "x:1=20000", on="n2")
    world.empty_ledger()
    world.reconcile("web")
    _stays_without_a_lease(world, "web", "is held by Pod default/by-hand; the nearest free number is 20001")


def test_what_does_not_run_yet_gives_way_to_somebody_on_its_number(world: World) -> None:
    world.deploy("web")
    world.pod("by-hand", "x:1=20000", on="n2")
    world.empty_ledger()
    assert world.reconcile("web") == {"app/http": 20001}
    assert world.plans[-2].conflicts == [
        "hostPort 20000/TCP of app/http is leased to nobody, and can't be leased as it stands: 20000/TCP for app/http "
        "is held by Pod default/by-hand; the nearest free number is 20001: it gets another number"
    ]


def test_what_runs_is_moved_where_its_own_annotation_asks_for_another_number(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.empty_ledger()
    assert world.deploy("web", request="http=20007") == {"app/http": 20007}


def test_a_run_of_numbers_stays_a_run(world: World) -> None:
    world.deploy("game", "a:1 b:2 c:3", contiguous="true")
    world.run("game", on="n1")
    world.empty_ledger()
    assert world.reconcile("game") == {"app/a": 20000, "app/b": 20001, "app/c": 20002}


def test_a_run_of_numbers_that_runs_stays_where_somebody_is_in_its_way_elsewhere(world: World) -> None:
    world.deploy("game", "a:1 b:2 c:3", contiguous="true")
    world.run("game", on="n1")
    world.pod("by-hand", "x:1=20001", on="n2")
    world.empty_ledger()
    world.reconcile("game")
    assert world.shown("game") == [20000, 20001, 20002]
    assert world.leases("game") == {"20000/TCP": "active", "20002/TCP": "active"}
    assert _told(world).startswith("app/b keeps hostPort 20001/TCP")


def test_a_run_that_grows_leaves_what_runs_and_can_not_be_leased_where_it_is(world: World) -> None:
    world.deploy("game", "a:1 b:2", contiguous="true")
    world.run("game", on="n1")
    world.pod("by-hand", "x:1=20001", on="n2")
    world.empty_ledger()
    assert world.deploy("game", "a:1 b:2 c:3 d:4", contiguous="true")["app/b"] == 20001
    assert world.shown("game")[1] == 20001
    assert "20001/TCP" not in world.leases("game")
    assert len(world.leases("game")) == 3


def test_a_quota_that_is_smaller_by_now_moves_nobody_and_is_kept(world: World) -> None:
    for name in ("web", "dns"):
        world.deploy(name)
        world.run(name, on="n1")
    world.empty_ledger()
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    assert world.reconcile("web") == {"app/http": 20000}
    world.reconcile("dns")
    assert world.leases() == {"20000/TCP": "active"}
    assert world.shown("dns") == [20001]
    assert [remark.reason for remark in world.plans[-1].remarks] == ["QuotaExceeded"]
    assert "namespace default holds 1 of the 1 numbers that pool main allows it" in _told(world)


def test_what_stays_without_a_lease_gets_it_when_the_reason_is_gone(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.empty_ledger()
    world.pool("main", "20005-20009")
    world.reconcile("web")
    world.pool("main", "20000-20009")
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}
    assert not world.plans[-1].remarks


def test_what_stays_without_a_lease_is_in_nobody_elses_way_but_its_own_numbers(world: World) -> None:
    """It gets no second number, the other port of its workload is served, and nobody is given what it is on."""
    world.deploy("web", "a:1")
    world.run("web", on="n1")
    world.empty_ledger()
    world.pod("by-hand", "x:1=20000", on="n2")
    assert world.deploy("web", "a:1 b:2") == {"app/a": 20000, "app/b": 20001}
    assert world.leases() == {"20001/TCP": "active"}
    world.stop("by-hand")
    world.state.forget_use("Deployment/default/web")
    assert world.deploy("other", prefer="http=20000") == {"app/http": 20002}


def test_a_workload_keeps_its_environment_with_the_number_that_stays(world: World) -> None:
    world.deploy("web", env="true")
    world.run("web", on="n1")
    before = world.manifest("web")["spec"]
    world.empty_ledger()
    world.pool("main", "20005-20009")
    world.reconcile("web")
    assert world.manifest("web")["spec"] == before


def _told(world: World) -> str:
    """What is told of a workload that has come to rest: nothing is patched or leased any more, and this stands."""
    plan = world.plans[-1]
    assert not plan.patches_template
    (remark,) = plan.remarks
    return remark.text


def _stays_without_a_lease(world: World, name: str, why: str) -> None:
    assert world.shown(name) == [20000]
    assert world.leases(name) == {}
    assert world.plans[-1].remarks[0].reason == "PortConflict"
    assert why in _told(world)
