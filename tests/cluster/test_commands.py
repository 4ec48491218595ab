"""The commands, asked by somebody who has the ClusterRole hostport-viewer and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controlplane.cluster import ControlPlane
from tests.support.scene import Scene, deployment
from tests.support.terminal import Terminal
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

PATIENCE = 120.0
NAMES = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1", "node-2", "node-3"]}
THREE_NODES = {"matchExpressions": [NAMES]}
COMMANDS = (("who", "80"), ("explain",), ("free",), ("pools",), ("map",), ("check",))


@pytest.fixture(scope="module")
def viewer(installed: ControlPlane) -> Terminal:
    installed.kubectl("create", "serviceaccount", "viewer", "-n", "hostport-system")
    installed.kubectl(
        "create", "clusterrolebinding", "viewer", "--clusterrole=hostport-viewer",
        "--serviceaccount=hostport-system:viewer",
    )  # fmt: skip
    return Terminal(installed.kubeconfig_for_service_account("hostport-system", "viewer"))


def by_hand(scene: Scene, name: str, port: int, **fields: object) -> None:
    """A Deployment whose hostPort somebody has picked."""
    scene.apply(deployment(name, [{"name": "http", "containerPort": 80, "hostPort": port}], **fields))


def test_who_names_the_workload_by_what_it_holds_the_number_and_its_pods(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(10, protocols=["TCP"], priority=1000)
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    (pod,) = scene.running("web")

    (holder,) = viewer.data("who", str(port))

    name, node = f"{scene.name}/{pod['metadata']['name']}", pod["spec"]["nodeName"]
    assert holder["holder"] == f"Deployment/{scene.name}/web"
    assert holder["pods"] == [{"name": name, "node": node}]
    assert f"lease of pool {pool} for app/http" in holder["how"]
    assert {"node-1", "node-2", "node-3"} <= set(holder["nodes"])
    said = viewer.table("who", f"{port}/TCP")
    assert f"Deployment/{scene.name}/web" in said
    assert f"{name} on {node}" in said
    assert f"{port + 1} in pool {pool}" in said
    assert viewer.data("who", f"{port}/udp") == []
    assert viewer.data("who", str(port), "-n", "default") == []


def test_who_knows_services_and_what_was_written_by_hand(scene: Scene, viewer: Terminal) -> None:
    by_hand(scene, "squatter", scene.first, nodeSelector={"kubernetes.io/hostname": "node-2"})
    scene.running("squatter")
    ports = [{"port": 80, "nodePort": 30600}]
    service = {"type": "NodePort", "selector": {"app": "x"}, "ports": ports}
    scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": service})

    (holder,) = viewer.data("who", str(scene.first))
    assert (holder["holder"], holder["nodes"]) == (f"Deployment/{scene.name}/squatter", ["node-2"])
    assert set(holder["how"]) == {"hostPort", "template"}
    assert viewer.data("who", str(scene.first), "--node", "node-1") == []
    (holder,) = viewer.data("who", "30600")
    assert (holder["holder"], holder["how"], holder["nodes"]) == (f"Service/{scene.name}/front", ["nodePort"], None)
    assert "every node" in viewer.table("who", "30600")
    assert viewer.table("who", "30601").startswith("Nobody holds 30601.")


def test_free_numbers_are_those_that_nobody_has_there(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(5, protocols=["TCP"])
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    by_hand(scene, "squatter", scene.first + 3, nodeSelector={"kubernetes.io/hostname": "node-2"})
    scene.running("squatter")

    (row,) = viewer.data("free", "--pool", pool)
    left = [scene.first + i for i in (0, 1, 2, 4) if scene.first + i != port]
    assert row == {"pool": pool, "protocol": "TCP", "free": 3, "numbers": left}
    (row,) = viewer.data("free", "--pool", pool, "--node", "node-1", "--count", "4")
    assert row["numbers"] == sorted([*left, scene.first + 3])
    (row,) = viewer.data("free", "--pool", pool, "--count", "1")
    assert (row["free"], row["numbers"]) == (3, left[:1])
    assert f"3     {' '.join(map(str, left))}" in viewer.table("free", "--pool", pool)


def test_pools_are_counted_as_their_status_counts_them(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(5, protocols=["TCP"], policy="LowestFree", nodeSelector=THREE_NODES)
    nobody = {"matchLabels": {"no": "one"}}
    closed = scene.pool(name=f"{pool}-x", namespaceSelector=nobody, ranges=[f"{scene.first + 50}-{scene.first + 52}"])
    scene.deployment("web", pool)
    scene.served("web")
    by_hand(scene, "squatter", scene.first + 3)
    scene.running("squatter")
    counts = {"capacity": 5, "allocated": 1, "cooling": 0, "foreign": 1, "free": 3, "nodes": 3}

    def row() -> Json:
        rows: list[Json] = viewer.data("pools", "-n", scene.name)
        return next(row for row in rows if row["name"] == pool)

    def counted() -> bool:
        status = scene.status(pool)
        return counts == {name: status.get(name) for name in counts}

    until(counted, "the operator counts so", lambda: scene.status(pool), PATIENCE)
    until(lambda: counts == {name: row()[name] for name in counts}, "and so does the command", row, PATIENCE)
    assert (row()["state"], row()["policy"]) == ("Ready", "LowestFree")
    assert pool in viewer.table("pools")
    assert closed in {row["name"] for row in viewer.data("pools")}
    assert closed not in {row["name"] for row in viewer.data("pools", "-n", scene.name)}


def test_explain_says_what_a_workload_has_and_where_its_pods_are(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(10, protocols=["TCP"])
    scene.deployment("web", pool)
    (port,) = scene.served("web")
    (pod,) = scene.running("web")
    name = pod["metadata"]["name"]

    for words in (("deploy/web",), ("deployments", "web"), (f"pod/{name}",), (f"rs/{name.rpartition('-')[0]}",)):
        (story,) = viewer.data("explain", *words, "-n", scene.name)

        assert story["workload"] == f"Deployment/{scene.name}/web"
        assert story["pods"] == {name: pod["spec"]["nodeName"]}
        (row,) = story["ports"]
        assert (row["port"], row["number"], row["pool"], row["state"]) == ("app/http", port, pool, "leased")
        assert story["says"] == ["Served: its ports have their numbers."]
    assert f"{port}/TCP" in viewer.table("explain", "deploy/web", "-n", scene.name)


def test_explain_says_why_a_workload_is_not_served(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    scene.deployment("second", pool)
    scene.event("second", "PoolExhausted")
    by_hand(scene, "third", scene.first + 7)

    said = {
        story["workload"].rpartition("/")[2]: story["says"][0] for story in viewer.data("explain", "-n", scene.name)
    }

    assert said["first"] == "Served: its ports have their numbers."
    assert said["second"].startswith("Not served: PoolExhausted: ")
    assert "does not ask" in said["third"]
    assert "written by hand" in said["third"]
    assert "second" in viewer.table("explain", "-A")


def test_the_map_shows_each_number_in_its_use(scene: Scene, viewer: Terminal) -> None:
    pool = scene.pool(8, protocols=["TCP"], policy="LowestFree", nodeSelector=THREE_NODES)
    scene.deployment("web", pool)
    scene.deployment("gone", pool)
    (port,), (rests,) = scene.served("web"), scene.served("gone")
    scene.kubectl("-n", scene.name, "delete", "deployment", "gone")
    by_hand(scene, "squatter", scene.first + 5, nodeSelector={"kubernetes.io/hostname": "node-2"})
    scene.running("squatter")
    until(lambda: scene.status(pool).get("cooling") == 1, "a number rests", lambda: scene.status(pool), PATIENCE)

    rows = {name: row for row in viewer.data("map", "--pool", pool) for name in row["nodes"]}

    assert [rows["node-1"][use] for use in ("leased", "resting", "foreign")] == [[str(port)], [str(rests)], []]
    assert rows["node-2"]["foreign"] == [str(scene.first + 5)]
    assert rows["node-3"] == rows["node-1"]
    drawn = viewer.table("map", "--pool", pool)
    signs = "".join("█" if n == port else "▒" if n == rests else "·" for n in range(scene.first, scene.first + 8))
    assert f"node-1 +1                 {signs}\n" in drawn
    assert f"node-2                    {signs[:5]}X{signs[6:]}\n" in drawn
    assert f"all 3 nodes               {signs[:5]}X{signs[6:]}\n" in drawn
    assert "█ leased" in drawn
    assert "\x1b[" not in drawn
    assert viewer.run("map", "--pool", pool, PYTHONIOENCODING="ascii").out.isascii()
    (row,) = viewer.data("map", "--pool", pool, "--node", "node-2")
    assert row["nodes"] == ["node-2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("who", "http"), '"http" is no port: write 10012'),
        (("who", "70000"), "1 to 65535"),
        (("who", "80/ICMP"), '"ICMP" is no protocol'),
        (("who", "80", "--node", "nod-1"), 'there is no node "nod-1"; did you mean node-1?'),
        (("free", "--pool", "no-such"), 'there is no HostPortPool "no-such"'),
        (("pools", "--context", "elsewhere"), "elsewhere"),
        (("explain", "deployment/no-such", "-n", "default"), 'no Deployment in namespace default, called "no-such"'),
        (("explain", "depoly/web"), "did you mean deploy?"),
        (("explain", "deploy"), "name a workload, as in deploy/NAME"),
        (("map", "--node", "node-9"), 'there is no node "node-9"'),
    ],
)
def test_what_can_not_be_meant_is_a_sentence_and_exit_code_2(
    scene: Scene, viewer: Terminal, words: tuple[str, ...], said: str
) -> None:
    scene.pool()
    done = viewer.run(*words)

    assert done.code == 2
    assert said in done.err


@pytest.fixture(scope="module")
def nobody(installed: ControlPlane) -> Terminal:
    installed.kubectl("create", "serviceaccount", "nobody", "-n", "hostport-system")
    return Terminal(installed.kubeconfig_for_service_account("hostport-system", "nobody"))


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_without_permission_the_way_out_is_said(nobody: Terminal, words: tuple[str, ...]) -> None:
    done = nobody.run(*words)

    assert done.code == 2
    assert "hostport-system:nobody" in done.err
    assert "ask for the ClusterRole hostport-viewer" in done.err


def test_uninstall_is_for_an_administrator(scene: Scene, viewer: Terminal, nobody: Terminal) -> None:
    pool = scene.pool(2)
    scene.deployment("web", pool)
    scene.served("web")

    for who in (viewer, nobody):
        done = who.run("uninstall", "--yes")

        assert done.code == 2
        assert "this is for an administrator" in done.err


@pytest.mark.parametrize("words", COMMANDS[:5], ids=lambda words: words[0])
def test_a_namespace_that_is_not_there(viewer: Terminal, words: tuple[str, ...]) -> None:
    done = viewer.run(*words, "-n", "defualt")

    assert done.code == 2
    assert "defualt" in done.err
    assert "did you mean default?" in done.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "set KUBECONFIG"),
        ("", "the kubeconfig can't be read"),
        ("{", "the kubeconfig can't be read"),
        (json.dumps({"contexts": 5}), "the kubeconfig can't be read"),
        (
            json.dumps(
                {
                    "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
                    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                    "users": [{"name": "x", "user": {}}],
                    "current-context": "x",
                }
            ),
            "the API server does not answer",
        ),
    ],
)
def test_no_cluster_is_a_sentence_and_exit_code_2(
    tmp_path_factory: pytest.TempPathFactory, content: str | None, said: str
) -> None:
    file = tmp_path_factory.mktemp("kubeconfig") / "config"
    if content is not None:
        file.write_text(content)

    for command in (("who", "80"), ("free",), ("map",), ("explain", "-A"), ("uninstall", "--yes"), ("check",)):
        done = Terminal(file).run(*command)

        assert (done.code, said in done.err) == (2, True), done
