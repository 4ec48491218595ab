"""Which of the free numbers: a policy says where to begin, the search goes up from there and once around."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from random import Random

from bitarray import bitarray

from hostport.api.ports import SPACE

_DARTS = 6


def next_free(bits: bitarray, start: int) -> int:
    """The first free number from `start` on, going around at the end; -1 if none is."""
    found = bits.find(1, start)
    return found if found >= 0 else bits.find(1, 0, start)


def lowest_run(free: Sequence[bitarray], block: int) -> int:
    """Where the lowest run begins whose every number is free in the bits of its turn; -1 if none is.

    Inside one block of `block` numbers if one fits.
    """
    starts, fallback = free[0].copy(), -1
    for turn, bits in enumerate(free[1:], start=1):
        starts &= bits << turn
    at = starts.find(1)
    while at >= 0:
        if at % block + len(free) <= block:
            return at
        fallback = at if fallback < 0 else fallback
        # No run inside this block can begin before the block's end: go on in the next.
        at = starts.find(1, (at // block + 1) * block)
    return fallback


def random_start(bits: bitarray, rng: Random) -> int:
    """A free number if one of a few darts hits it (each as likely as the other), else somewhere to begin."""
    first, last = bits.find(1), bits.find(1, right=True)
    if first < 0:
        return 0
    width, dart = last - first + 1, first
    for _ in range(_DARTS):
        dart = first + int(rng.random() * width)
        if bits[dart]:
            break
    return dart


def stable_start(identity: str, bits: bitarray) -> int:
    """A place that depends on the identity and the range alone, so that a workload finds its number again."""
    first, last = bits.find(1), bits.find(1, right=True)
    digest = int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "big")
    return first + digest % (last - first + 1) if first >= 0 else 0


class Cursors:
    """Where RoundRobin goes on in each pool."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def get(self, pool: str) -> int:
        """The number after the one given last."""
        return self._next.get(pool, 0)

    def forget(self, pool: str) -> None:
        """A pool is gone."""
        self._next.pop(pool, None)

    def gave(self, pool: str, port: int) -> None:
        """Note that `port` was given."""
        self._next[pool] = (port + 1) % SPACE

    def reset(self, pool: str, port: int) -> None:
        """Go on at `port`."""
        self._next[pool] = port
