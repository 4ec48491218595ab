"""Connections that the kernel remembers, as `conntrack -L` and /proc/net/nf_conntrack print them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hostport.node.facts import Complain, Flow, plain_ip, port_of, protocol_of

# Two tuples: how the first packet was sent, and how answers come back. /proc has the network layer in front, and both
# have words such as [UNREPLIED], packets=… between.
_FLOW = re.compile(
    r"(?:ipv[46]\s+\d+\s+)?(udp|tcp|sctp)\s+\d+\s+\d+ (?:\S+ )*?src=\S+ dst=(\S+) sport=\d+ dport=(\d+)\s"
    r"(?:\S+ )*?src=(\S+) dst=\S+ sport=(\d+) dport=\d+(?:\s.*)?",
    re.ASCII,
)


def flows(text: str, complain: Complain) -> Iterator[Flow]:
    """Those that are sent on to another address than they were sent to."""
    for line in text.splitlines():
        if " dport=" not in line:
            continue
        match = _FLOW.fullmatch(line.strip())
        if match is None:
            if line.lstrip().startswith(("udp ", "ipv4 ", "ipv6 ")):
                complain(line)
            continue
        sent_to, answered_by = plain_ip(match[2]), plain_ip(match[4])
        protocol, port, target_port = protocol_of(match[1]), port_of(match[3]), port_of(match[5])
        if protocol and port and target_port and answered_by and sent_to != answered_by:
            yield Flow(protocol, port, answered_by, target_port)
