"""Port numbers, protocols, and sets of them.

A hostPort is 1 to 65535; a set of them is 65,536 bits (bit 0 is never set), searched in C by `bitarray`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from bitarray import bitarray
from bitarray.util import zeros

from hostport.api.errors import BadRange

LAST_PORT = 65535
SPACE = LAST_PORT + 1

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Protocol(StrEnum):
    """A transport protocol of `core/v1.ContainerPort`."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"

    # Enum hashes in Python, and protocols are in every key of the allocator.
    __hash__ = str.__hash__


def known_protocol(text: str | None) -> Protocol | None:
    """The protocol of an entry of a manifest, TCP if it names none; None for one that a later Kubernetes may know."""
    return _PROTOCOLS.get(text or "TCP")


_PROTOCOLS: dict[str, Protocol] = {protocol.value: protocol for protocol in Protocol}


def parse_range(text: str) -> tuple[int, int]:
    """`"10012"` or `"20000-29999"` as inclusive bounds; raises `BadRange`."""
    match = _RANGE.fullmatch(text) if text.isascii() else None
    if match is None:
        raise BadRange(text, "write 10012, or 20000-29999")
    first = int(match[1])
    last = int(match[2] or match[1])
    if not 1 <= first <= LAST_PORT or not 1 <= last <= LAST_PORT:
        raise BadRange(text, f"ports go from 1 to {LAST_PORT}")
    if first > last:
        raise BadRange(text, "it runs backwards")
    return first, last


class PortSet:
    """A set of port numbers. `bits` is the set itself, for those who search."""

    __slots__ = ("bits",)

    def __init__(self, bits: bitarray | None = None) -> None:
        self.bits = zeros(SPACE) if bits is None else bits

    @classmethod
    def of(cls, ranges: Iterable[str]) -> PortSet:
        """The ports of ranges as they stand in a manifest; raises `BadRange`."""
        made = cls()
        for text in ranges:
            first, last = parse_range(text)
            made.bits[first : last + 1] = True
        return made

    @classmethod
    def span(cls, first: int, last: int) -> PortSet:
        """All ports from `first` to `last`."""
        made = cls()
        made.bits[first : last + 1] = True
        return made

    def __contains__(self, port: int) -> bool:
        return bool(self.bits[port])

    def __iter__(self) -> Iterator[int]:
        return self.bits.search(1)

    def __len__(self) -> int:
        return self.bits.count()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortSet) and self.bits == other.bits

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: PortSet) -> PortSet:
        return PortSet(self.bits & other.bits)

    def __or__(self, other: PortSet) -> PortSet:
        return PortSet(self.bits | other.bits)

    def __sub__(self, other: PortSet) -> PortSet:
        return PortSet(self.bits & ~other.bits)

    def __str__(self) -> str:
        return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.ranges()) or "none"

    def __repr__(self) -> str:
        return f"PortSet({self})"

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The set as inclusive runs, lowest first."""
        first = self.bits.find(1)
        while first >= 0:
            end = self.bits.find(0, first)
            yield first, (end if end >= 0 else SPACE) - 1
            first = self.bits.find(1, end) if end >= 0 else -1

    def nearest(self, port: int) -> int | None:
        """The member closest to `port`, the higher one if two are as close."""
        above = self.bits.find(1, port)
        below = self.bits.find(1, 0, port, right=True)
        found = [(abs(n - port), -n) for n in (above, below) if n >= 0]
        return -min(found)[1] if found else None


def canonical_ip(text: str) -> str:
    """A host IP in the one spelling in which addresses are compared; a word that is no address stays as it is.

    The scheduler compares hostIPs as strings (`HostPortInfo` in kube-scheduler's framework/types.go), the kernel does
    not: `2001:DB8::1` and `2001:db8::1` are one listener. `""` and `0.0.0.0` are both "every address".
    """
    if text in ("", "0.0.0.0"):  # noqa: S104
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def ips_overlap(one: str, other: str) -> bool:
    """Whether two canonical host IPs can't both carry the same port."""
    if one == other or not one or not other:
        return True
    return ("::" in (one, other)) and _is_v6(one) and _is_v6(other)


def _is_v6(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address)
    except ValueError:
        return False
