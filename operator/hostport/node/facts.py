"""What there is on a node, as it is read from many places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hostport.api.ports import LAST_PORT, Protocol, canonical_ip

# Told of a line that belongs to what is read and can't be understood; the reading goes on.
Complain = Callable[[str], None]

_PROTOCOLS = {protocol.lower(): protocol for protocol in Protocol}


class Socket(NamedTuple):
    """A listening socket. `ip` is canonical: empty for 0.0.0.0, `::` for every IPv6 address (and most often IPv4)."""

    protocol: Protocol
    ip: str
    port: int
    inode: int


class Process(NamedTuple):
    """A process; `pod_uid` is empty for one of the node's own."""

    pid: int
    name: str
    pod_uid: str = ""


class Listener(NamedTuple):
    """A listening socket and whose it is; `process` None where that can't be seen."""

    protocol: Protocol
    ip: str
    port: int
    process: Process | None = None


class Mapping(NamedTuple):
    """A rule of portmap's: a hostPort and the address behind it. `container` is the sandbox's id in the rule's comment.

    `chain` is the chain of its own that the iptables back end gives every sandbox; empty with nftables.
    """

    protocol: Protocol
    ip: str
    port: int
    target_ip: str
    target_port: int
    container: str
    backend: str
    chain: str = ""

    @property
    def target(self) -> str:
        """The address behind it as a person reads it."""
        return address(self.target_ip, self.target_port)


class NodePort(NamedTuple):
    """A rule of kube-proxy's: a port of every node, and the Service as namespace/name; `remark` on what is special."""

    protocol: Protocol
    port: int
    service: str
    remark: str = ""


class Flow(NamedTuple):
    """A connection that the kernel remembers as going to another address than it was sent to."""

    protocol: Protocol
    port: int
    target_ip: str
    target_port: int


class Sandbox(NamedTuple):
    """What CNI remembers of a sandbox; `alive` None where its namespace can't be looked for."""

    container: str
    namespace: str
    pod: str
    uid: str
    ips: frozenset[str]
    netns: str = ""
    alive: bool | None = None

    @property
    def pod_name(self) -> str:
        """The Pod as namespace/name, empty for a sandbox that is no Pod's."""
        return f"{self.namespace}/{self.pod}" if self.pod else ""


class Datapath(NamedTuple):
    """Who maps hostPorts here. `plugins`: the types of the CNI chain in use; empty where no configuration was found."""

    plugins: tuple[str, ...] = ()
    backends: frozenset[str] = frozenset()

    @property
    def is_portmap(self) -> bool:
        """Whether portmap is at work, or would be."""
        return bool(self.backends) or "portmap" in self.plugins

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it; a machine without CNI maps nothing."""
        return bool(self.backends or self.plugins)

    def __str__(self) -> str:
        if self.backends:
            return f"portmap ({', '.join(sorted(self.backends))})"
        if "portmap" in self.plugins:
            return "portmap"
        return " + ".join(self.plugins) or "none"


NO_DATAPATH = Datapath()


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a node. `sandboxes` by container id, None where CNI's cache can't be seen.

    `ephemeral` are the first and last port that outgoing connections get. `gaps` say what could not be read, and why:
    without it "free" is no verdict.
    """

    listeners: tuple[Listener, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    node_ports: tuple[NodePort, ...] = ()
    flows: tuple[Flow, ...] = ()
    sandboxes: dict[str, Sandbox] | None = None
    pods: tuple[tuple[str, str], ...] = ()
    datapath: Datapath = NO_DATAPATH
    ephemeral: tuple[int, int] | None = None
    gaps: tuple[str, ...] = ()


def merged(ports: Iterable[NodePort]) -> tuple[NodePort, ...]:
    """Each port of each Service once, with the remark of whichever rule has one: kube-proxy writes several rules."""
    known: dict[NodePort, NodePort] = {}
    for port in ports:
        key = port._replace(remark="")
        if key not in known or port.remark:
            known[key] = port
    return tuple(known.values())


def protocol_of(word: object) -> Protocol | None:
    """TCP for `tcp`; None for what carries no ports, or is no word."""
    return _PROTOCOLS.get(word) if isinstance(word, str) else None


def port_of(number: object) -> int | None:
    """A port from a number or its decimal digits; None for anything else, 0 and 65536 too."""
    if isinstance(number, str):
        number = int(number) if number.isascii() and number.isdigit() and len(number) <= 5 else None
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= LAST_PORT:
        return number
    return None


def address(ip: str, port: int) -> str:
    """An address and port as one word."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip or '*'}:{port}"


def plain_ip(text: str) -> str | None:
    """A canonical IP from `10.0.0.1` or `10.0.0.1/32`; None for a network or what is no address."""
    ip, slash, length = text.partition("/")
    if slash and length != ("128" if ":" in ip else "32"):
        return None
    canonical = canonical_ip(ip)
    return canonical if not canonical or _is_ip(canonical) else None


def _is_ip(canonical: str) -> bool:
    # `canonical_ip` leaves a word that is no address as it is; every address has a dot or a colon and nothing odd.
    return (
        bool(canonical)
        and all(c in "0123456789abcdef.:%" for c in canonical)
        and ("." in canonical or ":" in canonical)
    )
