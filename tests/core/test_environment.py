"""`hostport/env`: containers find their numbers in variables; what the user has written himself stays."""

from __future__ import annotations

import copy

import pytest

from hostport.api.errors import InvalidAnnotation
from tests.core.build import Json, deployment, ports
from tests.core.world import World

_OWN = [{"name": "A", "value": "1"}, {"name": "URL", "value": "http://x:$(HOSTPORT_HTTP)"}]


@pytest.fixture
def world() -> World:
    world = World("n1", "n2")
    world.pool("main", "20000-20009", cooldownSeconds=60)
    return world


def _manifest(*env: Json, entries: str = "http:80", **notes: str) -> Json:
    containers = [{"name": "app", "ports": ports(entries), **({"env": list(env)} if env else {})}]
    return deployment("web", pod={"containers": containers}, **notes)


def _env(world: World, index: int = 0) -> dict[str, str | None]:
    container = world.manifest("web")["spec"]["template"]["spec"]["containers"][index]
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def _var(name: str, value: object) -> Json:
    return {"name": name, "value": str(value)}


def _note(world: World) -> str | None:
    note: str | None = world.manifest("web")["metadata"]["annotations"].get("hostport/env-added")
    return note


def _said(world: World) -> list[str]:
    return [remark.text for remark in world.plans[-1].remarks if remark.reason == "InvalidAnnotation"]


def test_every_port_has_a_variable(world: World) -> None:
    world.apply(_manifest(entries="http:80 grpc-web:81 :82 :53/UDP", env="true"))
    assert _env(world) == {
        "HOSTPORT_HTTP": "20000",
        "HOSTPORT_GRPC_WEB": "20001",
        "HOSTPORT_82_TCP": "20002",
        "HOSTPORT_53_UDP": "20003",
    }


def test_who_does_not_ask_is_told_nothing(world: World) -> None:
    world.apply(_manifest(env="false"))
    assert (_env(world), _note(world)) == ({}, None)


def test_each_container_is_told_its_own_and_no_others(world: World) -> None:
    containers = [{"name": name, "ports": ports("http:80")} for name in ("a", "b")]
    world.apply(deployment("web", pod={"containers": [*containers, {"name": "c"}]}, env="true"))
    assert [_env(world, index) for index in range(3)] == [{"HOSTPORT_HTTP": "20000"}, {"HOSTPORT_HTTP": "20001"}, {}]


def test_a_port_without_a_number_of_ours_has_none(world: World) -> None:
    world.apply(_manifest(entries="http:80=30000 dns:53", env="true"))
    assert _env(world) == {"HOSTPORT_DNS": "20000"}


def test_it_stands_in_front_so_that_the_users_variables_can_refer_to_it(world: World) -> None:
    world.apply(_manifest(*_OWN, env="true"))
    assert list(_env(world)) == ["HOSTPORT_HTTP", "A", "URL"]


def test_it_follows_its_number(world: World) -> None:
    world.apply(_manifest(*_OWN, env="true"))
    world.apply(_manifest(*_OWN, env="true", request="http=20005"))
    assert _env(world)["HOSTPORT_HTTP"] == "20005"
    assert list(_env(world)) == ["HOSTPORT_HTTP", "A", "URL"]


def test_it_stays_with_apply_and_comes_back_after_replace(world: World) -> None:
    world.apply(_manifest(*_OWN, env="true"))
    plans = len(world.plans)
    world.apply(_manifest(*_OWN, env="true"))
    assert len(world.plans) == plans + 1, "nothing was left to do"
    world.replace(_manifest(*_OWN, env="true"))
    assert _env(world)["HOSTPORT_HTTP"] == "20000"


def test_it_goes_with_the_annotation_and_the_number_stays(world: World) -> None:
    world.apply(_manifest(*_OWN, env="true"))
    assert world.apply(_manifest(*_OWN)) == {"app/http": 20000}
    assert list(_env(world)) == ["A", "URL"]
    assert _note(world) is None


def test_it_goes_with_the_number(world: World) -> None:
    world.apply(_manifest(*_OWN, env="true"))
    world.apply(_manifest(*_OWN, env="true", auto="false"))
    assert list(_env(world)) == ["A", "URL"]
    assert _note(world) is None


