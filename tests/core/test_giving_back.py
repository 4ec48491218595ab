"""How a number is given back: releasing while somebody uses it, then resting, then free."""

from __future__ import annotations

import pytest

from hostport.allocation.settle import users
from hostport.allocation.state import ForeignUse
from hostport.api.errors import PoolExhausted, QuotaExceeded
from hostport.api.podspec import Claim
from tests.core.build import deployment, workload
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000", cooldownSeconds=60)
    return world


def _is_free(world: World) -> bool:
    try:
        world.deploy("probe")
    except PoolExhausted:
        return False
    world.deploy("probe", auto="false")
    return True


def test_a_number_is_releasing_while_a_pod_uses_it_then_rests_then_is_free(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.delete("web")
    world.wait(1000)
    assert world.leases() == {"20000/TCP": "releasing"}
    assert not _is_free(world)
    world.stop("web-n1")
    world.wait()
    assert world.leases() == {"20000/TCP": "released"}
    world.wait(59)
    assert not _is_free(world)
    world.wait(1)
    assert world.leases() == {}
    assert _is_free(world)


def test_a_number_is_releasing_while_pods_of_an_older_revision_use_it(world: World) -> None:
    world.pool("main", "20000-20001", cooldownSeconds=60)
    world.deploy("web")
    world.run("web", on="n1")
    world.deploy("web", request="http=20001")
    world.run("web", on="n2")
    world.wait()
    assert world.leases() == {"20000/TCP": "releasing", "20001/TCP": "active"}
    world.stop("web-n1")
    world.wait()
    assert world.leases() == {"20000/TCP": "released", "20001/TCP": "active"}


def test_a_number_that_a_template_still_shows_is_not_given_back(world: World) -> None:
    world.deploy("web")
    world.deploy("copycat", "http:80=20000", auto="false")
    world.delete("web")
    world.wait(1000)
    assert world.leases() == {"20000/TCP": "releasing"}
    world.delete("copycat")
    world.wait()
    assert world.leases() == {"20000/TCP": "released"}


def test_a_resting_number_that_comes_into_use_again_is_releasing_again(world: World) -> None:
    world.deploy("web")
    world.delete("web")
    world.wait()
    world.pod("late", "x:1=20000", on="n2")
    world.wait(1000)
    assert world.leases() == {"20000/TCP": "releasing"}


def test_a_service_on_a_number_keeps_it_from_being_given_but_no_lease_from_ending(world: World) -> None:
    world.deploy("web")
    world.service("np", 20000)
    world.delete("web")
    world.wait()
    world.wait(60)
    assert world.leases() == {}
    assert not _is_free(world)


def test_a_number_leased_for_a_node_does_not_wait_for_pods_of_another(world: World) -> None:
    world.deploy("web", pod={"nodeName": "n1"})
    world.pod("other", "x:1=20000", on="n2")
    world.delete("web")
    world.wait()
    assert world.leases() == {"20000/TCP@n1": "released"}


def test_a_number_without_cooldown_is_free_at_once(world: World) -> None:
    world.pool("main", "20000", cooldownSeconds=0)
    world.deploy("web")
    world.delete("web")
    world.wait()
    assert world.leases() == {}


def test_lease_by_lease_a_number_is_given_back_exactly_once(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    world.deploy("web", "a:1 b:2 c:3/UDP")
    world.delete("web")
    world.wait()
    assert set(world.leases().values()) == {"released"}
    world.wait(60)
    assert world.leases() == {}
    assert world.counts("main").free == 20


def test_when_a_namespace_has_given_a_number_back_its_quota_is_free_again_and_that_is_news(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1, cooldownSeconds=60)
    world.deploy("web")
    world.delete("web")
    before = world.state.openings
    world.wait()
    assert world.state.openings > before
    assert world.deploy("next") == {"app/http": 20001}


# Same name, same number


def test_a_workload_that_is_deleted_and_made_again_has_its_number_back(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    world.deploy("web")
    world.delete("web")
    world.deploy("other")
    world.wait(30)
    assert world.deploy("web") == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}
    lease = world.lease("main", "20000/TCP")
    assert lease is not None
    assert lease.uid == world.manifest("web")["metadata"]["uid"]


def test_what_an_earlier_workload_had_goes_back_where_its_heir_is_refused(world: World) -> None:
    """Deleted and made again so fast that nobody has seen it go, and with an annotation that makes no sense."""
    world.deploy("web")
    heir = workload(deployment("web", request="http=nonsense"), uid="another", version=10**6)
    plan = world.planner.plan(heir, world.now)
    assert plan.refusal is not None
    ((_, key, lease),) = plan.changes
    assert lease is not None
    assert (str(key), lease.state, lease.uid) == ("20000/TCP", "releasing", world.manifest("web")["metadata"]["uid"])
    assert not world.planner.plan(heir, world.now).changes
    mended = workload(deployment("web"), uid="another", version=10**6 + 1)
    assert world.planner.plan(mended, world.now).assigned == {"app/http": 20000}


def test_a_workload_that_is_made_again_after_the_rest_gets_any_number(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    world.deploy("web")
    world.delete("web")
    world.wait()
    world.wait(60)
    assert world.deploy("web") == {"app/http": 20001}


def test_a_workload_that_had_two_numbers_has_the_last_one_back(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    world.deploy("web", request="http=20005")
    world.wait(10)
    world.deploy("web", request="http=20003")
    world.wait(10)
    world.deploy("web", request="http=20007")
    world.delete("web")
    world.wait()
    assert set(world.leases().values()) == {"released"}
    assert world.deploy("web") == {"app/http": 20007}


def test_each_port_has_its_own_number_back(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    before = world.deploy("web", "a:1 b:2 dns:53/UDP")
    world.delete("web")
    world.wait()
    assert world.replace(deployment("web", "dns:53/UDP b:2 a:1")) == before


def test_switched_off_and_on_again_while_its_pods_run_a_workload_keeps_its_number(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    world.deploy("web", auto="false")
    assert world.shown("web") == [0]
    world.wait()
    assert world.leases() == {"20000/TCP": "releasing"}
    assert world.deploy("web") == {"app/http": 20000}


def test_a_resting_number_goes_to_nobody_of_another_namespace_name_container_or_port(world: World) -> None:
    world.deploy("web")
    world.delete("web")
    world.wait()
    for name, entries, namespace in (
        ("web", "http:80", "blue"),
        ("web2", "http:80", "default"),
        ("web", "www:80", "default"),
    ):
        with pytest.raises(PoolExhausted):
            world.deploy(name, entries, namespace=namespace)
    assert world.deploy("web") == {"app/http": 20000}


def test_a_resting_number_that_has_been_excluded_meanwhile_is_not_taken_back(world: World) -> None:
    world.pool("main", "20000-20009", cooldownSeconds=60)
    world.deploy("web")
    world.delete("web")
    world.wait()
    world.pool("main", "20000-20009", exclude=["20000"], cooldownSeconds=60)
    assert world.deploy("web") == {"app/http": 20001}


def test_a_resting_number_beyond_the_quota_is_not_taken_back(world: World) -> None:
    world.pool("main", "20000-20009", quotaPerNamespace=1, cooldownSeconds=60)
    world.deploy("web")
    world.delete("web")
    world.wait()
    world.deploy("next")
    with pytest.raises(QuotaExceeded):
        world.deploy("web")


def test_what_is_only_supposed_keeps_a_lease_and_is_not_remembered(world: World) -> None:
    world.deploy("web")
    world.delete("web")
    (key,) = world.state.book.of_pool("main")
    pod = ForeignUse("Deployment/default/web", "Pod default/web-1", frozenset({Claim(key.protocol, key.port)}))
    before = world.state.changes, world.state.openings

    with world.state.supposing({pod.by: pod}):
        assert [taker.by for taker in users(world.state, ("main", key), pod.owner)] == [pod.by]

    assert not users(world.state, ("main", key), pod.owner)
    assert (world.state.changes, world.state.openings) == before
    world.state.see_use(pod.by, pod)
    with world.state.supposing({pod.by: pod}):
        pass
    assert users(world.state, ("main", key), pod.owner), "what is known stays known"
