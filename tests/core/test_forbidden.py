"""Where no hostPort may be, none is written; and what was let go stays so until something else is asked for."""

from __future__ import annotations

import pytest

from hostport.allocation.let_go import LetGo
from hostport.api.errors import PatchReverted, PodsForbidden
from tests.core.build import deployment
from tests.core.world import World

ENFORCE = "pod-security.kubernetes.io/enforce"


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def enforce(world: World, level: str | None) -> None:
    world.state.namespaces["default"] = {} if level is None else {ENFORCE: level}


# Pod Security


@pytest.mark.parametrize("level", ["baseline", "restricted", "bogus"])
def test_a_namespace_that_forbids_hostports_gets_none_and_nothing_is_touched(world: World, level: str) -> None:
    enforce(world, level)
    with pytest.raises(PodsForbidden, match=f"enforces the Pod Security level {level}") as refused:
        world.deploy("web")
    assert "kubectl label namespace default --overwrite pod-security.kubernetes.io/enforce=privileged" in str(
        refused.value
    )
    assert world.manifest("web")["metadata"]["annotations"] == {"hostport/auto": "true"}
    assert world.shown("web") == [0]
    assert world.leases() == {}


@pytest.mark.parametrize("level", [None, "privileged"])
def test_a_namespace_that_allows_them_gets_them(world: World, level: str | None) -> None:
    enforce(world, level)
    assert world.deploy("web") == {"app/http": 20000}


def test_an_exempt_namespace_gets_them_whatever_its_label_says(world: World) -> None:
    enforce(world, "restricted")
    world.state.exempt = frozenset({"default"})
    assert world.deploy("web") == {"app/http": 20000}


def test_what_has_its_number_when_the_namespace_is_restricted_keeps_it_and_is_warned(world: World) -> None:
    world.deploy("web")
    world.run("web", on="n1")
    enforce(world, "baseline")
    assert world.reconcile("web") == {"app/http": 20000}
    (remark,) = world.plans[-1].remarks
    assert (remark.reason, remark.lasting) == ("PodsForbidden", True)


def test_a_number_that_a_replace_has_taken_out_goes_back_where_it_may_not_be_written(world: World) -> None:
    world.deploy("web")
    enforce(world, "baseline")
    with pytest.raises(PodsForbidden):
        world.replace(deployment("web"))
    assert world.leases("web") == {"20000/TCP": "releasing"}


def test_a_clones_number_is_not_replaced_where_none_may_be_written(world: World) -> None:
    world.deploy("web")
    enforce(world, "baseline")
    with pytest.raises(PodsForbidden):
        world.deploy("clone", "http:80=20000")
    assert world.shown("clone") == [20000]


def test_no_other_refusal_hides_that_no_hostport_may_be_there(world: World) -> None:
    enforce(world, "baseline")
    with pytest.raises(PodsForbidden):
        world.deploy("web", pool="nonexistent")


# Let go


def let_go(world: World, reason: str = "PatchReverted") -> None:
    digest = world.workload("web").digest
    world.state.let_go["Deployment/default/web"] = LetGo(reason, digest, "somebody takes it out")


def take_out(world: World) -> None:
    manifest = world.manifest("web")
    del manifest["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostPort"]
    world._objects["Deployment/default/web"] = manifest


def fight_is_lost(world: World) -> None:
    """Its number was taken out once too often, and is let go."""
    world.deploy("web")
    take_out(world)
    let_go(world)
    with pytest.raises(PatchReverted):
        world.reconcile("web")


def test_what_was_let_go_gives_its_number_back_and_the_lease_remembers_why(world: World) -> None:
    world.deploy("web")
    take_out(world)
    let_go(world)
    with pytest.raises(PatchReverted, match=r"^somebody takes it out\. To try again, change the template or"):
        world.reconcile("web")
    lease = world.lease("main", "20000/TCP")
    assert lease is not None
    assert lease.state == "releasing"
    assert lease.abandoned == f"PatchReverted/{world.workload('web').digest}"
    assert world.shown("web") == [0]


def test_after_a_restart_the_lease_is_enough_to_know_it(world: World) -> None:
    fight_is_lost(world)
    world.state.let_go.clear()
    with pytest.raises(PatchReverted, match="kept taking out"):
        world.reconcile("web")


def test_where_only_the_strategy_is_fought_over_the_number_stays_leased(world: World) -> None:
    world.deploy("web")
    let_go(world)
    with pytest.raises(PatchReverted):
        world.reconcile("web")
    assert world.shown("web") == [20000]
    assert world.leases("web") == {"20000/TCP": "active"}


def test_another_template_is_served_with_the_same_number(world: World) -> None:
    fight_is_lost(world)
    changed = deployment("web", pod={"serviceAccountName": "other"})
    assert world.replace(changed) == {"app/http": 20000}
    lease = world.lease("main", "20000/TCP")
    assert lease is not None
    assert (lease.state, lease.abandoned) == ("active", "")


def test_the_annotation_taken_away_and_put_back_begins_anew(world: World) -> None:
    fight_is_lost(world)
    world.replace(deployment("web", auto="false"))
    assert world.replace(deployment("web")) == {"app/http": 20000}


def test_where_no_pod_can_be_made_the_template_gets_back_what_it_had(world: World) -> None:
    world.deploy("web", env="true")
    asked = deployment("web", env="true")
    let_go(world, "PodsForbidden")
    with pytest.raises(PodsForbidden):
        world.reconcile("web")
    plan = world.plans[-1]
    assert [(entry.ref, port) for entry, port, _ in plan.ports] == [("app/http", 0)]
    assert plan.released == ["app/http=20000"]
    assert plan.patches_template
    assert world.leases("web") == {"20000/TCP": "releasing"}
    assert world.workload("web").digest == asked_digest(world, asked)


def asked_digest(world: World, manifest: dict[str, object]) -> str:
    other = World()
    other._write(manifest, manifest)
    return other.workload("web").digest
