"""Listening sockets as /proc/net shows them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from hostport.api.ports import Protocol, canonical_ip
from hostport.node.facts import Complain, Socket, port_of

# Columns of net/ipv4/tcp_ipv4.c (get_tcp4_sock) and net/ipv4/udp.c: slot, local, remote, state, queues, timer,
# retransmits, uid, timeout, inode. The IPv6 files have longer addresses.
_LINE = re.compile(
    r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (?:[0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2})"
    r" \S+ \S+ \S+ +\d+ +\d+ (\d{1,20})(?: .*)?",
    re.ASCII,
)
# TCP_LISTEN; for UDP, TCP_CLOSE is a socket that is bound and not connected (include/net/tcp_states.h).
_STATE = {Protocol.TCP: "0A", Protocol.UDP: "07"}
# net/sctp/proc.c: endpoint, socket, style, state, bucket, local port, uid, inode, local addresses.
_ENDPOINT = re.compile(r"\s*\S+ +\S+ +\d+ +(\d+) +\d+ +(\d+) +\d+ +(\d{1,20}) *(.*)", re.ASCII)
_SCTP_LISTENING = 10

Order = Literal["little", "big"]


def sockets(text: str, protocol: Protocol, complain: Complain, order: Order = sys.byteorder) -> Iterator[Socket]:
    """The listening sockets of /proc/net/tcp, tcp6, udp or udp6. `order` is the byte order of that machine."""
    for line in text.splitlines()[1:]:
        match = _LINE.fullmatch(line)
        if match is None:
            complain(line)
        elif match[4] == _STATE[protocol] and match[3] == "0000":
            port = port_of(int(match[2], 16))
            if port is not None:
                yield Socket(protocol, _address(match[1], order), port, int(match[5]))


def sctp_endpoints(text: str, complain: Complain) -> Iterator[Socket]:
    """The listening endpoints of /proc/net/sctp/eps, one for each of their addresses."""
    for line in text.splitlines()[1:]:
        match = _ENDPOINT.fullmatch(line)
        port = port_of(match[2]) if match else None
        if match is None or (port is None and match[2] != "0"):
            complain(line)
        elif port is not None and int(match[1]) == _SCTP_LISTENING:
            for ip in match[4].split() or [""]:
                yield Socket(Protocol.SCTP, canonical_ip(ip), port, int(match[3]))


def _address(digits: str, order: Order) -> str:
    """The kernel prints an address as words of four bytes, each in the machine's byte order."""
    words = (bytes.fromhex(digits[i : i + 8]) for i in range(0, len(digits), 8))
    raw = b"".join(word[::-1] if order == "little" else word for word in words)
    if len(raw) == 4:
        return canonical_ip(str(IPv4Address(raw)))
    six = IPv6Address(raw)
    return canonical_ip(str(six.ipv4_mapped or six))


def ephemeral_range(text: str) -> tuple[int, int] | None:
    """The first and last port of /proc/sys/net/ipv4/ip_local_port_range; None if that is not what stands there."""
    words = text.split()
    ports = [port_of(word) for word in words]
    if len(ports) != 2 or ports[0] is None or ports[1] is None or ports[0] > ports[1]:
        return None
    return ports[0], ports[1]
