"""Which ports get which numbers: several containers, every protocol, ports that change in a live workload."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

HTTP = {"name": "http", "containerPort": 80, "protocol": "TCP"}
ADMIN = {"name": "admin", "containerPort": 9000, "protocol": "TCP"}
DNS = {"name": "dns", "containerPort": 53, "protocol": "UDP"}
DNS_TCP = {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"}


def asking(pool: str, *containers: list[Json], **notes: str) -> Json:
    """The manifest of `web`, its containers called `a`, `b`, …; notes without their prefix."""
    asked = {"auto": "true", "pool": pool, **notes}
    made = deployment("web", annotations={f"hostport/{name}": value for name, value in asked.items()})
    made["spec"]["template"]["spec"]["containers"] = [
        {"name": "abc"[i], "image": "app", "ports": ports} for i, ports in enumerate(containers)
    ]
    return made


def assigned(scene: Scene, *ports: str) -> dict[str, int]:
    """What `hostport/assigned` says, as soon as it is about these PORTs and the template says it too."""

    def all_there() -> dict[str, int]:
        web = scene.get("deployment", "web")
        noted: dict[str, int] = json.loads(web["metadata"]["annotations"].get("hostport/assigned", "{}"))
        return noted if noted.keys() == set(ports) and set(noted.values()) <= set(scene.host_ports("web")) else {}

    return until(all_there, f"{ports} have their numbers", scene.operator_log)


def active(scene: Scene, pool: str) -> dict[str, str]:
    """Key and PORT of every active lease."""
    leases = scene.leases(pool).items()
    return {key: lease["port"] for key, lease in leases if not {"released", "releasing"} & lease.keys()}


# What there is


def test_every_port_of_every_container_has_a_number_of_its_own(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, {"containerPort": 81}], [HTTP, DNS]))

    numbers = assigned(scene, "a/http", "a/81/TCP", "b/http", "b/dns")

    assert len(set(numbers.values())) == 4
    (pod,) = scene.running("web")
    shown = [port["hostPort"] for container in pod["spec"]["containers"] for port in container["ports"]]
    assert shown == [numbers[ref] for ref in ("a/http", "a/81/TCP", "b/http", "b/dns")]


def test_a_name_that_two_containers_have_must_be_said_with_its_container(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP], [HTTP], ports="http"))
    assert '"http" could be a/http or b/http' in scene.event("web", "InvalidAnnotation")
    assert scene.host_ports("web") == [0, 0]

    scene.apply(asking(pool, [HTTP], [HTTP], ports="b/http"))

    assigned(scene, "b/http")
    assert scene.host_ports("web")[0] == 0


@pytest.mark.parametrize("word", ["81", "81/TCP", "a/81", "a/81/TCP"])
def test_an_unnamed_port_is_called_by_its_number(scene: Scene, word: str) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, {"containerPort": 81}], request=f"{word}={scene.first + 50}", ports=word))

    assert assigned(scene, "a/81/TCP") == {"a/81/TCP": scene.first + 50}
    assert active(scene, pool) == {f"{scene.first + 50}/TCP": "a/81/TCP"}


def test_a_port_of_an_init_container_is_none_that_could_be_mapped(scene: Scene) -> None:
    pool = scene.pool()
    made = asking(pool, [HTTP], ports="setup")
    setup = {"name": "init", "image": "app", "ports": [{"name": "setup", "containerPort": 81}]}
    made["spec"]["template"]["spec"]["initContainers"] = [setup]
    scene.apply(made)

    assert "a port of an init container" in scene.event("web", "InvalidAnnotation")
    assert not scene.leases(pool)


def test_every_protocol_of_one_container_port_is_on_one_number(scene: Scene) -> None:
    pool = scene.pool(protocols=["TCP", "UDP", "SCTP"])
    sctp = {"name": "dns-sctp", "containerPort": 53, "protocol": "SCTP"}
    scene.deployment("other", pool)
    scene.served("other")
    scene.apply(asking(pool, [DNS, DNS_TCP, sctp]))

    numbers = assigned(scene, "a/dns", "a/dns-tcp", "a/dns-sctp")

    (number,) = set(numbers.values())
    assert {f"{number}/{protocol}" for protocol in ("TCP", "UDP", "SCTP")} <= active(scene, pool).keys()
    scene.running("web")


def test_a_protocol_that_no_pool_hands_out(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, {"containerPort": 81, "protocol": "SCTP"}]))
    assert f"pool {pool} hands out no SCTP (its protocols)" in scene.event("web", "NoMatchingPool")
    assert scene.host_ports("web") == [0, 0]

    more = '{"spec":{"protocols":["TCP","SCTP"]}}'
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", more)

    assigned(scene, "a/http", "a/81/SCTP")


def test_pools_are_tried_in_the_order_in_which_they_are_named(scene: Scene) -> None:
    one = scene.pool(1, name=f"{scene.name}-one"[-63:].strip("-"), priority=0)
    other = scene.pool(
        name=f"{scene.name}-other"[-63:].strip("-"), ranges=[f"{scene.first + 50}-{scene.first + 59}"], priority=9
    )
    scene.apply(asking(f"{one},{other}", [HTTP, ADMIN]))

    numbers = assigned(scene, "a/http", "a/admin")

    assert numbers == {"a/http": scene.first, "a/admin": scene.first + 50}
    assert active(scene, one) == {f"{scene.first}/TCP": "a/http"}
    assert active(scene, other) == {f"{scene.first + 50}/TCP": "a/admin"}


def test_another_pool_moves_the_number(scene: Scene) -> None:
    one = scene.pool(1, name=f"{scene.name}-one"[-63:].strip("-"))
    other = scene.pool(name=f"{scene.name}-other"[-63:].strip("-"), ranges=[f"{scene.first + 50}-{scene.first + 59}"])
    scene.apply(asking(one, [HTTP]))
    assert assigned(scene, "a/http") == {"a/http": scene.first}

    scene.apply(asking(other, [HTTP]))

    until(lambda: scene.host_ports("web") == [scene.first + 50], "it has moved", scene.operator_log)
    until(lambda: "released" in scene.leases(one)[f"{scene.first}/TCP"], "the first rests", scene.operator_log)


# What changes


def test_a_renamed_port_keeps_its_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, ADMIN]))
    before = assigned(scene, "a/http", "a/admin")

    scene.apply(asking(pool, [{**HTTP, "name": "www"}, ADMIN]))

    assert assigned(scene, "a/www", "a/admin") == {"a/www": before["a/http"], "a/admin": before["a/admin"]}
    assert active(scene, pool) == {f"{before['a/http']}/TCP": "a/www", f"{before['a/admin']}/TCP": "a/admin"}


def test_a_renumbered_port_keeps_its_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, ADMIN]))
    before = assigned(scene, "a/http", "a/admin")

    scene.apply(asking(pool, [{**HTTP, "containerPort": 8080}, ADMIN]))

    until(lambda: sorted(scene.host_ports("web")) == sorted(before.values()), "as before", scene.operator_log)
    assert assigned(scene, "a/http", "a/admin") == before


def test_a_port_that_is_added_gets_a_number_and_the_others_keep_theirs(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP]))
    before = assigned(scene, "a/http")

    scene.apply(asking(pool, [ADMIN, HTTP], [DNS]))

    after = assigned(scene, "a/http", "a/admin", "b/dns")
    assert after["a/http"] == before["a/http"]
    assert len(active(scene, pool)) == 3


def test_a_port_that_is_dropped_gives_its_number_back_and_takes_it_again(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP, ADMIN]))
    before = assigned(scene, "a/http", "a/admin")
    scene.apply(asking(pool, [HTTP]))
    assert assigned(scene, "a/http") == {"a/http": before["a/http"]}
    until(lambda: "released" in scene.leases(pool)[f"{before['a/admin']}/TCP"], "it rests", scene.operator_log)

    scene.apply(asking(pool, [HTTP, ADMIN]))

    assert assigned(scene, "a/http", "a/admin") == before


def test_one_of_two_protocols_comes_and_goes(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [DNS]))
    before = assigned(scene, "a/dns")

    # By replace: for apply, both protocols of one containerPort have one merge key.
    scene.replace(asking(pool, [DNS, DNS_TCP]))
    assert assigned(scene, "a/dns", "a/dns-tcp") == {"a/dns": before["a/dns"], "a/dns-tcp": before["a/dns"]}

    scene.replace(asking(pool, [DNS_TCP]))
    assert assigned(scene, "a/dns-tcp") == {"a/dns-tcp": before["a/dns"]}
    until(lambda: "released" in scene.leases(pool)[f"{before['a/dns']}/UDP"], "the other rests", scene.operator_log)


def test_a_container_that_is_renamed_gets_new_numbers_and_leaves_nothing(scene: Scene) -> None:
    pool = scene.pool()
    made = asking(pool, [HTTP], [ADMIN])
    scene.apply(made)
    before = assigned(scene, "a/http", "b/admin")

    made["spec"]["template"]["spec"]["containers"][1]["name"] = "z"
    scene.apply(made)

    after = assigned(scene, "a/http", "z/admin")
    assert after["a/http"] == before["a/http"]
    assert len(active(scene, pool)) == 2


# Whose is a number that stands there? (a copy, and by hand: test_serving)


def test_its_own_number_written_out_by_the_user_stays_leased(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(asking(pool, [HTTP]))
    number = assigned(scene, "a/http")["a/http"]

    scene.apply(asking(pool, [{**HTTP, "hostPort": number}]))
    scene.bystander_is_served(pool)

    assert scene.host_ports("web") == [number]
    assert active(scene, pool)[f"{number}/TCP"] == "a/http"


def test_its_own_resting_number_is_taken_back_from_an_exported_manifest(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("other", pool)
    scene.apply(asking(pool, [HTTP, ADMIN]))
    before = assigned(scene, "a/http", "a/admin")
    exported = scene.kubectl("-n", scene.name, "get", "deployment", "web", "-o", "yaml", "--show-managed-fields=false")
    scene.kubectl("-n", scene.name, "delete", "deployment", "web")
    until(
        lambda: all("released" in scene.leases(pool)[f"{number}/TCP"] for number in before.values()),
        "both rest",
        scene.operator_log,
    )

    fresh = "".join(
        f"{line}\n" for line in exported.splitlines() if "resourceVersion:" not in line and "uid:" not in line
    )
    scene.kubectl("-n", scene.name, "create", "-f", "-", input=fresh)

    until(lambda: len(active(scene, pool)) == 3, "all are leased again", lambda: scene.leases(pool))
    assert assigned(scene, "a/http", "a/admin") == before
    assert not scene.events("web", "PortConflict")


def test_somebody_elses_resting_number_is_replaced(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("gone", pool)
    (number,) = scene.served("gone")
    scene.kubectl("-n", scene.name, "delete", "deployment", "gone")
    until(lambda: "released" in scene.leases(pool)[f"{number}/TCP"], "the number rests", scene.operator_log)

    scene.apply(asking(pool, [{**HTTP, "hostPort": number}]))

    until(lambda: scene.host_ports("web") not in ([number], [0]), "it has another", scene.operator_log)
    assert f"hostPort {number}/TCP of a/http is leased to Deployment/{scene.name}/gone" in scene.event(
        "web", "PortConflict"
    )


def test_a_number_by_hand_beside_ours_stays_when_ours_goes(scene: Scene) -> None:
    pool = scene.pool()
    by_hand = {**ADMIN, "hostPort": scene.first + 90}
    scene.apply(asking(pool, [HTTP, by_hand]))
    assigned(scene, "a/http")

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")

    until(lambda: scene.host_ports("web") == [0, scene.first + 90], "only ours has gone", scene.operator_log)
    until(lambda: scene.status(pool).get("foreign") == 1, "the other is foreign", lambda: scene.status(pool))
