"""A number that stands in an annotated workload's template: whose is it, and what becomes of it?"""

from __future__ import annotations

import pytest

from hostport.api.errors import PoolExhausted, RequestRefused
from hostport.api.lease import Lease
from tests.core.build import Json, deployment, on_node
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def _copy(manifest: Json, name: str) -> Json:
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}}


def _ports(manifest: Json) -> list[Json]:
    found: list[Json] = manifest["spec"]["template"]["spec"]["containers"][0]["ports"]
    return found


# (a) its own lease


def test_its_own_number_stays(world: World) -> None:
    world.deploy("web")
    assert world.replace(world.manifest("web")) == {"app/http": 20000}


def test_its_own_number_stays_where_the_note_about_it_has_been_lost(world: World) -> None:
    world.deploy("web")
    manifest = world.manifest("web")
    del manifest["metadata"]["annotations"]["hostport/assigned"]
    assert world.replace(manifest) == {"app/http": 20000}
    assert "hostport/assigned" in world.manifest("web")["metadata"]["annotations"]


def test_its_own_number_comes_back_where_a_replace_has_taken_it_out(world: World) -> None:
    world.deploy("other")
    world.deploy("web")
    assert world.replace(deployment("web")) == {"app/http": 20001}


def test_its_own_number_stays_with_an_entry_that_has_been_renamed(world: World) -> None:
    world.deploy("web")
    manifest = world.manifest("web")
    _ports(manifest)[0]["name"] = "www"
    assert world.replace(manifest) == {"app/www": 20000}
    lease = world.lease("main", "20000/TCP")
    assert lease is not None
    assert lease.port == "app/www"


def test_a_renamed_entry_and_a_new_one_of_the_old_name_do_not_get_the_same_number(world: World) -> None:
    world.deploy("web")
    manifest = world.manifest("web")
    _ports(manifest)[0]["name"] = "www"
    _ports(manifest).append({"name": "http", "containerPort": 8080, "protocol": "TCP"})
    assert world.replace(manifest) == {"app/www": 20000, "app/http": 20001}


def test_two_entries_that_have_swapped_their_numbers_keep_what_they_show(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    manifest = world.manifest("web")
    _ports(manifest)[0]["hostPort"], _ports(manifest)[1]["hostPort"] = 20001, 20000
    assert world.replace(manifest) == {"app/a": 20001, "app/b": 20000}
    assert world.plans[-1].changes == []


def test_an_entry_that_shows_the_number_of_another_has_it_and_the_other_gets_a_new_one(world: World) -> None:
    world.deploy("web", "a:1 b:2")
    manifest = world.manifest("web")
    _ports(manifest)[0]["hostPort"] = 20001
    del _ports(manifest)[1]["hostPort"]
    assert world.replace(manifest) == {"app/a": 20001, "app/b": 20002}


def test_a_port_that_changes_its_protocol_gets_a_number_of_the_new_one(world: World) -> None:
    world.deploy("web", "x:1 y:2")
    assert world.deploy("web", "x:1/UDP y:2") == {"app/x": 20002, "app/y": 20001}
    assert world.leases("web") == {"20000/TCP": "releasing", "20001/TCP": "active", "20002/UDP": "active"}


# (b) its own, released and still resting


def test_its_own_resting_number_is_taken_back(world: World) -> None:
    world.deploy("web")
    old = world.manifest("web")
    world.deploy("web", auto="false")
    world.wait()
    assert world.leases("web") == {"20000/TCP": "released"}
    assert world.replace(old) == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active"}


def test_its_own_resting_number_is_not_taken_back_where_somebody_is_on_it(world: World) -> None:
    world.deploy("web")
    old = world.manifest("web")
    world.delete("web")
    world.wait()
    world.pod("thief", "x:1=20000", on="n1")
    assert world.replace(old) == {"app/http": 20001}


# (c) somebody else's, or a copy


def test_a_cloned_manifest_gets_numbers_of_its_own_and_is_told(world: World) -> None:
    world.deploy("web")
    assert world.replace(_copy(world.manifest("web"), "clone")) == {"app/http": 20001}
    assert world.shown("clone") == [20001]
    assert world.plans[-2].conflicts == [
        "hostPort 20000/TCP of app/http is leased to Deployment/default/web: it gets another number"
    ]


def test_a_cloned_manifest_gets_numbers_of_its_own_while_the_original_rests(world: World) -> None:
    world.deploy("web")
    clone = _copy(world.delete("web"), "clone")
    world.wait()
    assert world.replace(clone) == {"app/http": 20001}


def test_a_copy_whose_original_is_long_gone_may_have_the_number(world: World) -> None:
    world.deploy("web")
    clone = _copy(world.delete("web"), "clone")
    world.wait()
    world.wait(60)
    assert world.replace(clone) == {"app/http": 20000}
    assert world.leases() == {"20000/TCP": "active"}


def test_a_copy_of_a_number_outside_of_the_pool_gets_one_inside(world: World) -> None:
    manifest = deployment("web", "http:80=30000", assigned='{"app/http": 30000}')
    assert world.replace(manifest) == {"app/http": 20000}


def test_somebody_elses_number_is_replaced_even_without_a_note(world: World) -> None:
    world.deploy("web")
    assert world.deploy("by hand", "http:80=20000") == {"app/http": 20001}


def test_a_rolled_back_template_has_its_former_number_as_long_as_that_rests(world: World) -> None:
    world.deploy("web")
    old = world.manifest("web")
    world.deploy("web", request="http=20005")
    world.wait()
    back = world.manifest("web")
    back["spec"] = old["spec"]
    del back["metadata"]["annotations"]["hostport/request"]
    assert world.replace(back) == {"app/http": 20000}
    assert world.leases("web") == {"20000/TCP": "active", "20005/TCP": "releasing"}


def test_a_forged_note_gives_nobody_a_number(world: World) -> None:
    world.deploy("web")
    assert world.deploy("thief", assigned='{"app/http": 20000}') == {"app/http": 20001}


def test_somebody_elses_number_without_our_mark_stays_where_a_pod_runs_on_it(world: World) -> None:
    world.deploy("web")
    manifest = deployment("by-hand", "http:80=20000 dns:53", auto="false")
    world.apply(manifest)
    world.run("by-hand", on="n2")
    assert world.deploy("by-hand", "http:80=20000 dns:53") == {"app/dns": 20001}
    assert world.shown("by-hand") == [20000, 20001]
    assert world.leases() == {"20000/TCP": "active", "20001/TCP": "active"}
    (remark,) = world.plans[-1].remarks
    assert remark.reason == "PortConflict"
    assert remark.text == (
        "app/http keeps hostPort 20000/TCP, on which a Pod of it runs, though it is leased to Deployment/default/web. "
        "What runs is not moved. Take the hostPort out of the template to get another number"
    )


def test_our_mark_is_about_the_protocol_that_the_number_was_leased_in(world: World) -> None:
    """Written by hand in TCP after the operator had leased it in UDP, it is the user's, and stays when that ends."""
    world.deploy("web", "a:1/UDP", request="a=20007")
    world.replace(deployment("web", "a:1=20007 b:2", assigned='{"app/a": 20007}'))
    assert world.leases("web") == {"20007/UDP": "releasing", "20000/TCP": "active"}
    manifest = world.manifest("web")
    manifest["metadata"]["annotations"]["hostport/auto"] = "false"
    world.replace(manifest)
    assert world.shown("web") == [20007, 0]


# (d) by hand


def test_a_number_written_by_hand_stays_and_is_never_leased(world: World) -> None:
    assert world.deploy("web", "http:80=20000 dns:53") == {"app/dns": 20001}
    assert world.shown("web") == [20000, 20001]
    assert world.leases("web") == {"20001/TCP": "active"}
    assert world.deploy("next") == {"app/http": 20002}


def test_a_number_written_by_hand_outside_of_every_pool_stays_as_well(world: World) -> None:
    assert world.deploy("web", "http:80=30000") == {}
    assert world.shown("web") == [30000]


def test_a_number_written_by_hand_stays_where_somebody_has_it_on_another_node(world: World) -> None:
    world.deploy("other", pod=on_node("n1"))
    assert world.deploy("web", "http:80=20000", pod=on_node("n2")) == {}
    assert world.shown("web") == [20000]


def test_a_number_written_by_hand_stays_where_somebody_has_it_on_another_address(world: World) -> None:
    world.pool("local", "20000-20009", hostIP="127.0.0.1", default=False)
    world.deploy("other", pool="local")
    assert world.deploy("web", "http:80=10.0.0.1:20000") == {}


def test_no_other_port_of_the_workload_gets_the_number_that_stands_there_by_hand(world: World) -> None:
    with pytest.raises(RequestRefused, match=r"is held by Deployment/default/web \(template\)"):
        world.deploy("web", "a:1=20005 b:2", request="b=20005")
    assert world.deploy("web", "a:1=20005 b:2", prefer="b=20005") == {"app/b": 20000}


def test_no_port_gets_the_number_of_the_workloads_own_sidecar(world: World) -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 20005}]}
    assert world.deploy("web", pod={"initContainers": [sidecar]}, prefer="http=20005") == {"app/http": 20000}


