"""A scene whose Pods really run: they are asked over the network, and the node is looked at as its admin would."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from typing import Any

from controlplane.kubeconfig import REAL_NODE
from realnode import busybox
from realnode.node import RealNode
from realnode.runtime import Backend
from tests.support.operator_pods import OperatorPods
from tests.support.scene import Json, Scene, deployment
from tests.support.wait import until

_ASK_SECONDS = 3.0
_WEB = [{"name": "http", "containerPort": 80}]
_DUMPS = {Backend.IPTABLES: ("iptables-save", "-t", "nat"), Backend.NFTABLES: ("nft", "list", "ruleset")}


class NodeScene(Scene):
    """A scene on a real node. Every web Pod answers with its own name."""

    def __init__(self, node: RealNode, operator: OperatorPods, name: str) -> None:
        super().__init__(node.plane, operator, name)
        self.node = node

    def web(self, name: str, ports: list[Json] | None = None, **fields: Any) -> None:
        """Apply a Deployment of one web server, container `nginx`."""
        self.apply(web(name, ports, **fields))

    def pod(self, name: str) -> str:
        """The name of the Deployment's one Pod, once it is the only one and Ready."""
        (pod,) = self.running(name)
        return str(pod["metadata"]["name"])

    def pending(self, name: str) -> str:
        """What the scheduler has to say about a Pod of the Deployment that it can't place."""

        def complaint() -> str:
            found = json.loads(self.kubectl("-n", self.name, "get", "pods", "-l", f"app={name}", "-o", "json"))
            waiting = [pod for pod in found["items"] if pod["status"]["phase"] == "Pending"]
            said = [c["message"] for pod in waiting for c in pod["status"].get("conditions", ()) if c.get("message")]
            return str(said[0]) if said else ""

        return until(complaint, f"the scheduler says why a Pod of {name} is Pending")

    # What answers

    def tcp(self, port: int) -> str:
        """Who answers a web request from outside the node; empty where nobody does."""
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{self.node.address}:{port}/", timeout=_ASK_SECONDS) as answer:
                return str(answer.read().decode().strip())
        except OSError:
            return ""

    def udp(self, port: int, asked: str) -> str:
        """What comes back for a datagram sent from outside the node; empty where nothing does."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_ASK_SECONDS)
            try:
                sender.connect((self.node.address, port))
                sender.send(f"{asked}\n".encode())
                return sender.recv(1024).decode().strip()
            except OSError:
                return ""

    def answers(self, port: int, pod: str) -> None:
        """Await that this Pod, and nobody else, answers on this port of the node over TCP."""
        until(lambda: self.tcp(port) == pod, f"{pod} answers on {port}", lambda: self.tcp(port) + self.rules(), 60)

    # What is on the node

    def trace(self, *arguments: str) -> list[tuple[str, str]]:
        """What `hostport trace` says there, run as root on the node with the admin's kubeconfig: kinds and verdicts."""
        program = (sys.executable, "-c", "from hostport.cli.main import main; main()", "trace")
        config = f"KUBECONFIG={self.plane.kubeconfig}"
        said = self.node.run("env", config, *program, *arguments, "--node", REAL_NODE, "-o", "json")
        return [(row["kind"], row["verdict"]) for row in json.loads(said)]

    def listeners(self, port: int) -> list[str]:
        """Sockets of the node that listen on a port, TCP and UDP, IPv4 and IPv6."""
        return self.node.run("ss", "-Htuln", f"sport = :{port}").splitlines()

    def rules(self, port: int | None = None) -> str:
        """The lines of the node's packet filter that name a port; all of them without one."""
        lines = self.node.run(*_DUMPS[self.node.backend]).splitlines()
        return "\n".join(line for line in lines if port is None or str(port) in line.replace(",", " ").split())

    def end(self, patience: float = 120) -> None:
        """As every scene's, and no Pod is left that could hold a port of the node."""
        super().end(patience)
        # Not the namespace: its end is looked for every ten seconds only.
        until(lambda: not self._pods(), "the scene's Pods are gone", self._pods, 120)

    def _pods(self) -> str:
        return self.kubectl("-n", self.name, "get", "pods", "-o", "name")


def web(name: str, ports: list[Json] | None = None, **fields: Any) -> Json:
    """The manifest of a Deployment of one web server."""
    container = {"name": "nginx", "image": busybox.WEB, "imagePullPolicy": "Never", "ports": ports or _WEB}
    return deployment(name, containers=[container], **fields)
