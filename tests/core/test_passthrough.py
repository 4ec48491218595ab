"""Ports that the template does not declare: one number is containerPort and hostPort at once, in an entry of ours."""

from __future__ import annotations

import copy

import pytest

from hostport.api.errors import InvalidAnnotation, RequestRefused
from hostport.api.workload import Workload
from hostport.diagnosis.check import Entry, Evidence, check
from tests.core.build import Json, deployment, ports
from tests.core.world import World

_HOST = {"hostNetwork": True}


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def _container(manifest: Json, index: int = 0) -> Json:
    found: Json = manifest["spec"]["template"]["spec"]["containers"][index]
    return found


def _entry(number: int, protocol: str = "TCP") -> Json:
    return {"containerPort": number, "hostPort": number, "protocol": protocol}


def _variable(name: str, number: int) -> Json:
    return {"name": name, "value": str(number)}


# Given


def test_each_gets_one_number_in_an_entry_of_its_own_and_a_variable(world: World) -> None:
    assert world.deploy("game", "http:80", ports="game", passthrough="game/UDP, rdma") == {
        "app/game": 20000, "app/rdma": 20001,
    }  # fmt: skip
    container = _container(world.manifest("game"))
    assert container["ports"] == [*ports("http:80"), _entry(20000, "UDP"), _entry(20001)]
    assert container["env"] == [_variable("HOSTPORT_GAME", 20000), _variable("HOSTPORT_RDMA", 20001)]
    assert world.leases() == {"20000/UDP": "active", "20001/TCP": "active"}
    lease = world.lease("main", "20000/UDP")
    assert lease is not None
    assert lease.port == "app/game"


def test_the_ports_that_are_declared_get_theirs_as_ever(world: World) -> None:
    assert world.deploy("game", "http:80 dns:53/UDP", passthrough="game/UDP") == {
        "app/http": 20000, "app/dns": 20001, "app/game": 20002,
    }  # fmt: skip
    assert _container(world.manifest("game"))["env"] == [_variable("HOSTPORT_GAME", 20002)]


def test_a_container_can_be_named_that_declares_nothing(world: World) -> None:
    pod = {"containers": [{"name": "app", "ports": ports("http:80")}, {"name": "srv"}]}
    assert world.deploy("game", pod=pod, passthrough="srv/game/UDP") == {"app/http": 20000, "srv/game": 20001}
    manifest = world.manifest("game")
    assert _container(manifest, 1)["ports"] == [_entry(20001, "UDP")]
    assert _container(manifest, 1)["env"] == [_variable("HOSTPORT_GAME", 20001)]
    assert "env" not in _container(manifest)


def test_on_the_nodes_network_only_they_are_served(world: World) -> None:
    assert world.deploy("rdma", "http:80", pod=_HOST, passthrough="rdma") == {"app/rdma": 20000}
    assert _container(world.manifest("rdma"))["ports"] == [*ports("http:80"), _entry(20000)]


def test_on_the_nodes_network_the_entry_that_was_added_is_nobody_in_the_way(world: World) -> None:
    world.deploy("rdma", "", pod=_HOST, passthrough="rdma")
    world.run("rdma", on="n1")
    assert world.replace(world.manifest("rdma")) == {"app/rdma": 20000}
    assert world.counts("main").foreign == 0


def test_on_the_nodes_network_no_number_is_given_that_a_container_listens_on(world: World) -> None:
    assert world.deploy("rdma", "http:20000", pod=_HOST, passthrough="rdma") == {"app/rdma": 20001}


@pytest.mark.parametrize("policy", ["RoundRobin", "LowestFree", "Random", "Stable"])
def test_no_number_is_given_that_a_container_declares(world: World, policy: str) -> None:
    world.pool("main", "20000-20002", policy=policy)
    entries = "a:20000 b:20002/UDP"
    assert world.deploy("game", entries, ports="game", passthrough="game") == {"app/game": 20001}


def test_they_are_asked_for_by_name(world: World) -> None:
    notes = {"passthrough": "game/UDP,rdma", "request": "game=20005", "prefer": "app/rdma=20007"}
    assert world.deploy("game", "", **notes) == {"app/game": 20005, "app/rdma": 20007}
    with pytest.raises(RequestRefused, match=r"held by Deployment/default/game \(app/game\)"):
        world.deploy("other", "", passthrough="game/UDP", request="game=20005")


