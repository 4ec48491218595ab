"""One look at the node this runs on. Everything is read, nothing is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from hostport.api.errors import shown
from hostport.api.ports import Protocol
from hostport.node import cni, conntrack, iptables, nftables
from hostport.node.facts import Complain, Datapath, Flow, Listener, Mapping, NodePort, Sandbox, Sight, Socket, merged
from hostport.node.processes import holders
from hostport.node.sockets import ephemeral_range, sctp_endpoints, sockets

PROC = Path("/proc")
_NET = (("tcp", Protocol.TCP), ("tcp6", Protocol.TCP), ("udp", Protocol.UDP), ("udp6", Protocol.UDP))
# Where container runtimes look for CNI's configuration: containerd and CRI-O, k3s, RKE2, MicroK8s.
_CONFIGURATIONS = (
    "etc/cni/net.d",
    "var/lib/rancher/k3s/agent/etc/cni/net.d",
    "var/lib/rancher/rke2/agent/etc/cni/net.d",
    "var/snap/microk8s/current/args/cni-network",
)
_RESULTS = "var/lib/cni/results"
_POD_LOGS = "var/log/pods"
_TOOL_SECONDS = 60
# After `iptables-save` the one of the other kind: a node may have rules of both (an upgrade, a runtime with its own).
_SAVES = (("iptables-save", "iptables-legacy-save"), ("ip6tables-save", "ip6tables-legacy-save"))


class Look:
    """Reads a node whose file system stands at `root`; sockets and rules are those of this process's network."""

    def __init__(self, root: Path = Path("/"), proc: Path = PROC) -> None:
        self._root = root
        self._proc = proc
        self._gaps: list[str] = []

    def sight(self, *, with_flows: bool = True) -> Sight:
        """Everything that concerns ports; what can't be read is a gap and no error."""
        self._gaps = []
        rules, node_ports, backends = self._rules()
        return Sight(
            tuple(self._listeners()),
            tuple(dict.fromkeys(rules)),
            merged(node_ports),
            tuple(self._flows()) if with_flows else (),
            self._sandboxes(),
            tuple(self._pods()),
            Datapath(self._plugins(), backends),
            ephemeral_range(_text(self._proc / "sys/net/ipv4/ip_local_port_range") or ""),
            tuple(dict.fromkeys(self._gaps)),
        )

    def _complain(self, source: str) -> Complain:
        return lambda line: self._gaps.append(
            f"{source} has something that can't be understood: {shown(line.strip())!r}"
        )

    # Sockets

    def _listeners(self) -> Iterator[Listener]:
        found = list(self._sockets())
        processes = holders(self._proc, (socket.inode for socket in found))
        known: dict[Listener, None] = {}
        for socket in found:  # one program may listen several times on one address (SO_REUSEPORT)
            known.setdefault(Listener(socket.protocol, socket.ip, socket.port, processes.get(socket.inode)))
        return iter(known)

    def _sockets(self) -> Iterator[Socket]:
        for name, protocol in _NET:
            path = self._proc / "net" / name
            text = _text(path)
            if text is not None:
                yield from sockets(text, protocol, self._complain(str(path)))
            elif not name.endswith("6"):  # a kernel without IPv6 has no such files
                self._gaps.append(f"{path} can't be read; is /proc mounted?")
        yield from sctp_endpoints(_text(self._proc / "net/sctp/eps") or "", self._complain("/proc/net/sctp/eps"))

    # Rules

    def _rules(self) -> tuple[list[Mapping], list[NodePort], frozenset[str]]:
        texts = [(tool, text) for tools in _SAVES for tool in tools if (text := self._output(tool)) is not None]
        listed = self._output("nft", "-j", "list", "ruleset")
        if not texts and listed is None:
            self._gaps.append(
                "neither iptables-save nor nft could be run, so rules can't be seen; install them "
                "(apt-get install iptables nftables)"
            )
        found = nftables.ruleset(listed, self._complain("nft")) if listed is not None else nftables.Ruleset()
        if not any(tool == "iptables-save" for tool, _ in texts) and (found.iptables or self._has_legacy_tables()):
            self._gaps.append("there are rules that only iptables-save can read; install it (apt-get install iptables)")
        mappings, ports = list(found.mappings), list(found.node_ports)
        for tool, text in texts:
            mappings += iptables.mappings(text, self._complain(tool))
            ports += iptables.node_ports(text, self._complain(tool))
        used = ("iptables" if any(iptables.has_portmap(text) for _, text in texts) else "", "nftables" * found.portmap)
        return mappings, ports, frozenset(filter(None, used))

    def _has_legacy_tables(self) -> bool:
        return "nat" in (_text(self._proc / "net/ip_tables_names") or "").split()

    def _output(self, tool: str, *arguments: str) -> str | None:
        """What a tool prints; None where it is not installed. A failure is a gap."""
        path = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if path is None:
            return None
        try:
            done = subprocess.run(  # noqa: S603 - one of ours, by its full path, without a shell
                [path, *arguments], capture_output=True, timeout=_TOOL_SECONDS, check=False, env=_plain_environment()
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._gaps.append(f"{tool} could not be run: {error}")
            return None
        if done.returncode:
            why = shown(done.stderr.decode(errors="replace").strip().partition("\n")[0])
            self._gaps.append(f"{tool} ended with {done.returncode}: {why}; run this as root, in the node's network")
            return None
        return done.stdout.decode(errors="replace")

    def _flows(self) -> Iterator[Flow]:
        """UDP alone: what a rule that is gone has begun goes on for as long as packets come."""
        text = _text(self._proc / "net/nf_conntrack")
        if text is None and shutil.which("conntrack"):
            text = self._output("conntrack", "-L", "-p", "udp")
        found = conntrack.flows(text or "", self._complain("conntrack"))
        return (flow for flow in found if flow.protocol is Protocol.UDP)

    # What is on disk

    def _plugins(self) -> tuple[str, ...]:
        """The CNI chain that runtimes take: of the first file in the order of names that is one."""
        for folder in _CONFIGURATIONS:
            for path in _files(self._root / folder):
                if path.suffix in (".conflist", ".conf", ".json"):
                    found = cni.plugins(_text(path) or "", self._complain(str(path)))
                    if found:
                        return found
        return ()

    def _sandboxes(self) -> dict[str, Sandbox] | None:
        folder = self._root / _RESULTS
        if not folder.is_dir():
            return None
        read = (cni.sandbox(_text(path) or "", self._complain(str(path))) for path in _files(folder))
        return {each.container: each._replace(alive=self._alive(each.netns)) for each in read if each is not None}

    def _alive(self, netns: str) -> bool | None:
        """Whether a sandbox's network namespace is still there; None where we would not see it."""
        # /var/run is a link to /run, which under another root would lead out of it.
        path = self._root / netns.replace("/var/run/", "/run/", 1).lstrip("/")
        if not netns or not path.parent.is_dir():
            return None
        return path.exists()

    def _pods(self) -> Iterator[tuple[str, str]]:
        """The Pods of this node as (uid, namespace/name): the kubelet names their folders of logs so."""
        for path in _files(self._root / _POD_LOGS):
            namespace, _, rest = path.name.partition("_")
            name, _, uid = rest.partition("_")
            if uid:
                yield uid, f"{namespace}/{name}"


def _files(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _plain_environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}
