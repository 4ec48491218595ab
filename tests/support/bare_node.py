"""A node without kubelet: a network namespace in which CNI's bridge and portmap are driven as a runtime drives them."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realnode.requirements import find_program

EPHEMERAL = "61000-64999"
_numbers = itertools.count()


def sweep() -> None:
    """Take down the namespaces of those who were killed before they could do so themselves."""
    for namespace in json.loads(_run(["ip", "-json", "netns", "list"]) or "[]"):
        ours = re.match(r"hp(\d+)-", namespace["name"])
        if ours and not Path("/proc", ours[1]).exists():
            _run(["ip", "netns", "del", namespace["name"]])


class BareNode:
    """A namespace with iptables, nftables and sockets of its own; its files stand under `root`.

    `backend` is portmap's: iptables or nftables. With `hide_tools`, `trace` finds nothing in /usr/sbin.
    """

    def __init__(self, folder: Path, plugins: Path, backend: str = "iptables", v6: bool = True) -> None:
        self.root = folder
        self._backend = backend
        self.hide_tools = False
        self._plugins = plugins
        self.name = f"hp{os.getpid()}-{next(_numbers)}"
        self._sandboxes: dict[str, dict[str, str]] = {}
        self.cni, self.net_d = folder / "var/lib/cni", folder / "etc/cni/net.d"
        self.cni.mkdir(parents=True)
        self.net_d.mkdir(parents=True)
        self._netns = folder / "run/netns"
        self._netns.mkdir(parents=True)
        subnets = ["10.42.0.0/24", *(["fd42::/64"] if v6 else [])]
        (self.net_d / "10-pods.conflist").write_text(json.dumps(_conflist(folder, backend, subnets)))
        _run(["ip", "netns", "add", self.name])
        try:
            self.run("ip", "link", "set", "lo", "up")
            # Above all numbers that tests play with, so that no outgoing connection is on one of them.
            local = f"net.ipv4.ip_local_port_range={EPHEMERAL.replace('-', ' ')}"
            self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1", local)
        except BaseException:
            self.end()
            raise

    @property
    def path(self) -> str:
        """The namespace as a file."""
        return f"/var/run/netns/{self.name}"

    def inside(self, *command: str) -> list[str]:
        """A command that runs in the node's network."""
        return [find_program("nsenter"), f"--net={self.path}", "--", *command]

    def run(self, *command: str, input: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in the node's network; returns what it printed."""
        return _run(self.inside(*command), input=input, env=env)

    def python(self, code: str) -> subprocess.Popen[str]:
        """A Python process in the node's network."""
        command = self.inside(sys.executable, "-c", code)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def _hiding(self) -> list[str]:
        hide = 'mount -t tmpfs none /usr/sbin && { [ -L /sbin ] || mount -t tmpfs none /sbin; } && exec "$@"'
        return ["unshare", "--mount", "sh", "-ec", hide, "sh"] if self.hide_tools else []

    def crowd(self, count: int, first: int) -> None:
        """Rules for so many further hostPorts, as the back end writes them, of sandboxes that nobody remembers."""
        ports = range(first, first + count)
        if self._backend == "nftables":
            rule = 'add rule ip cni_hostport hostports tcp dport {0} dnat to 10.42.9.9:80 comment "{0}"\n'
            self.run("nft", "-f", "-", input="".join(rule.format(port) for port in ports))
            return
        chains = "".join(f":CNI-DN-{port} - [0:0]\n" for port in ports)
        entry = '-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"pods\\" id: \\"{0}\\"" '
        entry += "-m multiport --dports {0} -j CNI-DN-{0}\n-A CNI-DN-{0} -p tcp -m tcp --dport {0} "
        entry += "-j DNAT --to-destination 10.42.9.9:80\n"
        rules = "".join(entry.format(port) for port in ports)
        self.run("iptables-restore", "--noflush", input=f"*nat\n{chains}{rules}COMMIT\n")

    def sandbox(self, pod: str, *command: str) -> list[str]:
        """A command that runs in a sandbox's network."""
        return ["nsenter", f"--net=/var/run/netns/{self.name}-{pod}", "--", *command]

    def trace(self, *arguments: str, kubeconfig: str = "") -> subprocess.CompletedProcess[str]:
        """`hostport trace` on this node."""
        program = [sys.executable, "-c", "from hostport.cli.main import main; main()", "trace"]
        command = self.inside(*self._hiding, *program, *arguments, "--root", str(self.root))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "NODE_NAME"))}
        env = {**kept, "HOME": str(self.root), "COLUMNS": "500", **({"KUBECONFIG": kubeconfig} if kubeconfig else {})}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    def add(self, pod: str, *ports: dict[str, Any], namespace: str = "default", uid: str = "") -> dict[str, Any]:
        """A sandbox with these port mappings; returns CNI's result."""
        name = f"{self.name}-{pod}"
        _run(["ip", "netns", "add", name])
        (self._netns / name).touch()
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={pod};K8S_POD_UID={uid or f'uid-of-{pod}'}"
        self._sandboxes[pod] = {"CAP_ARGS": json.dumps({"portMappings": list(ports)}), "CNI_ARGS": args}
        return dict(json.loads(self._cnitool("add", pod)))

    def remove(self, pod: str) -> None:
        """End a sandbox in good order: its rules go."""
        self._cnitool("del", pod)
        self.lose(pod)

    def lose(self, pod: str) -> None:
        """End a sandbox without a word to CNI: its rules and its cached result stay."""
        _run(["ip", "netns", "del", f"{self.name}-{pod}"])
        (self._netns / f"{self.name}-{pod}").unlink()
        del self._sandboxes[pod]

    def forget_results(self) -> None:
        """Nothing is remembered of what CNI has done."""
        for result in (self.cni / "results").iterdir():
            result.unlink()

    def _cnitool(self, verb: str, pod: str) -> str:
        env = {**self._sandboxes[pod], "NETCONFPATH": str(self.net_d), "CNI_PATH": str(self._plugins)}
        netns = f"/var/run/netns/{self.name}-{pod}"
        # cnitool keeps results in /var/lib/cni and nowhere else: it gets one of its own.
        script = 'mkdir -p /var/lib/cni && mount --bind "$0" /var/lib/cni && exec "$@"'
        tool = [str(self._plugins / "cnitool"), verb, "pods", netns]
        return self.run("unshare", "--mount", "sh", "-ec", script, str(self.cni), *tool, env=env)

    def end(self) -> None:
        """Take everything down."""
        for pod in list(self._sandboxes):
            self.lose(pod)
        _run(["ip", "netns", "del", self.name])


def _conflist(folder: Path, backend: str, subnets: Sequence[str]) -> dict[str, Any]:
    networks, ranges = str(folder / "var/lib/cni/networks"), [[{"subnet": subnet}] for subnet in subnets]
    ipam = {"type": "host-local", "dataDir": networks, "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "backend": backend, "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}


def _run(command: list[str], input: str | None = None, env: dict[str, str] | None = None) -> str:
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, input=input, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout
