"""containerd and the Pod network: configuration, start, images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from controlplane.process import Process
from realnode.busybox import PAUSE
from realnode.machine import Machine
from realnode.requirements import find_program
from realnode.run import succeeds

SOCKET = "/run/containerd/containerd.sock"
POD_RANGE = "10.42.0.0/24"

# Raising one's own importance with the OOM killer needs a right that a container seldom has; runc fails without it.
_CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "/etc/cni/net.d"
"""


class Backend(StrEnum):
    """What portmap writes its rules with, and kube-proxy too."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"


class Runtime:
    """containerd on a machine. `work`: a directory for its configuration and log; `plugins`: where CNI's are."""

    def __init__(self, machine: Machine, work: Path, logs: Path, plugins: Path, backend: Backend) -> None:
        self._machine = machine
        self._network = work / "10-bridge.conflist"
        self._network.write_text(json.dumps(_network(backend), indent=2))
        config = work / "containerd.toml"
        config.write_text(_CONTAINERD.format(socket=SOCKET, pause=PAUSE, plugins=plugins))
        command = [*machine.within, find_program("containerd"), "--config", str(config)]
        self.process = Process("containerd", command, logs / "containerd.log", self._answers)

    def start(self, images: Sequence[Path]) -> None:
        """Return when it answers and has the images in these archives."""
        self._machine.run("cp", str(self._network), "/etc/cni/net.d")
        self.process.start()
        self.process.wait_healthy()
        for archive in images:
            self.load(archive)

    def load(self, archive: Path) -> None:
        """Take the images in an archive in."""
        self._machine.run(*_ctr(), "images", "import", "--no-unpack", str(archive))

    def _answers(self) -> bool:
        return succeeds([*self._machine.within, *_ctr(), "version"])


def _ctr() -> list[str]:
    return [find_program("ctr"), f"--address={SOCKET}", "--namespace=k8s.io"]


def _network(backend: Backend) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "ipMasqBackend": backend,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni/addresses",
        },
    }
    portmap = {"type": "portmap", "backend": backend, "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "1.0.0", "name": "hostport", "plugins": [bridge, portmap]}
