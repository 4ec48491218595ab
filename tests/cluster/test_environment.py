"""`hostport/env`: Pods find their numbers in variables, and what the user has written himself stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

PORTS = [{"name": "grpc-web", "containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
OWN = {"name": "URL", "value": "http://$(HOSTPORT_GRPC_WEB)"}


def web(pool: str, *env: Json, **notes: str) -> Json:
    """The manifest of `web`; notes without their prefix."""
    asked = {"auto": "true", "pool": pool, "env": "true", **notes}
    made = deployment("web", PORTS, annotations={f"hostport/{name}": value for name, value in asked.items()})
    made["spec"]["template"]["spec"]["containers"][0]["env"] = list(env)
    return made


def env(scene: Scene) -> list[tuple[str, str]]:
    spec = scene.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    return [(variable["name"], variable["value"]) for variable in spec.get("env") or ()]


def told(numbers: list[int]) -> list[tuple[str, str]]:
    return [("HOSTPORT_GRPC_WEB", str(numbers[0])), ("HOSTPORT_53_UDP", str(numbers[1]))]


def generation(scene: Scene) -> int:
    return int(scene.get("deployment", "web")["metadata"]["generation"])


def test_a_pod_is_told_its_numbers_in_front_of_what_refers_to_them(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(web(pool, OWN))
    numbers = scene.served("web")

    (pod,) = scene.running("web")

    found = [(variable["name"], variable["value"]) for variable in pod["spec"]["containers"][0]["env"]]
    assert found == [*told(numbers), (OWN["name"], OWN["value"])]


def test_whatever_is_applied_the_variables_stay_and_nobody_writes_without_end(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(web(pool, OWN))
    numbers = scene.served("web")
    before = generation(scene)

    scene.apply(web(pool, OWN))
    scene.apply(web(pool, {"name": "A", "value": "1"}, OWN))
    scene.bystander_is_served(pool)

    assert generation(scene) == before + 1, "the user's own change, and no other"
    assert set(env(scene)) == {*told(numbers), ("A", "1"), (OWN["name"], OWN["value"])}
    forced = json.dumps(web(pool, OWN))
    scene.kubectl(
        "-n",
        scene.name,
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=gitops",
        "-f",
        "-",
        input=forced,
    )
    scene.bystander_is_served(pool)
    assert set(told(numbers)) < set(env(scene))


def test_a_variable_that_is_taken_out_by_hand_comes_back_with_one_write(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(web(pool, OWN))
    numbers = scene.served("web")
    before = generation(scene)

    scene.kubectl("-n", scene.name, "set", "env", "deployment/web", "HOSTPORT_53_UDP-")

    until(lambda: set(told(numbers)) < set(env(scene)), "it is there again", scene.operator_log)
    scene.bystander_is_served(pool)
    assert generation(scene) == before + 2


def test_it_follows_the_number(scene: Scene) -> None:
    pool = scene.pool()
    scene.apply(web(pool, OWN))
    _, dns = scene.served("web")

    scene.apply(web(pool, OWN, request=f"grpc-web={scene.first + 50}"))

    until(lambda: set(told([scene.first + 50, dns])) < set(env(scene)), "it is told anew", scene.operator_log)
    assert scene.host_ports("web") == [scene.first + 50, dns]


@pytest.mark.parametrize("way", ["env", "auto"])
def test_it_goes_with_its_annotation_and_with_the_number(scene: Scene, way: str) -> None:
    pool = scene.pool()
    scene.apply(web(pool, OWN))
    numbers = scene.served("web")

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", f"hostport/{way}-")

    until(lambda: env(scene) == [(OWN["name"], OWN["value"])], "only the user's is left", scene.operator_log)
    assert "hostport/env-added" not in scene.get("deployment", "web")["metadata"]["annotations"]
    assert scene.host_ports("web") == (numbers if way == "env" else [0, 0])


def test_a_variable_of_the_users_stays_and_is_reported_once(scene: Scene) -> None:
    pool = scene.pool()
    mine = {"name": "HOSTPORT_GRPC_WEB", "value": "mine"}
    scene.apply(web(pool, mine))
    numbers = scene.served("web")

    said = scene.event("web", "InvalidAnnotation")

    assert said.startswith("hostport/env: container app has a HOSTPORT_GRPC_WEB of its own, which stays")
    assert env(scene) == [told(numbers)[1], ("HOSTPORT_GRPC_WEB", "mine")]
    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "note=x")
    scene.bystander_is_served(pool)
    (event,) = scene.events("web", "InvalidAnnotation")
    assert (event.get("series") or {}).get("count", 1) == 1
    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")
    until(lambda: env(scene) == [("HOSTPORT_GRPC_WEB", "mine")], "only the user's is left", scene.operator_log)
