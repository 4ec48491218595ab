"""The node agent on a real node, and what the operator makes of its reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from controlplane.cluster import ControlPlane
from controlplane.errors import KubectlError
from tests.support.agent import AgentProcess, agent_kubeconfig, install_agent
from tests.support.bare_node import EPHEMERAL, BareNode
from tests.support.relay import Relay
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.node]

NODE = "node-1"
SECONDS = 90.0


@pytest.fixture
def node(plugins: Path, tmp_path: Path, installed: ControlPlane) -> Iterator[BareNode]:
    """A node's network from which the API server can be reached."""
    made = BareNode(tmp_path / "node", plugins)
    try:
        with closing(Relay(made, urlsplit(installed.url).port or 0)):
            yield made
    finally:
        made.end()


@pytest.fixture(scope="session")
def agent_installed(installed: ControlPlane) -> ControlPlane:
    install_agent(installed)
    return installed


@pytest.fixture
def agent(agent_installed: ControlPlane, node: BareNode, tmp_path: Path) -> Iterator[AgentProcess]:
    process = AgentProcess(node, NODE, agent_kubeconfig(agent_installed, tmp_path, NODE))
    try:
        yield process
    finally:
        code = process.stop()
        # What it said last would be believed in the tests that follow.
        agent_installed.kubectl("delete", "hostportnode", NODE, "--ignore-not-found")
    assert code == 0, process.log


def report(plane: ControlPlane) -> dict[str, Any]:
    """The HostPortNode, empty where there is none yet."""
    text = plane.kubectl("get", "hostportnode", NODE, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text)) if text else {}


def ports(plane: ControlPlane, what: str) -> list[int]:
    return [entry["port"] for entry in (report(plane).get("status") or {}).get(what) or ()]


@contextmanager
def listening(node: BareNode, port: int) -> Iterator[None]:
    process = node.python(
        f"import socket, sys\ns = socket.create_server(('127.0.0.1', {port}))\nprint(flush=True)\nsys.stdin.read()"
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.communicate()


def ephemeral_ports(node: BareNode, span: str) -> None:
    """Where the node's outgoing connections get their ports."""
    node.run("sysctl", "-q", "-w", f"net.ipv4.ip_local_port_range={span.replace('-', ' ')}")


def listeners_on(scene: Scene, pool: str) -> float:
    return scene.operator.metric("hostport_node_pool_listeners", pool=pool)


def on_node(scene: Scene, reason: str, word: str) -> list[str]:
    """The texts of the operator's events on the Node that have this word in them."""
    items = json.loads(scene.kubectl("-n", "default", "get", "events.events.k8s.io", "-o", "json"))["items"]
    ours = (e for e in items if e["reason"] == reason and e["regarding"].get("name") == NODE)
    return [e["note"] for e in ours if word in e["note"]]


def test_a_number_that_a_process_listens_on_is_avoided_until_it_goes(
    scene: Scene, node: BareNode, agent: AgentProcess
) -> None:
    pool = scene.pool(2, policy="LowestFree", protocols=["TCP"], cooldownSeconds=0)
    with listening(node, scene.first):
        until(lambda: scene.status(pool).get("foreign") == 1, "the listener is foreign use", lambda: agent.log, SECONDS)
        scene.deployment("web", pool)
        assert scene.served("web") == [scene.first + 1]
        until(
            lambda: on_node(scene, "HostProcessOnPoolPort", f"{scene.first}/TCP of pool {pool}"),
            "an event",
            seconds=SECONDS,
        )
        until(
            lambda: scene.operator.metric("hostport_node_pool_listeners", pool=pool) == 1, "the metric", seconds=SECONDS
        )
        asked = {"hostport/request": f"http={scene.first}"}
        scene.deployment("exact", pool, annotations=asked)
        assert f"process python on node {NODE}" in scene.event("exact", "RequestRefused")
    until(lambda: scene.host_ports("exact") == [scene.first], "the number is given out", lambda: agent.log, SECONDS)
    until(lambda: listeners_on(scene, pool) == 0, "the metric", seconds=SECONDS)


def test_rules_of_living_pods_are_not_foreign_and_stale_ones_are(
    scene: Scene, node: BareNode, agent: AgentProcess
) -> None:
    pool = scene.pool(2, policy="LowestFree", protocols=["TCP"], cooldownSeconds=0)
    node.add("web-1", {"hostPort": scene.first, "containerPort": 80, "protocol": "tcp"})
    until(lambda: scene.first in ports(scene.plane, "hostPorts"), "the rule is reported", lambda: agent.log, SECONDS)
    scene.deployment("web", pool)
    assert scene.served("web") == [scene.first]
    scene.kubectl("-n", scene.name, "delete", "deployment", "web")
    node.lose("web-1")
    until(lambda: scene.status(pool).get("foreign") == 1, "the stale rule is foreign use", lambda: agent.log, SECONDS)
    assert until(lambda: on_node(scene, "StaleHostPortRule", f"{scene.first}/TCP"), "an event", seconds=SECONDS)
    until(lambda: scene.operator.metric("hostport_node_stale_rules") >= 1, "the metric", seconds=SECONDS)
    scene.deployment("other", pool)
    assert scene.served("other") == [scene.first + 1]


def test_a_pool_in_the_ephemeral_range_of_a_node_says_so(scene: Scene, node: BareNode, agent: AgentProcess) -> None:
    pool = scene.pool()
    span = f"{scene.first + 10}-{scene.first + 90}"

    def condition() -> tuple[str, str]:
        found = {c["type"]: c for c in scene.status(pool).get("conditions") or ()}.get("EphemeralPorts", {})
        return found.get("reason", ""), found.get("message", "")

    until(lambda: condition()[0] == "OutsideRange", f"{EPHEMERAL} is known", condition, SECONDS)
    ephemeral_ports(node, span)
    until(lambda: condition()[1].startswith(f"{span} lie where outgoing connections"), "it is told", condition, SECONDS)


def test_what_a_person_sees_of_a_node(scene: Scene, node: BareNode, agent: AgentProcess) -> None:
    with listening(node, scene.first):
        until(lambda: scene.first in ports(scene.plane, "listeners"), "the listener", lambda: agent.log, SECONDS)
        header, row = scene.kubectl("get", "hpn", NODE).splitlines()
    assert header.split() == ["NAME", "LISTENERS", "HOSTPORTS", "STALE", "EPHEMERAL", "DATAPATH", "SEEN"]
    assert row.split()[:4] == [NODE, "2", "0", "0"]  # the listener, and the way to the API server
    assert row.split()[4] == EPHEMERAL
    seen = report(scene.plane)
    (entry,) = (e for e in seen["status"]["listeners"] if e["port"] == scene.first)
    assert entry == {"port": scene.first, "protocol": "TCP", "address": "127.0.0.1", "process": entry["process"]}
    uid = scene.get("node", NODE)["metadata"]["uid"]
    assert seen["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": uid}]
    (condition,) = seen["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Complete", "True")


