"""No plan leases a number where somebody else has it, and a plan that raises leaves nothing behind."""

from __future__ import annotations

import pytest

from hostport.allocation import plan as planning
from hostport.allocation.draft import Draft
from hostport.api.errors import OverlappingLease
from hostport.api.lease import Lease
from hostport.api.strategy import parse_amounts
from hostport.ledger.book import Change
from tests.core import build, truths
from tests.core.build import Json, deployment
from tests.core.world import World


def _forged(world: World, entries: str = "http:80=20000", *, on: str = "n2", pod: Json | None = None) -> None:
    """Who has written a number and our mark himself, and has a Pod run on it, asks for hostPorts."""
    manifest = deployment("thief", entries, pod=pod, auto="false", assigned='{"app/http": 20000}')
    world.apply(manifest)
    world.run("thief", on=on)
    manifest["metadata"]["annotations"]["hostport/auto"] = "true"
    world.replace(manifest)


def _told(world: World) -> str:
    (remark,) = world.plans[-1].remarks
    return remark.text


def test_a_number_that_is_leased_on_one_node_is_not_leased_for_the_whole_pool() -> None:
    world = World("n0")
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("main", "20000-20003")
    world.deploy("victim", pod=build.on_hosts("n1"))
    _forged(world, pod=build.where(zone="b"))
    assert world.leases() == {"20000/TCP@n1": "active"}
    assert world.shown("thief") == [20000]
    assert "20000/TCP for app/http is held by Deployment/default/victim" in _told(world)


def test_a_number_is_not_leased_on_a_node_that_its_pods_may_not_go_to_any_more_and_another_has_it() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20001")
    world.deploy("pinned", request="http=20000", pod=build.on_node("n1"))
    world.node("n1", "dedicated=x:NoSchedule")
    _forged(world, on="n1")
    assert world.leases() == {"20000/TCP@n1": "active"}
    assert world.shown("thief") == [20000]


def test_a_number_that_another_pool_has_leased_on_an_address_is_not_leased_on_every_address() -> None:
    world = World("n1", "n2")
    world.pool("local", "20000-20003", hostIP="127.0.0.1", default=False, age=1)
    world.pool("main", "30000-30003", age=5)
    world.deploy("victim", pool="local")
    _forged(world, "http:80=10.0.0.1:20000")
    assert world.leases() == {"[127.0.0.1]:20000/TCP": "active"}
    assert world.shown("thief") == [20000]


def test_a_mark_and_a_pod_get_nobody_a_number_that_the_pool_does_not_hand_out_or_beyond_the_quota() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20003", quotaPerNamespace=1)
    world.deploy("honest", request="http=20003")
    _forged(world)
    assert world.leases() == {"20003/TCP": "active"}
    world.pool("main", "20001-20003")
    world.reconcile("thief")
    assert world.leases() == {"20003/TCP": "active"}


_MEETING = [
    ("main", "20000/TCP", "main", "20000/TCP"),
    ("main", "20000/TCP@n1", "main", "20000/TCP"),
    ("main", "20000/TCP", "main", "20000/TCP@n1"),
    ("local", "[127.0.0.1]:20000/TCP", "main", "20000/TCP@n2"),
    ("main", "20000/TCP", "local", "[127.0.0.1]:20000/TCP"),
]


@pytest.mark.parametrize(("pool", "standing", "other", "wanted"), _MEETING)
def test_a_lease_that_meets_somebody_elses_can_not_be_written(
    pool: str, standing: str, other: str, wanted: str
) -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20003", age=5)
    world.pool("local", "20000-20003", hostIP="127.0.0.1")
    world.plant(pool, standing, Lease("Deployment/default/first"))
    before = truths.Snapshot.of(world.state)
    with pytest.raises(OverlappingLease) as raised, Draft(world.state) as draft:
        draft.put("main", truths.key("20003/TCP"), Lease("Deployment/default/second"))
        draft.turn("main", 20003)
        draft.put(other, truths.key(wanted), Lease("Deployment/default/second"))
    assert (raised.value.owner, raised.value.other) == ("Deployment/default/second", "Deployment/default/first")
    before.assert_still(world.state)


