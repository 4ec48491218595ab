"""The ledger: one compare-and-set per block and commit.

The object is the lock. Whoever writes says which version he has read; of two who have read the same one the API server
lets only the first through, and the other reads again and plans again. Two operators may run: neither can give a
number that the other has given.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from hostport.api.lease import Lease, LeaseKey
from hostport.ledger.block import Block, BlockStore, Changes, Lost, Missing, Span, Stored, Unknown
from hostport.ledger.book import Book, Change

Outcome = Callable[[str, float], None]

# How often a commit is tried against a rival that writes the same object and changes no lease.
_TRIES = 8


class Ledger:
    """The blocks of every pool.

    `book` is what plans are made against: it may run ahead of the blocks by what is being committed. `put` is called
    for every lease that turns out to be otherwise than the book has it; `outcome` with `ok`, `conflict` or `error`
    and the seconds of every write.
    """

    def __init__(self, store: BlockStore, book: Book, put: Callable[[Change], object], outcome: Outcome) -> None:
        self._store = store
        self._book = book
        self._put = put
        self._outcome = outcome
        self._blocks: dict[str, dict[int, Block]] = defaultdict(dict)
        self._held: set[str] = set()
        self._news: set[str] = set()

    # What others have written

    def saw(self, pool: str, span: Span, *, home: bool, stored: Stored) -> set[str]:
        """Take in a block as listed or watched; returns the owners whose leases are not what the book says.

        What is older than our own last write is passed over; what arrives during a write is looked at after it. The
        echo of our own write is compared like any other: what stands there is the truth, not what we meant to write.
        """
        block = self._block(pool, span, home=home)
        if block.version and int(stored.version) < int(block.version):
            return set()
        if block.lock.locked():
            if block.newer is None or int(stored.version) >= int(block.newer.version):
                block.newer = stored
            return set()
        return self._learn(block, stored)

    def holds(self, pool: str) -> None:
        """Note that the pool carries the finalizer."""
        self._held.add(pool)

    def lost(self, pool: str, span: Span) -> set[str]:
        """A block's object is gone; returns the owners who have lost a lease."""
        block = self._blocks[pool].pop(span.first, None)
        if block is None:
            return set()
        block.leases = {}
        return self._agree(block, {})

    def forget(self, pool: str) -> None:
        """A pool is gone, and its blocks with it."""
        self._blocks.pop(pool, None)
        self._held.discard(pool)

    def blocks(self, pool: str) -> list[Block]:
        """The blocks of a pool."""
        return list(self._blocks[pool].values())

    def home(self, pool: str) -> Block | None:
        """The block that stands in the pool's own status."""
        return next((block for block in self._blocks[pool].values() if block.home), None)

    # Writing

    async def commit(self, changes: Iterable[Change]) -> set[str]:
        """Write changes that the book has already; returns the owners whose changes did not all go through.

        Their leases are in the book as the API server has them when this returns; where that can't be known now, the
        book keeps both: better to leak than to double. Returned as well are those of whom there was news meanwhile.
        """
        jobs: dict[tuple[str, int], dict[LeaseKey, Lease | None]] = defaultdict(dict)
        owners: dict[tuple[str, int], set[str]] = defaultdict(set)
        for pool, key, lease in changes:
            place = (pool, self._span(pool, key.port).first)
            jobs[place][key] = lease
            owners[place].add(lease.owner if lease else "")
        blocks = {place: self._block_for(*place) for place in jobs}
        async with asyncio.TaskGroup() as group:
            done = {place: group.create_task(self._commit(blocks[place], job)) for place, job in jobs.items()}
        failed = [place for place, written in done.items() if not written.result()]
        return {owner for place in failed for owner in owners[place]} - {""} | self.take_news()

    def take_news(self) -> set[str]:
        """The owners whose leases turned out, while something was written or read, not to be what the book said."""
        news, self._news = self._news, set()
        return news

    async def _commit(self, block: Block, changes: Changes) -> bool:
        async with block.lock:
            if not self._is_booked(block, changes):
                return False
            try:
                for _ in range(_TRIES):
                    if await self._try(block, changes):
                        break
                else:
                    self._agree(block, changes)
            finally:
                self._catch_up(block)
            return not block.doubtful and all(block.leases.get(key) == lease for key, lease in changes.items())

    async def _try(self, block: Block, changes: Changes) -> bool:
        """Write once; tells whether that was all: only if the object is new and its leases are not, try again.

        Whoever else writes the object (a status, a label) would else win for ever: the next round is far away.
        """
        known = dict(block.leases)
        try:
            await self._prepare(block)
            await self._write(block, changes)
        except (Lost, Missing):
            if await self._read_again(block) and known == block.leases and self._is_booked(block, changes):
                return False
            if not block.doubtful:
                self._agree(block, changes)
        except Unknown:
            block.doubtful = True
        return True

    def _is_booked(self, block: Block, changes: Changes) -> bool:
        """Whether the book still has the changes.

        Between the plan and its turn to write, a watch or a status write may have brought news of the block. The book
        says then what the block says, and the plan is void: written now, against the version that came with the news,
        it would pass for having known of it.
        """
        return all(self._book.get(block.pool, key) == lease for key, lease in changes.items())

    async def _prepare(self, block: Block) -> None:
        if block.pool not in self._held:
            await self._store.hold(block.pool)
            self._held.add(block.pool)
        if block.doubtful:
            raise Lost
        if not block.version:
            found = await self._store.create(block)
            block.take_in(found)
            if block.leases or self._displaced(block, found):
                raise Lost

    async def _write(self, block: Block, changes: Changes) -> None:
        began = time.monotonic()
        result = "error"
        try:
            version = await self._store.write(block, changes)
            result = "ok"
        except Lost:
            result = "conflict"
            raise
        finally:
            self._outcome(result, time.monotonic() - began)
        block.note(version, changes)

    async def _read_again(self, block: Block) -> bool:
        """Know the block as it stands; tells whether it stands where it did."""
        try:
            stored = await self._store.read(block)
        except Missing:
            self._blocks[block.pool].pop(block.span.first, None)
            self._news |= self._learn(block, Stored("", {}))
            return False
        except Unknown:
            block.doubtful = True
            return False
        if self._displaced(block, stored):
            self._move_home(block, stored)
            return False
        self._news |= self._learn(block, stored)
        return True

    def _displaced(self, block: Block, stored: Stored) -> bool:
        return block.home and stored.home is not None and stored.home != block.span

    def _move_home(self, block: Block, stored: Stored) -> None:
        """Another operator has made the first grant, elsewhere: this block is one of the further ones after all."""
        self._blocks[block.pool].pop(block.span.first, None)
        block.leases, block.doubtful = {}, False
        self._news |= self._agree(block, {})
        if stored.home is not None:
            self._news |= self.saw(block.pool, stored.home, home=True, stored=stored)

    async def clear_doubts(self) -> bool:
        """Read the blocks whose last write may or may not have gone through; tells whether all is known now."""
        doubtful = [block for blocks in self._blocks.values() for block in blocks.values() if block.doubtful]
        for block in doubtful:
            async with block.lock:
                await self._read_again(block)
        return not any(block.doubtful for block in doubtful)

    async def write_summary(self, pool: str, version: str, status: dict[str, object]) -> bool:
        """Write the rest of a pool's status by compare-and-set, against `version` where the pool has no leases."""
        block = self.home(pool) or Block(pool, Span(0, 0), home=True, version=version)
        async with block.lock:
            if block.doubtful or not block.version:
                return False
            try:
                block.version = await self._store.write_status(block, status)
            except Lost:
                if block.span.last:
                    await self._read_again(block)
                return False
            except (Missing, Unknown):
                return False
            finally:
                self._catch_up(block)
        return True

    def _catch_up(self, block: Block) -> None:
        newer, block.newer = block.newer, None
        if newer is not None and int(newer.version) > int(block.version or 0):
            self._news |= self._learn(block, newer)

    def _learn(self, block: Block, stored: Stored) -> set[str]:
        """Know a block as stored; returns the owners for whom that is news.

        Where it is none, the book is left alone: it may be ahead by a plan that is about to be written.
        """
        known, doubtful = block.leases, block.doubtful
        block.take_in(stored)
        return self._agree(block, known) if doubtful or known != block.leases else set()

    def _agree(self, block: Block, suspects: Mapping[LeaseKey, object]) -> set[str]:
        """Make the book say what the block says; returns the owners for whom that is news."""
        news: set[str] = set()
        for key in {*suspects, *block.leases, *self._booked(block)}:
            actual, booked = block.leases.get(key), self._book.get(block.pool, key)
            if actual != booked:
                self._put(Change(block.pool, key, actual))
                news.update(lease.owner for lease in (actual, booked) if lease is not None)
        return news

    def _booked(self, block: Block) -> list[LeaseKey]:
        first, last = block.span
        return [key for key in self._book.of_pool(block.pool) if first <= key.port <= last]

    # Which block

    def _span(self, pool: str, port: int) -> Span:
        for block in self._blocks[pool].values():
            if block.span.first <= port <= block.span.last:
                return block.span
        return Span.around(port)

    def _block_for(self, pool: str, first: int) -> Block:
        span = self._span(pool, first)
        return self._block(pool, span, home=not self._blocks[pool])

    def _block(self, pool: str, span: Span, *, home: bool) -> Block:
        return self._blocks[pool].setdefault(span.first, Block(pool, span, home))