def test_a_number_the_user_writes_over_ours_is_his_and_ours_goes(world: World) -> None:
    world.deploy("web")
    assert world.deploy("web", "http:80=30000") == {}
    assert world.shown("web") == [30000]
    assert world.leases("web") == {"20000/TCP": "releasing"}


def test_who_asks_and_has_written_every_number_himself_is_told(world: World) -> None:
    assert world.deploy("web", "http:80=30000 :81=30001") == {}
    (remark,) = world.plans[-1].remarks
    assert remark.reason == "InvalidAnnotation"
    assert remark.text == (
        'hostport/auto: "true": nothing to hand out, the template has app/http=30000, app/81/TCP=30001 by hand; '
        "take the hostPort out to get another one, or hostport/auto away"
    )
    assert world.deploy("web", "http:80=30000 dns:53", ports="http") == {}
    (remark,) = world.plans[-1].remarks
    assert remark.text.startswith(
        'hostport/ports: "http": nothing to hand out, the template has app/http=30000 by hand'
    )
    assert world.deploy("web", "http:80=30000 dns:53") == {"app/dns": 20000}
    assert not world.plans[-1].remarks


def test_one_pod_has_a_number_once_whatever_pools_it_has_it_from() -> None:
    """Leases of two pools on different nodes do not overlap, but both numbers would be on every Pod of the workload."""
    world = World("n0")
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("there", "20000", nodeSelector={"matchLabels": {"zone": "a"}}, cooldownSeconds=60)
    world.pool("here", "20000", nodeSelector={"matchLabels": {"zone": "b"}}, hostIP="127.0.0.1", cooldownSeconds=60)
    here = {"nodeSelector": {"zone": "b"}}
    assert world.apply(deployment("web", "a:1 b:2=9", pod=here)) == {"app/a": 20000}
    uid = world.manifest("web")["metadata"]["uid"]
    world.plant("there", "20000/TCP", Lease("Deployment/default/web", uid, "app/b"))

    with pytest.raises(PoolExhausted):
        world.apply(deployment("web", "a:1 b:2=20000", pod=here))

    assert world.shown("web") == [20000, 20000]
    assert world.lease("here", "[127.0.0.1]:20000/TCP") is not None
