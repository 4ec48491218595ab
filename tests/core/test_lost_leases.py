"""A ledger that has been emptied is rebuilt from the workloads, and nothing that runs is moved."""

from __future__ import annotations

import pytest

from hostport.api.lease import Lease
from hostport.ledger.book import Change
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
    world.state.put(Change("main", truths.key("20000/TCP"), lease))
    world.ledger["main", truths.key("20000/TCP")] = lease


@pytest.mark.parametrize("since", ["", "2026-01-01T00:00:09Z"])
def test_a_running_workload_takes_back_a_lease_that_was_put_into_another_name(world: World, since: str) -> None:
    manifest = deployment("web")
    manifest["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    world.apply(manifest)
    world.run("web", on="n1")
    _in_another_name(world, since=since)
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"} == world.leases()


def test_a_copy_that_runs_already_does_not_take_the_lease_of_its_original(world: World) -> None:
    """Nobody uses the original's number just now, but the copy is younger than its lease."""
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
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}


def test_what_runs_stays_where_somebody_is_on_its_number_on_another_node(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.pod("by-hand", "x:1=20000", on="n2")
    world.empty_ledger()
    assert world.reconcile("web") == {"app/http": 20000}


def test_what_does_not_run_yet_gives_way_to_somebody_on_its_number(world: World) -> None:
    world.deploy("web")
    world.pod("by-hand", "x:1=20000", on="n2")
    world.empty_ledger()
    assert world.reconcile("web") == {"app/http": 20001}


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
    assert world.reconcile("game") == {"app/a": 20000, "app/b": 20001, "app/c": 20002}


def test_a_quota_that_is_smaller_by_now_moves_nobody(world: World) -> None:
    for name in ("web", "dns"):
        world.deploy(name)
        world.run(name, on="n1")
    world.empty_ledger()
    world.pool("main", "20000-20009", quotaPerNamespace=1)
    assert world.reconcile("web") == {"app/http": 20000}
    assert world.reconcile("dns") == {"app/http": 20001}