def test_a_lease_that_does_not_meet_another_can_be_written() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20003")
    world.plant("main", "20000/TCP@n1", Lease("Deployment/default/first"))
    draft = Draft(world.state)
    for key in ("20000/TCP@n2", "20000/UDP", "20001/TCP"):
        draft.put("main", truths.key(key), Lease("Deployment/default/second"))
    assert len(draft.changes) == 3


def test_what_the_api_server_shows_is_taken_in_though_it_overlaps() -> None:
    world = World("n1", "n2")
    world.pool("main", "20000-20003")
    world.plant("main", "20000/TCP@n1", Lease("Deployment/default/first"))
    world.state.put(Change("main", truths.key("20000/TCP"), Lease("Deployment/default/second")))
    assert len(truths.overlaps(world.state)) == 1


def test_a_lease_that_overlaps_since_a_pool_was_moved_stays_its_owners() -> None:
    """Kept, let go, and taken again before it rests: it is in nobody's way whom it was not in already."""
    world = World("n0")
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("there", "20000-20003", nodeSelector={"matchLabels": {"zone": "a"}}, age=5)
    world.pool("here", "20000-20003", nodeSelector={"matchLabels": {"zone": "b"}})
    world.deploy("first", pool="there")
    world.deploy("second", pool="here", pod=build.where(zone="b"))
    world.run("second", on="n2")
    world.pool("here", "20000-20003")
    assert len(truths.overlaps(world.state)) == 1
    manifest = world.manifest("second")
    for asks in ("true", "false", "true"):
        manifest["metadata"]["annotations"]["hostport/auto"] = asks
        world.replace(manifest)
    assert world.shown("second") == [20000]
    assert world.lease("here", "20000/TCP") is not None


def test_a_lease_without_a_date_that_is_given_back_is_no_new_one() -> None:
    """Written by hand, it may have none."""
    world = World("n1")
    world.pool("main", "20000-20003")
    world.deploy("web")
    uid = world.manifest("web")["metadata"]["uid"]
    world.plant("main", "20002/TCP", Lease("Deployment/default/web", uid, "app/gone"))
    plan = world.planner.plan(world.workload("web"), world.now)
    assert [(str(change.key), change.lease and change.lease.state) for change in plan.changes] == [
        ("20002/TCP", "releasing")
    ]
    assert plan.granted == {}


@pytest.mark.parametrize("step", ["adjust", "confine", "environment", "replaced", "nothing_to_give"])
@pytest.mark.parametrize("error", [RecursionError, ValueError, KeyboardInterrupt, OverlappingLease])
def test_whatever_a_plan_raises_nothing_of_it_stays(
    step: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World("n0")
    world.node("n1", zone="a")
    world.pool("main", "20000-20003", nodeSelector={"matchLabels": {"zone": "a"}})
    entries = "http:80=9" if step == "nothing_to_give" else "http:80"
    manifest = deployment("web", entries, env="true")
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    manifest["spec"] |= {"strategy": rolling, "replicas": 3}
    workload = build.workload(manifest)
    world.plant("main", "20002/TCP", Lease(workload.key, workload.uid, "app/gone"))
    before = truths.Snapshot.of(world.state)

    def fail(*_args: object, **_more: object) -> None:
        raise error(*["main", "20000/TCP", "one", "20000/TCP", "other"][: 5 if error is OverlappingLease else 0])

    monkeypatch.setattr(planning, step, fail)
    with pytest.raises(error):
        world.planner.plan(workload, world.now)
    before.assert_still(world.state)
    monkeypatch.undo()
    assert world.planner.plan(workload, world.now).changes != []


def test_a_note_of_ours_that_nobody_can_read_is_none() -> None:
    """A user may write anything there, and all others are to be served all the same."""
    assert parse_amounts("[" * 100_000) == {}
    world = World("n1")
    world.pool("main", "20000-20003")
    manifest = deployment("web", rollout_was="[" * 100_000)
    manifest["spec"]["strategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert world.apply(manifest) == {"app/http": 20000}
