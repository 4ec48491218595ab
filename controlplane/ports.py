"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

_LOWEST = 15000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on.

    They lie below the ephemeral range: there, an outgoing connection could take the port of an API server
    that a test has just killed, and it could not come back on it.
    """
    candidates = _candidates()
    return [next(candidates) for _ in range(count)]


def _candidates() -> Iterator[int]:
    ports = list(range(_LOWEST, _first_ephemeral()))
    random.SystemRandom().shuffle(ports)
    return (port for port in ports if _is_free(port))


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError):
        return 32768
    return first if first > _LOWEST + 1000 else 65536


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
