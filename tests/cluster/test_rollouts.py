"""Rollouts of workloads with hostPorts finish, on three nodes as on one; nobody is fought over his strategy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

NODES = 3
ONE_NODE = {"kubernetes.io/hostname": "node-1"}


def rolling(surge: int | str, unavailable: int | str) -> Json:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def amounts(scene: Scene, name: str = "web") -> tuple[object, object]:
    """MaxSurge and maxUnavailable as they stand."""
    rolling_update = scene.get("deployment", name)["spec"]["strategy"]["rollingUpdate"]
    return rolling_update["maxSurge"], rolling_update["maxUnavailable"]


def generation(scene: Scene, name: str = "web") -> int:
    return int(scene.get("deployment", name)["metadata"]["generation"])


def remembered(scene: Scene, name: str = "web") -> str | None:
    note = scene.get("deployment", name)["metadata"]["annotations"].get("hostport/rollout-was")
    return None if note is None else str(note)


def is_safe(scene: Scene, unavailable: int | str = "25%", name: str = "web") -> None:
    """A Pod with the number runs, and the strategy fits."""
    until(lambda: amounts(scene, name) == (0, unavailable), "the strategy is safe", scene.operator_log)


def patch(scene: Scene, spec: Json, name: str = "web") -> None:
    scene.kubectl("-n", scene.name, "patch", "deployment", name, "--type=merge", "-p", json.dumps({"spec": spec}))


def annotate(scene: Scene, what: str, name: str = "web") -> None:
    scene.kubectl("-n", scene.name, "annotate", "deployment", name, "--overwrite", what)


def restarts(scene: Scene, name: str = "web") -> list[Json]:
    """The Pods after a `kubectl rollout restart` that has finished."""
    before = {pod["metadata"]["uid"] for pod in scene.running(name)}
    scene.kubectl("-n", scene.name, "rollout", "restart", f"deployment/{name}")
    after = scene.running(name)
    assert not before & {pod["metadata"]["uid"] for pod in after}
    return after


@pytest.mark.parametrize(
    ("replicas", "where"), [(NODES, {}), (1, {"nodeSelector": ONE_NODE})], ids=["every node", "a single node"]
)
def test_a_rollout_without_a_spare_node_finishes(scene: Scene, replicas: int, where: Json) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=replicas, **where)
    scene.served("web")

    is_safe(scene)
    assert remembered(scene) == '{"maxSurge":"25%"}'
    assert len({pod["spec"]["nodeName"] for pod in restarts(scene)}) == replicas
    assert generation(scene) == 4, "applied, served, made safe as its first Pod runs, restarted"


def test_without_the_operator_in_it_such_a_rollout_hangs(scene: Scene) -> None:
    """What all of this is for: the new Pod waits for the port of the old one."""
    pool = scene.pool()
    scene.deployment("web", pool, nodeSelector=ONE_NODE, annotations={"hostport/rollout": "keep"})
    scene.served("web")
    scene.running("web")

    scene.kubectl("-n", scene.name, "rollout", "restart", "deployment/web")

    def complaint() -> str:
        pods = json.loads(scene.kubectl("-n", scene.name, "get", "pods", "-l", "app=web", "-o", "json"))["items"]
        assert sum(pod["status"].get("phase") == "Running" for pod in pods) == 1
        conditions = [c for pod in pods for c in pod["status"].get("conditions") or () if c["type"] == "PodScheduled"]
        return next((c["message"] for c in conditions if "free ports" in c.get("message", "")), "")

    assert "didn't have free ports" in until(complaint, "the new Pod waits")
    assert amounts(scene) == ("25%", "25%")
    annotate(scene, "hostport/rollout=safe")
    scene.running("web")


def test_it_is_said_what_was_changed_and_why(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES, strategy=rolling("50%", 0))
    scene.served("web")

    assert scene.event("web", "RolloutAdjusted") == (
        'a hostPort fits once per node, and 3 replicas and 2 more during a rollout (maxSurge "50%") need 5 nodes where '
        "there are 3, so that a new Pod would wait for the port of an old one; "
        'spec.strategy.rollingUpdate: maxSurge "50%" → 0, maxUnavailable 0 → 1. '
        "To refuse this and have it put back: hostport/rollout: keep"
    )
    is_safe(scene, 1)
    assert remembered(scene) == '{"maxSurge":"50%","maxUnavailable":0}'


def test_with_a_node_to_spare_nothing_is_changed_or_said(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES - 1)
    scene.served("web")
    scene.event("web", "PortsAssigned")
    scene.bystander_is_served(pool)

    assert amounts(scene) == ("25%", "25%")
    assert {event["reason"] for event in scene.events("web")} == {"PortsAssigned"}
    assert generation(scene) == 2


def test_recreate_is_left_alone(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES, strategy={"type": "Recreate"})
    scene.served("web")
    restarts(scene)

    scene.event("web", "PortsAssigned")
    assert {event["reason"] for event in scene.events("web")} == {"PortsAssigned"}
    assert scene.get("deployment", "web")["spec"]["strategy"] == {"type": "Recreate"}


def test_given_back_with_the_number_is_what_stood_there(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES, strategy=rolling("25%", 0))
    scene.served("web")
    scene.event("web", "RolloutAdjusted")
    scene.running("web")

    annotate(scene, "hostport/auto-")

    until(lambda: scene.host_ports("web") == [0], "the number is out of the template", scene.operator_log)
    assert amounts(scene) == ("25%", 0)
    assert remembered(scene) is None
    assert generation(scene) == 5, "applied, served, made safe, annotated, given back"
    scene.running("web")


def test_a_later_value_of_somebody_else_is_not_given_back(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES, strategy=rolling("25%", 0))
    scene.served("web")
    is_safe(scene, 1)
    patch(scene, {"strategy": rolling(0, 2)})
    scene.running("web")

    annotate(scene, "hostport/auto-")

    until(lambda: scene.host_ports("web") == [0], "the number is out of the template", scene.operator_log)
    assert amounts(scene) == ("25%", 2)
    assert remembered(scene) is None


def test_set_back_by_somebody_it_is_made_safe_again(scene: Scene) -> None:
    """As often as the budget allows: test_fights.py."""
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES)
    scene.served("web")
    is_safe(scene)
    scene.running("web")

    patch(scene, {"strategy": rolling("50%", "25%")})

    is_safe(scene)
    assert remembered(scene) == '{"maxSurge":"50%"}'
    scene.bystander_is_served(pool)
    assert generation(scene) == 5, "applied, served, made safe, set back, made safe"


def test_applied_again_without_a_strategy_the_manifest_changes_nothing(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES)
    scene.served("web")
    is_safe(scene)

    scene.deployment("web", pool, replicas=NODES)

    scene.bystander_is_served(pool)
    assert amounts(scene) == (0, "25%")
    assert generation(scene) == 3


def test_replaced_by_a_manifest_that_knows_nothing_of_it_it_is_made_safe_once_more(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES)
    scene.served("web")
    is_safe(scene)
    scene.running("web")
    manifest = deployment("web", replicas=NODES, annotations={"hostport/auto": "true", "hostport/pool": pool})

    scene.replace(manifest)

    scene.served("web")
    is_safe(scene)
    assert remembered(scene) == '{"maxSurge":"25%"}'
    # In one write while its old Pods run, in two where they have gone by then.
    assert generation(scene) in (5, 6), "applied, served, made safe, replaced, served, safe"


def test_keep_is_warned_of_once_and_nothing_is_written(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES, annotations={"hostport/rollout": "keep"})
    scene.served("web")

    text = scene.event("web", "RolloutWouldDeadlock")
    assert "3 replicas and 1 more during a rollout" in text
    assert "hostport/rollout: safe" in text
    scene.bystander_is_served(pool)
    assert amounts(scene) == ("25%", "25%")
    assert remembered(scene) is None
    assert generation(scene) == 2
    (warning,) = scene.events("web", "RolloutWouldDeadlock")
    assert warning.get("series") is None


def test_a_rollout_that_finishes_by_itself_is_not_warned_of(scene: Scene) -> None:
    """With keep: one old Pod may be missing, it leaves, and a new one has its node."""
    pool = scene.pool()
    notes = {"hostport/rollout": "keep"}
    scene.deployment("web", pool, replicas=NODES, strategy=rolling(1, 1), annotations=notes)
    scene.served("web")

    restarts(scene)

    assert not scene.events("web", "RolloutWouldDeadlock")


def test_keep_after_the_fact_puts_the_strategy_back(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES)
    scene.served("web")
    is_safe(scene)
    scene.running("web")

    annotate(scene, "hostport/rollout=keep")

    until(lambda: amounts(scene) == ("25%", "25%"), "the strategy is put back", scene.operator_log)
    assert remembered(scene) is None
    assert "hostport/rollout: safe" in scene.event("web", "RolloutWouldDeadlock")
    texts = [event["note"] for event in scene.events("web", "RolloutAdjusted")]
    assert 'put back as it was: spec.strategy.rollingUpdate: maxSurge 0 → "25%"' in texts


def test_scaled_up_to_every_node_it_is_made_safe_then(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=NODES - 1)
    scene.served("web")
    assert amounts(scene) == ("25%", "25%")

    scene.kubectl("-n", scene.name, "scale", "deployment", "web", f"--replicas={NODES}")

    until(lambda: amounts(scene) == (0, "25%"), "the strategy is safe", scene.operator_log)
    restarts(scene)
    assert generation(scene) == 5, "applied, served, scaled, made safe, restarted"


def test_more_replicas_than_nodes_are_served_and_warned_of_once(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, replicas=2, nodeSelector=ONE_NODE, strategy=rolling(0, 1))
    (port,) = scene.served("web")

    assert scene.event("web", "TooFewNodes") == (
        "2 replicas, and the Pods may run on 1 node (nodeSelector kubernetes.io/hostname=node-1): a hostPort fits once "
        "per node, so that 1 Pod will stay Pending; it takes fewer replicas or more nodes"
    )
    scene.bystander_is_served(pool)
    assert next(iter(scene.leases(pool))) == f"{port}/TCP@node-1"
    (warning,) = scene.events("web", "TooFewNodes")
    assert (warning["type"], warning.get("series")) == ("Warning", None)


def test_another_value_than_safe_and_keep_is_refused(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, annotations={"hostport/rollout": "never"})

    assert scene.event("web", "InvalidAnnotation") == 'hostport/rollout: "never": write "safe" or "keep"'
    assert scene.host_ports("web") == [0]


def test_a_daemon_set_that_surges_is_made_safe_and_put_back(scene: Scene) -> None:
    """A DaemonSet is on every node already: with a surge each new Pod waits for the port of the old one beside it."""
    pool = scene.pool()
    manifest = deployment("agent", annotations={"hostport/auto": "true", "hostport/pool": pool})
    del manifest["spec"]["replicas"]
    scene.apply({**manifest, "kind": "DaemonSet", "spec": {**manifest["spec"], "updateStrategy": rolling("50%", 0)}})

    def strategy() -> Json:
        return dict(scene.get("daemonset", "agent")["spec"]["updateStrategy"]["rollingUpdate"])

    assert 'maxSurge "50%" → 0, maxUnavailable 0 → 1' in scene.event("agent", "RolloutAdjusted")
    assert strategy() == {"maxSurge": 0, "maxUnavailable": 1}
    for step in (["restart"], ["status", "--timeout=120s"]):
        scene.kubectl("-n", scene.name, "rollout", step[0], "daemonset/agent", *step[1:])

    scene.kubectl("-n", scene.name, "annotate", "daemonset", "agent", "hostport/auto-")

    until(lambda: strategy() == {"maxSurge": "50%", "maxUnavailable": 0}, "it is put back", scene.operator_log)
    assert "hostport/rollout-was" not in scene.get("daemonset", "agent")["metadata"]["annotations"]
    scene.kubectl("-n", scene.name, "delete", "daemonset", "agent")
