"""Rules as `iptables-save` and `ip6tables-save` print them: portmap's and kube-proxy's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hostport.api.ports import Protocol
from hostport.node.facts import Complain, Mapping, NodePort, plain_ip, port_of, protocol_of

# portmap's chains: plugins/meta/portmap/portmap_iptables.go of containernetworking/plugins.
PORTMAP_CHAIN = "CNI-HOSTPORT-DNAT"
_ENTRY = f"-A {PORTMAP_CHAIN} "
_SANDBOX_CHAIN = "-A CNI-DN-"
# kube-proxy's: pkg/proxy/iptables/proxier.go of Kubernetes.
_NODE_PORTS = "-A KUBE-NODEPORTS "
_EXTERNAL = "-A KUBE-EXTERNAL-SERVICES "

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")
_CONTAINER = re.compile(r'\bid: "([^"]*)')
_TARGET = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", re.ASCII)
_TROUBLE = re.compile(r"(\S+) (has no (?:local )?endpoints|health check node port)")

Ports = frozenset[tuple[Protocol, int]]


class _Entry(NamedTuple):
    """Which ports are sent to a sandbox's chain, and for which container."""

    container: str
    ports: Ports


class _Dnat(NamedTuple):
    chain: str
    protocol: Protocol
    ip: str
    port: int
    target_ip: str
    target_port: int


def mappings(text: str, complain: Complain) -> list[Mapping]:
    """Portmap's hostPorts. A chain that nothing jumps to does nothing, and is not told."""
    entries: dict[str, list[_Entry]] = defaultdict(list)
    found: list[_Dnat] = []
    for line in text.splitlines():
        if line.startswith(_ENTRY):
            chain, entry = _entry(line, complain)
            entries[chain].append(entry)
        elif line.startswith(_SANDBOX_CHAIN) and " DNAT " in line:
            found.extend(_dnat(line, complain))
    return list(_joined(entries, found))


def has_portmap(text: str) -> bool:
    """Whether portmap has been at work here, even if no hostPort is left."""
    return any(line.startswith(f":{PORTMAP_CHAIN} ") for line in text.splitlines())


def _joined(entries: dict[str, list[_Entry]], found: Iterable[_Dnat]) -> Iterator[Mapping]:
    for rule in found:
        entry = next((e for e in entries.get(rule.chain, ()) if (rule.protocol, rule.port) in e.ports), None)
        if entry is not None:
            yield Mapping(*rule[1:], container=entry.container, backend="iptables", chain=rule.chain)


def _entry(line: str, complain: Complain) -> tuple[str, _Entry]:
    options = _options(line)
    protocol = protocol_of(options.get("-p"))
    ports = _ports(options.get("--dports") or options.get("--dport") or "")
    container = _CONTAINER.search(options.get("--comment", ""))
    if protocol is None or ports is None or "-j" not in options:
        complain(line)
        return "", _Entry("", frozenset())
    return options["-j"], _Entry(container[1] if container else "", frozenset((protocol, p) for p in ports))


def _dnat(line: str, complain: Complain) -> Iterator[_Dnat]:
    options = _options(line)
    protocol, port = protocol_of(options.get("-p")), port_of(options.get("--dport"))
    ip = plain_ip(options.get("-d", ""))
    target = _TARGET.fullmatch(options.get("--to-destination", ""))
    target_ip = plain_ip(target[1] or target[2]) if target else None
    target_port = port_of(target[3]) if target else None
    if protocol is None or port is None or ip is None or not target_ip or target_port is None:
        complain(line)
    else:
        yield _Dnat(options["-A"], protocol, ip, port, target_ip, target_port)


def _ports(text: str) -> list[int] | None:
    """The numbers of `80,443,8000:8010`; None if one of them is none."""
    made: list[int] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        low, high = port_of(first), port_of(last if colon else first)
        if low is None or high is None:
            return None
        made.extend(range(low, high + 1))
    return made


def node_ports(text: str, complain: Complain) -> Iterator[NodePort]:
    """kube-proxy's NodePorts and health checks, those without endpoints too, which it rejects."""
    for line in text.splitlines():
        if line.startswith(_NODE_PORTS) or (line.startswith(_EXTERNAL) and " --dst-type LOCAL " in line):
            yield from _node_port(line, complain)


def _node_port(line: str, complain: Complain) -> Iterator[NodePort]:
    options = _options(line)
    if "--dport" not in options:
        return
    protocol, port, comment = protocol_of(options.get("-p")), port_of(options["--dport"]), options.get("--comment", "")
    if protocol is None or port is None:
        complain(line)
    else:
        special = _TROUBLE.fullmatch(comment)
        name, remark = (special[1], special[2]) if special else (comment, "")
        yield NodePort(protocol, port, name.partition(":")[0], remark)


def _options(line: str) -> dict[str, str]:
    """The options of a rule with their values; one that is negated (`! -d …`) is left out."""
    words = [_unquoted(match) for match in _WORD.finditer(line)]
    made: dict[str, str] = {}
    for before, word, value in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word.startswith("-") and before != "!":
            made.setdefault(word, value)
    return made


def _unquoted(match: re.Match[str]) -> str:
    return match[2] if match[1] is None else _ESCAPED.sub(r"\1", match[1])
