"""The story this project comes from, with real traffic: two that want 10012, and what happens when one asks instead."""

from __future__ import annotations

import pytest

from realnode.node import RealNode
from tests.support.node_scene import NodeScene
from tests.support.wait import until

pytestmark = pytest.mark.node

BY_HAND = [{"name": "http", "containerPort": 80, "hostPort": 10012}]
BOTH_PROTOCOLS = [
    {"name": "http", "containerPort": 80},
    {"name": "game", "containerPort": 80, "protocol": "UDP"},
]
NO_FREE_PORTS = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports"


def test_two_pick_the_same_number_and_one_hangs_though_nobody_listens(scene: NodeScene, node: RealNode) -> None:
    scene.web("first", BY_HAND)
    first = scene.pod("first")
    scene.web("second", BY_HAND)

    assert NO_FREE_PORTS in scene.pending("second")
    assert scene.listeners(10012) == [], "a hostPort is a rule of the packet filter and no socket"
    assert node.run("curl", "-s", "http://localhost:10012/").strip() == first
    scene.answers(10012, first)
    holder = f"hostPort of Pod {scene.name}/{first}"
    assert scene.trace("10012/TCP") == [("HostPort", f"{holder} of Deployment {scene.name}/first")]
    assert scene.trace("10012/TCP", "--offline") == [("HostPort", holder)], "CNI's records on the node say as much"


def test_who_asks_instead_runs_and_is_reached_on_its_own_number(scene: NodeScene) -> None:
    pool = scene.pool()
    scene.web("first", BY_HAND)
    first = scene.pod("first")
    scene.web("second", BOTH_PROTOCOLS, annotations={"hostport/auto": "true", "hostport/pool": pool})

    number, again = scene.served("second")
    second = scene.pod("second")
    assert (number, again) == (scene.first, scene.first), "TCP and UDP of one containerPort get the same number"
    scene.answers(number, second)
    until(lambda: scene.udp(number, "hello") == f"{second} hello", "an answer over UDP", scene.rules)
    scene.answers(10012, first)
    assert scene.listeners(number) == []


def test_a_number_given_back_leaves_no_rule_behind(scene: NodeScene) -> None:
    pool = scene.pool()
    scene.web("web", BOTH_PROTOCOLS, annotations={"hostport/auto": "true", "hostport/pool": pool})
    number, _ = scene.served("web")
    scene.answers(number, scene.pod("web"))
    assert scene.rules(number)

    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/auto-")

    until(lambda: not any(scene.host_ports("web")), "the number is out of the template", scene.operator_log)
    scene.pod("web")
    until(lambda: not scene.rules(number), f"no rule names {number}", scene.rules, 60)
    assert (scene.tcp(number), scene.udp(number, "hello")) == ("", "")


def test_thirty_on_one_node_all_answer_on_their_own_numbers(scene: NodeScene) -> None:
    pool = scene.pool()
    names = [f"web-{n}" for n in range(30)]
    for name in names:
        scene.web(name, annotations={"hostport/auto": "true", "hostport/pool": pool})

    numbers = {name: scene.served(name)[0] for name in names}
    assert len(set(numbers.values())) == 30
    for name in names:
        scene.answers(numbers[name], scene.pod(name))


@pytest.mark.parametrize("rollout", ["keep", "safe"])
def test_a_holders_restart_hangs_unless_its_rollout_is_made_safe(scene: NodeScene, rollout: str) -> None:
    """One node has room for one Pod with the number: with a surge the new Pod waits for the port of the old one."""
    pool = scene.pool()
    scene.web("web", annotations={"hostport/auto": "true", "hostport/pool": pool, "hostport/rollout": rollout})
    (number,) = scene.served("web")
    until(lambda: scene.tcp(number), f"somebody answers on {number}", scene.rules, 60)

    scene.kubectl("-n", scene.name, "rollout", "restart", "deployment/web")

    if rollout == "keep":
        assert NO_FREE_PORTS in scene.pending("web")
        assert scene.tcp(number), "the old Pod still serves"
    else:
        scene.answers(number, scene.pod("web"))
