"""Which of the free numbers: a policy says where to begin, the search goes up from there and once around."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from random import Random

from bitarray import bitarray
from bitarray.util import ones

from hostport.api.ports import SPACE

_DARTS = 6


def next_free(bits: bitarray, start: int) -> int:
    """The first free number from `start` on, going around at the end; -1 if none is."""
    found = bits.find(1, start)
    return found if found >= 0 else bits.find(1, 0, start)


def lowest_run(bits: bitarray, length: int, block: int) -> int:
    """Where the lowest run of `length` free numbers begins, inside one block of `block` if one fits; -1 if none is."""
    wanted, fallback = ones(length), -1
    at = bits.find(wanted)
    while at >= 0:
        if at % block + length <= block:
            return at
        fallback = at if fallback < 0 else fallback
        # No run inside this block can begin before the block's end: go on in the next.
        at = bits.find(wanted, (at // block + 1) * block)
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

    def gave(self, pool: str, port: int) -> None:
        """Note that `port` was given."""
        self._next[pool] = (port + 1) % SPACE


Start = Callable[[bitarray], int]