def test_a_number_that_a_container_declares_is_refused_where_it_is_asked_for_and_not_preferred(world: World) -> None:
    with pytest.raises(RequestRefused) as caught:
        world.deploy("game", "http:20005", passthrough="game", request="game=20005")
    assert str(caught.value) == (
        "20005/TCP for app/game is a containerPort of the template; the nearest free number is 20006"
    )
    assert world.deploy("game", "http:20005", ports="game", passthrough="game", prefer="game=20005") == {
        "app/game": 20000
    }


def test_they_lie_side_by_side_with_the_declared_ones(world: World) -> None:
    world.pod("stranger", "x:1/UDP=20001", on="n1")
    numbers = world.deploy("game", "http:80", passthrough="a/UDP, b", contiguous="true")
    assert numbers == {"app/http": 20001, "app/a": 20002, "app/b": 20003}


def test_a_run_leaves_out_what_is_declared(world: World) -> None:
    numbers = world.deploy("game", "x:20001", ports="a, b", passthrough="a, b", contiguous="true")
    assert numbers == {"app/a": 20002, "app/b": 20003}


def test_the_address_of_the_pool_stands_beside_the_number(world: World) -> None:
    world.pool("local", "20000-20009", hostIP="127.0.0.1", age=1)
    assert world.deploy("game", "", passthrough="game", pool="local") == {"app/game": 20000}
    assert _container(world.manifest("game"))["ports"] == [{**_entry(20000), "hostIP": "127.0.0.1"}]
    assert world.deploy("game", "", passthrough="game", pool="local", auto="false") == {}
    assert not _container(world.manifest("game"))["ports"]


# Kept


def test_the_number_stays_with_apply_and_replace(world: World) -> None:
    manifest = deployment("game", "http:80", passthrough="game/UDP")
    world.deploy("other", "", passthrough="game/UDP")
    assert world.apply(manifest) == {"app/http": 20001, "app/game": 20002}
    plans = len(world.plans)
    assert world.apply(manifest) == {"app/http": 20001, "app/game": 20002}
    assert len(world.plans) == plans + 1, "nothing was left to do"
    assert world.replace(manifest) == {"app/http": 20001, "app/game": 20002}
    assert len(_container(world.manifest("game"))["ports"]) == 2


def test_a_declared_port_that_comes_or_goes_moves_nothing(world: World) -> None:
    world.deploy("game", "http:80", passthrough="game/UDP")
    assert world.deploy("game", "admin:81 http:80", passthrough="game/UDP")["app/game"] == 20001
    assert world.deploy("game", "admin:81", passthrough="game/UDP") == {"app/admin": 20002, "app/game": 20001}
    assert _container(world.manifest("game"))["ports"][1:] == [_entry(20001, "UDP")]


