"""A ledger's store in memory, and what can go wrong with the real one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from hostport.api.lease import Lease, LeaseKey
from hostport.ledger.block import Block, Changes, Lost, Missing, Span, Stored, Unknown

Step = Callable[[], Awaitable[None]]


class Seen(NamedTuple):
    """What a watch says of a block."""

    pool: str
    span: Span
    home: bool
    stored: Stored


@dataclass
class Kept:
    """One object: a pool with its status, or a HostPortBlock."""

    pool: str
    span: Span | None
    is_pool: bool
    version: int
    leases: dict[LeaseKey, Lease] = field(default_factory=dict)
    status: dict[str, object] = field(default_factory=dict)
    held: bool = False
    terminating: bool = False


async def _at_once() -> None:
    pass


class MemoryStore:
    """Keeps blocks as the API server does: a write names the resourceVersion it has read and is refused (`Lost`) where
    the object has another by now; versions grow over all objects.

    `before_write` runs as a write arrives: the place for a rival who is faster, or for a write that is a long time on
    its way. `lose_request` lets the next write never arrive, `lose_answer` lets it be carried out and the answer get
    lost: both are `Unknown` to the writer. `pace` is awaited before and after everything. Whoever is in `watchers` is
    told of every write, before the writer himself has his answer. `writes` counts those that were carried out.
    """

    def __init__(self, *pools: str) -> None:
        self._version = 0
        self._objects: dict[str, Kept] = {}
        self.watchers: list[Callable[[Seen], None]] = []
        self.pace: Step = _at_once
        self.before_write: Step = _at_once
        self.lose_request = self.lose_answer = False
        self.writes = 0
        for pool in pools or ("main",):
            self._objects[pool] = Kept(pool, None, is_pool=True, version=self._next())

    # What the ledger asks for

    async def hold(self, pool: str) -> None:
        """The pool's finalizer."""
        await self.pace()
        kept = self._object(pool)
        if kept.terminating:
            raise Lost
        if not kept.held:
            kept.held = True
            kept.version = self._next()

    async def read(self, block: Block) -> Stored:
        """The block as it stands."""
        await self.pace()
        return self._stored(self._object(_path(block)))

    async def create(self, block: Block) -> Stored:
        """An empty block, or the one there is."""
        await self.pace()
        path = _path(block)
        if path not in self._objects:
            self._objects[path] = Kept(block.pool, block.span, is_pool=False, version=self._next())
            self._tell(self._objects[path])
        return self._stored(self._objects[path])

    async def write(self, block: Block, changes: Changes) -> str:
        """The compare-and-set."""

        def carry_out(kept: Kept) -> None:
            if block.home:
                assert kept.span in (None, block.span), "the API server refuses to move a pool's first block"
                kept.span = block.span
            for key, lease in changes.items():
                if lease is None:
                    kept.leases.pop(key, None)
                else:
                    kept.leases[key] = lease

        return await self._set(block, carry_out)

    async def write_status(self, block: Block, status: dict[str, object]) -> str:
        """The rest of a status."""
        return await self._set(block, lambda kept: kept.status.update(status))

    # What the tests ask for

    def leases(self, pool: str = "main") -> dict[str, str]:
        """Key and owner of every lease, as it stands in the store."""
        found = [kept for kept in self._objects.values() if kept.pool == pool]
        return {str(key): lease.owner for kept in found for key, lease in kept.leases.items()}

    def everything(self) -> dict[tuple[str, LeaseKey], Lease]:
        """Every lease of every pool."""
        return {(k.pool, key): lease for k in self._objects.values() for key, lease in k.leases.items()}

    def objects(self) -> dict[str, str]:
        """The objects, and the numbers whose leases stand in them."""
        return {path: str(kept.span or "") for path, kept in self._objects.items()}

    def status(self, pool: str) -> dict[str, object]:
        """A pool's status beside its leases."""
        return self._objects[pool].status

    def terminate(self, pool: str) -> None:
        """Delete a pool that has no finalizer yet."""
        self._objects[pool].terminating = True

    def open(self, pool: str, span: Span) -> None:
        """Give a pool its first block, as another version of the operator would have made it."""
        self._objects[pool].span = span
        self._objects[pool].version = self._next()

    def drop(self, path: str) -> None:
        """Tear an object away by force."""
        del self._objects[path]

    def seen(self, path: str) -> Seen:
        """An object as a watch shows it."""
        kept = self._object(path)
        assert kept.span is not None
        return Seen(kept.pool, kept.span, kept.is_pool, self._stored(kept))

    # Inside

    async def _set(self, block: Block, carry_out: Callable[[Kept], None]) -> str:
        based_on = block.version
        await self.pace()
        before, self.before_write = self.before_write, _at_once
        await before()
        if self.lose_request:
            self.lose_request = False
            raise Unknown
        kept = self._object(_path(block))
        if based_on != str(kept.version):
            raise Lost
        carry_out(kept)
        kept.version = self._next()
        self.writes += 1
        self._tell(kept)
        answer = str(kept.version)
        if self.lose_answer:
            self.lose_answer = False
            raise Unknown
        await self.pace()
        return answer

    def _object(self, path: str) -> Kept:
        if path not in self._objects:
            raise Missing
        return self._objects[path]

    def _stored(self, kept: Kept) -> Stored:
        return Stored(str(kept.version), dict(kept.leases), kept.span if kept.is_pool else None)

    def _tell(self, kept: Kept) -> None:
        if kept.span is not None:
            for watcher in self.watchers:
                watcher(Seen(kept.pool, kept.span, kept.is_pool, self._stored(kept)))

    def _next(self) -> int:
        self._version += 1
        return self._version


def _path(block: Block) -> str:
    return block.pool if block.home else block.name
