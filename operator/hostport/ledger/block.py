"""A block: consecutive port numbers of one pool whose leases stand in one object, the unit of compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hostport.api.lease import Lease, LeaseKey
from hostport.ledger.book import BLOCK_SIZE

Leases = Mapping[LeaseKey, Lease]
Changes = Mapping[LeaseKey, Lease | None]


class Span(NamedTuple):
    """The numbers of a block, inclusive. Aligned to absolute port numbers, so that no range ever renumbers them."""

    first: int
    last: int

    @classmethod
    def around(cls, port: int) -> Span:
        """The span that a port lies in."""
        first = port - port % BLOCK_SIZE
        return cls(first, first + BLOCK_SIZE - 1)

    @classmethod
    def parse(cls, text: str) -> Span:
        """`20000-20255`; a block of another size keeps the size it was made with."""
        first, _, last = text.partition("-")
        return cls(int(first), int(last))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class Stored(NamedTuple):
    """A block as the API server has it. `version` is the resourceVersion of the object it stands in.

    `home`: which block stands in a pool's own status, where the object is a pool and has had its first grant.
    """

    version: str
    leases: Leases
    home: Span | None = None


@dataclass(slots=True)
class Block:
    """A block as last known. `home`: it stands in the pool's own status, else in the HostPortBlock `name`.

    `doubtful`: a write may or may not have been carried out, so it must be read before anything else.
    """

    pool: str
    span: Span
    home: bool
    version: str = ""
    leases: dict[LeaseKey, Lease] = field(default_factory=dict)
    doubtful: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    newer: Stored | None = None

    @property
    def name(self) -> str:
        """The name of the HostPortBlock."""
        return f"{self.pool}-{self.span.first}"

    def take_in(self, stored: Stored) -> None:
        """Know the block as stored."""
        self.version, self.leases, self.doubtful = stored.version, dict(stored.leases), False

    def note(self, version: str, changes: Changes) -> None:
        """Know that the changes were carried out."""
        self.version = version
        for key, lease in changes.items():
            if lease is None:
                self.leases.pop(key, None)
            else:
                self.leases[key] = lease


class Lost(Exception):
    """The compare-and-set failed: somebody else has written the object. The block must be read again."""


class Missing(Exception):
    """The object of the block does not exist."""


class Unknown(Exception):
    """The answer was lost or was an error; the write may have been carried out."""


class BlockStore(Protocol):
    """Where blocks are kept. The ledger asks nothing else of the API server."""

    async def hold(self, pool: str) -> None:
        """Make the pool outlive its leases (its finalizer) before it has the first."""

    async def read(self, block: Block) -> Stored:
        """The block as it stands; raises `Missing` or `Unknown`."""

    async def create(self, block: Block) -> Stored:
        """Make an empty block, or find the one that stands there; raises `Unknown`."""

    async def write(self, block: Block, changes: Changes) -> str:
        """Write changes against `block.version`; returns the new version; raises `Lost`, `Missing` or `Unknown`."""

    async def write_status(self, block: Block, status: dict[str, object]) -> str:
        """Merge into the status of the block's object, as `write` does."""