def test_several_go_at_once_from_between_the_users(world: World) -> None:
    entries = "a:1 b:2 c:3"
    world.apply(_manifest(*_OWN, entries=entries, env="true"))
    mixed = world.manifest("web")
    env = mixed["spec"]["template"]["spec"]["containers"][0]["env"]
    env[:] = [env[0], env[3], env[1], env[4], env[2]]
    mixed["metadata"]["annotations"]["hostport/ports"] = "b"
    world.replace(mixed)
    assert list(_env(world)) == ["A", "HOSTPORT_B", "URL"]


def test_a_renamed_port_has_a_renamed_variable(world: World) -> None:
    world.apply(_manifest(env="true"))
    renamed = world.manifest("web")
    renamed["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "www"
    world.replace(renamed)
    assert _env(world) == {"HOSTPORT_WWW": "20000"}


def test_a_clone_is_told_its_own_number(world: World) -> None:
    world.apply(_manifest(env="true"))
    clone = world.manifest("web")
    clone["metadata"]["name"] = "clone"
    world.replace(clone)
    env = world.manifest("clone")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [_var("HOSTPORT_HTTP", 20001)]


def test_a_template_that_was_rolled_back_is_told_its_number(world: World) -> None:
    world.apply(_manifest(env="true"))
    old = copy.deepcopy(world.manifest("web"))
    world.apply(_manifest(env="true", request="http=20005"))
    old["metadata"]["annotations"]["hostport/request"] = "http=20005"
    world.replace(old)
    assert _env(world) == {"HOSTPORT_HTTP": "20005"}


# The user's own


@pytest.mark.parametrize(
    "own", [_var("HOSTPORT_HTTP", 9), _var("HOSTPORT_HTTP", ""), {"name": "HOSTPORT_HTTP", "valueFrom": {"x": 1}}]
)
def test_a_variable_of_the_users_stays_and_is_reported(world: World, own: Json) -> None:
    world.apply(_manifest(own, env="true"))
    assert _env(world) == {"HOSTPORT_HTTP": own.get("value")}
    assert _note(world) is None
    assert _said(world) == [
        "hostport/env: container app has a HOSTPORT_HTTP of its own, which stays; the number is 20000: "
        "take it out of the template, or give the port another name"
    ]
    world.apply(_manifest(own, auto="false"))
    assert _env(world) == {"HOSTPORT_HTTP": own.get("value")}


def test_a_variable_of_the_users_that_says_the_same_is_not_taken_away(world: World) -> None:
    own = _var("HOSTPORT_HTTP", 20000)
    world.apply(_manifest(own, env="true"))
    assert not _said(world)
    for notes in ({}, {"auto": "false"}):
        world.apply(_manifest(own, **notes))
        assert _env(world) == {"HOSTPORT_HTTP": "20000"}


def test_a_variable_of_ours_that_the_user_has_changed_is_his(world: World) -> None:
    world.apply(_manifest(env="true"))
    changed = world.manifest("web")
    changed["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "9"
    world.replace(changed)
    assert _env(world) == {"HOSTPORT_HTTP": "9"}
    assert _said(world)
    world.deploy("web", auto="false")
    assert _env(world) == {"HOSTPORT_HTTP": "9"}


def test_a_forged_note_takes_only_what_it_says(world: World) -> None:
    world.apply(_manifest(_var("HOSTPORT_HTTP", 9), *_OWN, env_added='{"app/HOSTPORT_HTTP": 8, "app/A": 1, "x": []}'))
    assert list(_env(world)) == ["HOSTPORT_HTTP", "A", "URL"]
    assert _note(world) is None


def test_two_ports_that_make_one_variable(world: World) -> None:
    with pytest.raises(InvalidAnnotation, match="would both be told by HOSTPORT_80_TCP: rename one"):
        world.apply(_manifest(entries=":80 80-tcp:81", env="true"))
    assert world.apply(_manifest(entries=":80 80-tcp:81")) == {"app/80/TCP": 20000, "app/80-tcp": 20001}
