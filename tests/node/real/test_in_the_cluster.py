"""Operator and agent as their users install them: the Dockerfile's images, the manifests, their ServiceAccounts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from controlplane.errors import KubectlError
from realnode.node import RealNode
from tests.support.node_scene import NodeScene
from tests.support.operator_pods import MANIFESTS, OperatorPods
from tests.support.wait import until

pytestmark = pytest.mark.node

NODE = "node-1"
SECONDS = 120.0


@pytest.fixture
def agent(node: RealNode, installed_operator: OperatorPods) -> Iterator[None]:
    """The agent's DaemonSet, and its first report."""
    folder = str(MANIFESTS / "agent")
    node.plane.kubectl("apply", "-k", folder)
    try:
        until(lambda: report(node), "the node is reported on", lambda: agent_log(node), SECONDS)
        yield
    finally:
        node.plane.kubectl("delete", "-k", folder)
        # What it said last would be believed in the tests that follow.
        node.plane.kubectl("delete", "hostportnodes", "--all")


def agent_log(node: RealNode) -> str:
    return node.plane.kubectl("-n", "hostport-agent", "get", "pods,events") + node.plane.kubectl(
        "-n", "hostport-agent", "logs", "-l", "app.kubernetes.io/name=hostport-agent", "--ignore-errors"
    )


def report(node: RealNode) -> dict[str, Any]:
    """What the agent says of the node; empty where it has said nothing yet."""
    text = node.plane.kubectl("get", "hostportnode", NODE, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text).get("status") or {}) if text else {}


def reported(node: RealNode, what: str) -> dict[int, dict[str, Any]]:
    return {entry["port"]: entry for entry in report(node).get(what) or ()}


@contextmanager
def listening(node: RealNode, port: int) -> Iterator[None]:
    """A process of the node's own on a port."""
    code = f"import socket, sys\ns = socket.create_server(('', {port}))\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [*node.machine.within, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        yield
        process.communicate()


def test_every_replica_is_well_and_one_of_them_leads(installed_operator: OperatorPods) -> None:
    pods = installed_operator.pods()
    assert len(pods) == 2
    for pod in pods:
        assert [installed_operator.ask(pod, 8081, path) for path in ("/healthz", "/readyz")] == ["ok", "ok"]
        assert installed_operator.kubectl("exec", pod, "--", "id", "-u").strip() == "65532"
        # As process 1 it would not hear SIGTERM while it starts.
        assert installed_operator.kubectl("exec", pod, "--", "cat", "/proc/1/comm").strip() != "hostport"
    assert installed_operator.leader() in pods
    assert "Traceback" not in installed_operator.log
    assert '"level": "ERROR"' not in installed_operator.log


def test_its_namespace_takes_in_nobody_who_wants_more(installed_operator: OperatorPods) -> None:
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        installed_operator.kubectl("run", "greedy", "--image=greedy", "--privileged", "--dry-run=server")


def test_its_pods_are_deleted_and_it_goes_on(scene: NodeScene, installed_operator: OperatorPods) -> None:
    pool = scene.pool()
    asks = {"hostport/auto": "true", "hostport/pool": pool}
    scene.web("before", annotations=asks)
    (number,) = scene.served("before")
    leases = scene.leases(pool)

    installed_operator.kubectl("delete", "pod", installed_operator.leader())
    scene.web("after", annotations=asks)
    (another,) = scene.served("after")
    installed_operator.kubectl("delete", "pods", "--all")
    scene.web("last", annotations=asks)
    (third,) = scene.served("last")

    assert len({number, another, third}) == 3
    assert leases.items() <= scene.leases(pool).items(), "what was given stays given"
    for name, port in (("before", number), ("after", another), ("last", third)):
        scene.answers(port, scene.pod(name))
    installed_operator.start()


def test_the_agent_tells_what_is_on_the_node_and_it_is_avoided(scene: NodeScene, node: RealNode, agent: None) -> None:
    pool = scene.pool(3, policy="LowestFree", protocols=["TCP"], cooldownSeconds=0)
    asks = {"hostport/auto": "true", "hostport/pool": pool}
    scene.web("first", annotations=asks)
    assert scene.served("first") == [scene.first]

    def seen() -> str:
        return json.dumps(report(node), indent=1) + agent_log(node)

    with listening(node, scene.first + 1):
        until(lambda: scene.first + 1 in reported(node, "listeners"), "the process is reported", seen, SECONDS)
        until(lambda: scene.first in reported(node, "hostPorts"), "the rule is reported", seen, SECONDS)
        until(lambda: scene.status(pool).get("foreign") == 1, "the process's number is foreign", seen, SECONDS)
        (row,) = scene.kubectl("get", "hpn", "--no-headers").splitlines()
        assert f"portmap ({node.backend})" in row
        listeners = reported(node, "listeners")
        assert listeners[scene.first + 1]["process"] == "python"
        assert listeners[10250]["process"] == "kubelet"
        assert scene.first not in listeners
        scene.web("second", annotations=asks)
        assert scene.served("second") == [scene.first + 2]
        until(lambda: told(scene), "an event on the Node", seen, SECONDS)
        scene.web("third", annotations=asks)
        assert scene.event("third", "PoolExhausted")
    until(lambda: scene.host_ports("third") == [scene.first + 1], "its number is free when it has gone", seen, SECONDS)
    scene.answers(scene.first + 1, scene.pod("third"))


def told(scene: NodeScene) -> list[str]:
    """What is said of host processes on the scene's second number, on the Node."""
    items = json.loads(scene.kubectl("-n", "default", "get", "events.events.k8s.io", "-o", "json"))["items"]
    ours = (event["note"] for event in items if event["reason"] == "HostProcessOnPoolPort")
    return [note for note in ours if f"{scene.first + 1}/TCP" in note]
