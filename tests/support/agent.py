"""The node agent as a process in a node's network, with its ServiceAccount's token for that node and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from controlplane import kubeconfig
from controlplane.cluster import ControlPlane
from tests.support.bare_node import BareNode

ROOT = Path(__file__).parent.parent.parent


def install_agent(plane: ControlPlane) -> None:
    """All of manifests/agent but the DaemonSet, which the tests run as a process; that is tried without effect."""
    items = list(yaml.safe_load_all(plane.kubectl("kustomize", str(ROOT / "manifests" / "agent"))))
    _apply(plane, [item for item in items if item["kind"] != "DaemonSet"])
    _apply(plane, [item for item in items if item["kind"] == "DaemonSet"], "--dry-run=server")


def _apply(plane: ControlPlane, items: list[dict[str, Any]], *flags: str) -> None:
    plane.kubectl("apply", *flags, "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def agent_kubeconfig(plane: ControlPlane, folder: Path, node: str) -> Path:
    """With the token that the agent's Pod on that node would have."""
    account = ("-n", "hostport-agent", "create", "token", "hostport-agent")
    token = plane.kubectl(*account, "--bound-object-kind=Node", f"--bound-object-name={node}").strip()
    return kubeconfig.write(
        folder / f"agent-{node}.kubeconfig", plane.url, plane.ca_file, "agent", token, "hostport-agent"
    )


class AgentProcess:
    """`hostport agent` for `name`, reading `node`; looks once a second."""

    def __init__(self, node: BareNode, name: str, config: Path) -> None:
        self._log_file = node.root / "agent.log"
        program = [sys.executable, "-c", "from hostport.cli.main import main; main()", "agent"]
        command = node.inside(*program, "--node", name, "--root", str(node.root), "--interval", "1")
        with self._log_file.open("ab") as log:
            env = {**os.environ, "KUBECONFIG": str(config)}
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)
