"""`hostport trace` reads the NodePorts that a real kube-proxy has written, in both of its modes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from controlplane.cluster import ControlPlane
from controlplane.process import Process
from controlplane.provide import provide
from tests.support.bare_node import BareNode
from tests.support.relay import Relay
from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.node]

SECONDS = 120.0


@pytest.fixture(params=["iptables", "nftables"])
def proxied(
    request: pytest.FixtureRequest, plugins: Path, tmp_path: Path, installed: ControlPlane
) -> Iterator[BareNode]:
    """A node's network in which kube-proxy is at work."""
    program = provide(("kube-proxy",))["kube-proxy"]
    node = BareNode(tmp_path / "node", plugins)
    flags = [f"--proxy-mode={request.param}", f"--kubeconfig={installed.kubeconfig}", "--hostname-override=node-1"]
    flags += [
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]
    flags += [
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
        "--cluster-cidr=10.42.0.0/16",
    ]
    process = Process("kube-proxy", node.inside(str(program), *flags), tmp_path / "kube-proxy.log", lambda: True)
    try:
        with closing(Relay(node, urlsplit(installed.url).port or 0)):
            process.start()
            yield node
    finally:
        process.stop()
        node.end()


def service(name: str, selects: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    made = {"type": "NodePort", "selector": {"app": selects}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": made}


def test_node_ports_of_a_real_kube_proxy(scene: Scene, proxied: BareNode, tmp_path: Path) -> None:
    scene.apply(deployment("web", nodeSelector={"kubernetes.io/hostname": "node-2"}))
    scene.running("web")
    dns = {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    made = {
        name: scene.apply(service(name, selects, **spec))["spec"]
        for name, selects, spec in (
            ("web", "web", {}), ("dns", "web", dns), ("empty", "nobody", {}), ("local", "web", local)
        )
    }  # fmt: skip

    def said(name: str) -> list[tuple[str, str]]:
        done = proxied.trace(str(made[name]["ports"][0]["nodePort"]), "--offline", "-o", "json")
        assert (done.returncode, done.stderr) == (0, "")
        rows = [row for row in json.loads(done.stdout) if row["kind"] == "NodePort"]
        return [(row["protocol"], row["verdict"]) for row in rows]

    def log() -> str:
        rules = proxied.run("iptables-save") + proxied.run("nft", "list", "ruleset")
        return rules[-6000:] + (tmp_path / "kube-proxy.log").read_text(errors="replace")[-3000:]

    for name, protocol in (("web", "TCP"), ("dns", "UDP"), ("empty", "TCP"), ("local", "TCP")):
        wanted = [(protocol, f"NodePort of Service {scene.name}/{name}")]
        until(lambda name=name, wanted=wanted: said(name) == wanted, f"{name}: {wanted}", log, SECONDS)  # type: ignore[misc]