def test_nothing_is_written_while_nothing_changes(scene: Scene, node: BareNode, agent: AgentProcess) -> None:
    with listening(node, scene.first):
        until(lambda: scene.first in ports(scene.plane, "listeners"), "the listener", lambda: agent.log, SECONDS)
        before = report(scene.plane)["metadata"]["resourceVersion"]
        node.trace("1")  # takes longer than the agent's interval
        with listening(node, scene.first + 1):
            until(lambda: scene.first + 1 in ports(scene.plane, "listeners"), "the second", lambda: agent.log, SECONDS)
    assert agent.log.count("reported:") <= 4
    assert report(scene.plane)["metadata"]["resourceVersion"] != before


def test_an_agent_writes_its_own_node_and_reads_nothing(agent_installed: ControlPlane, tmp_path: Path) -> None:
    config = str(agent_kubeconfig(agent_installed, tmp_path, NODE))

    def attempt(*arguments: str, input: str | None = None) -> str:
        try:
            return agent_installed.kubectl("--kubeconfig", config, *arguments, input=input)
        except KubectlError as error:
            return error.stderr

    def create(name: str) -> str:
        body = {"apiVersion": "hostport.dev/v1", "kind": "HostPortNode", "metadata": {"name": name}}
        return attempt("create", "--dry-run=server", "--validate=false", "-f", "-", input=json.dumps(body))

    wanted = "the agent on node node-1 may not write the HostPortNode of node-2"
    until(lambda: wanted in create("node-2"), "the policy is at work", lambda: create("node-2"), SECONDS)
    assert "created" in create(NODE)
    for verb in (("get", "hostportnodes"), ("get", "pods", "-A"), ("get", "nodes"), ("delete", "hostportnode", NODE)):
        assert "forbidden" in attempt(*verb).lower()


def test_trace_follows_a_rule_to_the_workload_by_the_api_server(scene: Scene, node: BareNode) -> None:
    scene.apply(_pinned(scene.first))
    (pod,) = scene.running("web")
    meta = pod["metadata"]
    port = {"hostPort": scene.first, "containerPort": 80, "protocol": "tcp"}
    node.add(meta["name"], port, namespace=scene.name, uid=meta["uid"])
    asked = (f"{scene.first}/TCP", "--node", NODE)
    config = str(scene.plane.kubeconfig)

    def said(*flags: str) -> list[dict[str, Any]]:
        done = node.trace(*asked, *flags, "-o", "json", kubeconfig=config)
        assert done.returncode == 0, done
        return list(json.loads(done.stdout))

    whole = f"hostPort of Pod {scene.name}/{meta['name']} of Deployment {scene.name}/web"
    assert {row["verdict"] for row in said()} == {whole}
    assert {row["verdict"] for row in said("--offline")} == {f"hostPort of Pod {scene.name}/{meta['name']}"}
    stranger = node.trace(f"{scene.first}/TCP", "--node", "no-such-node", kubeconfig=config)
    assert "the cluster has no node no-such-node: name this one by --node" in stranger.stderr
    assert stranger.returncode == 0
    scene.kubectl("-n", scene.name, "delete", "deployment", "web", "--cascade=foreground")
    until(lambda: {row["kind"] for row in said()} == {"StaleRule"}, "the rule is stale", said, SECONDS)


def test_trace_goes_on_where_the_api_server_does_not_answer(node: BareNode, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {}}]
    nowhere.write_text(
        json.dumps({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"})
    )
    done = node.trace("10012", "--node", NODE, kubeconfig=str(nowhere))
    assert done.returncode == 0
    assert "the API server could not be asked" in done.stderr
    assert "free" in done.stdout


def _pinned(port: int) -> dict[str, Any]:
    container = {"name": "app", "image": "app", "ports": [{"containerPort": 80, "hostPort": port}]}
    pod = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": NODE}}
    labels = {"app": "web"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
