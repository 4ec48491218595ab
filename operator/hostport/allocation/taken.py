"""Numbers that are spoken for, by protocol and address, whatever nodes they are on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bitarray import bitarray
from bitarray.util import zeros

from hostport.api.podspec import Claim
from hostport.api.ports import SPACE, Protocol, ips_overlap


class TakenNumbers:
    """The numbers of some claims, asked for one by one or left out of those that are free, at the same cost for any
    number of claims.
    """

    __slots__ = ("_bits",)

    def __init__(self, claims: Iterable[Claim] = ()) -> None:
        self._bits: dict[tuple[Protocol, str], bitarray] = {}
        for claim in claims:
            self.add(claim.protocol, claim.port, claim.ip)

    def add(self, protocol: Protocol, port: int, ip: str) -> None:
        """One more."""
        bits = self._bits.get((protocol, ip))
        if bits is None:
            bits = self._bits[protocol, ip] = zeros(SPACE)
        bits[port] = 1

    def has(self, protocol: Protocol, port: int, ip: str) -> bool:
        """Whether a number is among them at an address that overlaps."""
        return any(bits[port] for (p, taken), bits in self._bits.items() if p == protocol and ips_overlap(taken, ip))

    def left_of(self, free: bitarray, protocols: Collection[Protocol], ip: str) -> bitarray:
        """Of the numbers that are `free` those that none of these protocols has among them at that address."""
        for (protocol, taken), bits in self._bits.items():
            if protocol in protocols and ips_overlap(taken, ip):
                free = free & ~bits
        return free