def test_one_more_gets_a_number_and_the_first_keeps_its_own(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    assert world.deploy("game", "", passthrough="rdma, game/UDP") == {"app/game": 20000, "app/rdma": 20001}


def test_it_moves_when_another_number_is_asked_for(world: World) -> None:
    world.deploy("game", "http:80", passthrough="game/UDP")
    assert world.deploy("game", "http:80", passthrough="game/UDP", request="game=20005")["app/game"] == 20005
    container = _container(world.manifest("game"))
    assert container["ports"][1:] == [_entry(20005, "UDP")]
    assert container["env"] == [_variable("HOSTPORT_GAME", 20005)]


def test_another_protocol_is_another_number(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    assert world.deploy("game", "", passthrough="game") == {"app/game": 20001}
    assert _container(world.manifest("game"))["ports"] == [_entry(20001)]
    assert world.leases() == {"20000/UDP": "releasing", "20001/TCP": "active"}


def test_another_name_is_another_number(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    assert world.deploy("game", "", passthrough="play/UDP") == {"app/play": 20001}
    assert _container(world.manifest("game"))["ports"] == [_entry(20001, "UDP")]
    assert _container(world.manifest("game"))["env"] == [_variable("HOSTPORT_PLAY", 20001)]


def test_a_port_declared_with_its_number_stands_for_it(world: World) -> None:
    """`kubectl apply` writes the declaration into the entry of ours: they have one merge key."""
    world.deploy("game", "http:80", passthrough="game/UDP")
    declared = deployment("game", "http:80 play:20001/UDP", passthrough="game/UDP")
    assert world.apply(declared) == {"app/http": 20000, "app/game": 20001}
    assert _container(world.manifest("game"))["ports"][1:] == [{**_entry(20001, "UDP"), "name": "play"}]
    assert world.deploy("game", "http:80 play:20001/UDP", auto="false") == {}
    assert _container(world.manifest("game"))["ports"] == ports("http:80 play:20001/UDP")


def test_a_port_declared_with_its_number_stays_where_the_number_moves(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    notes = {"passthrough": "game/UDP", "ports": "game"}
    world.deploy("game", "play:20000/UDP", **notes)
    assert world.deploy("game", "play:20000/UDP", request="game=20005", **notes) == {"app/game": 20005}
    assert _container(world.manifest("game"))["ports"] == [*ports("play:20000/UDP"), _entry(20005, "UDP")]


def test_on_the_nodes_network_a_port_declared_with_its_number_stands_for_it(world: World) -> None:
    world.deploy("rdma", "", pod=_HOST, passthrough="rdma")
    assert world.replace(deployment("rdma", ":20000", pod=_HOST, passthrough="rdma")) == {"app/rdma": 20000}
    assert _container(world.manifest("rdma"))["ports"] == ports(":20000")


# Given back


def test_what_was_added_is_taken_away_with_the_annotation(world: World) -> None:
    world.deploy("game", "http:80", passthrough="game/UDP, rdma")
    assert world.deploy("game", "http:80", passthrough="rdma") == {"app/http": 20000, "app/rdma": 20002}
    container = _container(world.manifest("game"))
    assert container["ports"][1:] == [_entry(20002)]
    assert container["env"] == [_variable("HOSTPORT_RDMA", 20002)]
    assert world.deploy("game", "http:80") == {"app/http": 20000}
    assert not _container(world.manifest("game"))["env"]


def test_it_is_taken_away_however_the_annotations_read_by_then(world: World) -> None:
    before = deployment("game", "http:80", passthrough="a/UDP, b, c")
    world.apply(before)
    assert world.deploy("game", "http:80", passthrough="a//b,,", auto="false") == {}
    container = _container(world.manifest("game"))
    assert (container["ports"], container["env"]) == (ports("http:80"), [])
    assert "hostport/env-added" not in world.manifest("game")["metadata"]["annotations"]


def test_the_users_own_entries_stay(world: World) -> None:
    by_hand = ":30000=30000 x:30001=30001"
    world.deploy("game", by_hand, passthrough="game")
    world.deploy("game", by_hand, auto="false")
    assert _container(world.manifest("game"))["ports"] == ports(by_hand)


def test_it_comes_back_to_its_resting_number(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    world.deploy("game", "", passthrough="game/UDP", auto="false")
    world.wait()
    world.deploy("other", "", passthrough="game/UDP")
    assert world.deploy("game", "", passthrough="game/UDP") == {"app/game": 20000}


# Copies


def test_a_clone_gets_a_number_of_its_own_and_nothing_of_the_original_is_left(world: World) -> None:
    world.deploy("game", "http:80", passthrough="game/UDP")
    clone = world.manifest("game")
    clone["metadata"]["name"] = "clone"
    assert world.replace(clone) == {"app/http": 20002, "app/game": 20003}
    container = _container(world.manifest("clone"))
    assert container["ports"][1:] == [_entry(20003, "UDP")]
    assert container["env"] == [_variable("HOSTPORT_GAME", 20003)]
    assert len(world.plans[-2].conflicts) == 2


def test_a_template_that_was_rolled_back_has_its_present_number(world: World) -> None:
    world.deploy("game", "", passthrough="game/UDP")
    old = copy.deepcopy(world.manifest("game"))
    world.deploy("game", "", passthrough="game/UDP", request="game=20005")
    old["metadata"]["annotations"]["hostport/request"] = "game=20005"
    assert world.replace(old) == {"app/game": 20005}
    assert _container(world.manifest("game"))["ports"] == [_entry(20005, "UDP")]
    assert _container(world.manifest("game"))["env"] == [_variable("HOSTPORT_GAME", 20005)]


def test_a_forged_note_takes_nobodys_entry_away(world: World) -> None:
    forged = deployment("game", ":30000=30000", assigned='{"app/game": 30000}')
    assert world.apply(forged) == {}
    assert world.deploy("game", ":30000=30000", auto="false") == {}
    assert _container(world.manifest("game"))["ports"] == ports(":30000=30000")


@pytest.mark.parametrize(("lost", "more"), [("TCP", "UDP"), ("UDP", "TCP")])
def test_of_two_ports_on_one_number_the_one_that_has_lost_its_lease_gets_it_back(
    world: World, lost: str, more: str
) -> None:
    """`hostport/assigned` names the same number for both; the protocol tells whose entry is whose."""
    numbers = world.deploy("game", passthrough="g, h/UDP", ports="g,h", request="g=20000,h=20000")
    assert numbers == {"app/g": 20000, "app/h": 20000}
    before = _container(world.manifest("game"))["ports"]
    world.plant("main", f"20000/{lost}", None)
    assert world.reconcile("game") == numbers
    assert world.leases("game") == {f"20000/{lost}": "active", f"20000/{more}": "active"}
    assert _container(world.manifest("game"))["ports"] == before


# Checked


def test_a_number_that_has_lost_its_lease_is_found(world: World) -> None:
    world.deploy("game", "http:80", ports="game", passthrough="game/UDP")
    workload = world.workload("game")
    assert not _found(world, workload)
    world.empty_ledger()
    assert _found(world, workload) == [
        ("NoLease", workload.key, "app/game has hostPort 20000 and no lease stands for it")
    ]


def _found(world: World, workload: Workload) -> list[tuple[str, ...]]:
    entries = [Entry("", *place, lease) for place, lease in world.ledger.items()]
    return [found[:3] for found in check(Evidence(world.state, entries, {workload.key: workload}, [], {}))]


# Refused


def _refusal(world: World, entries: str = "http:80 game:81", pod: Json | None = None, **notes: str) -> str:
    with pytest.raises(InvalidAnnotation) as caught:
        world.deploy("web", entries, pod=pod, **notes)
    return str(caught.value)


_NO_NAMES = ["80", "Game", "game/tcp/x", "a--b", "-a", "a" * 16, "", "a,,b", "a b", "näme", "a/b/QUIC"]


@pytest.mark.parametrize("text", _NO_NAMES)
def test_what_is_no_name(world: World, text: str) -> None:
    assert "must be a name of your choice, such as game, game/UDP or container/game/UDP" in _refusal(
        world, passthrough=text
    )


def test_a_name_that_stands_there_twice(world: World) -> None:
    assert "app/x stands there twice" in _refusal(world, passthrough="x/UDP, app/x")


def test_a_name_that_a_declared_port_has(world: World) -> None:
    assert "app/game is a port that the template declares" in _refusal(world, passthrough="game/UDP")


def test_a_container_that_is_not_there(world: World) -> None:
    assert 'no container "nope"; the template has app' in _refusal(world, passthrough="nope/x")


def test_two_names_that_make_one_variable(world: World) -> None:
    said = _refusal(world, ":80 game:81", passthrough="80-tcp", env="true")
    assert "app/80/TCP and app/80-tcp would both be told by HOSTPORT_80_TCP: rename one" in said


def test_on_the_nodes_network_a_declared_port(world: World) -> None:
    assert "app/http already is the node's port" in _refusal(world, pod=_HOST, passthrough="x", ports="http")
    assert "name ports that it does not declare in hostport/passthrough" in _refusal(world, pod=_HOST)


def test_a_number_means_no_port_that_is_passed_through(world: World) -> None:
    world.deploy("game", "http:80", passthrough="x")
    assert 'no port "20001"; the template has app/http, app/x' in _refusal(
        world, "http:80", passthrough="x", request="20001=20005"
    )
