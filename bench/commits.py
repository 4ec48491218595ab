"""What a commit to the ledger costs, by how many leases its block holds: the measurement behind the block size."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator

from controlplane.cluster import ControlPlane
from hostport.api.lease import Lease, LeaseKey
from hostport.api.ports import Protocol
from hostport.cluster.blocks import KubernetesBlocks
from hostport.cluster.client import Api
from hostport.ledger.block import Block, Span
from hostport.ledger.book import Book, Change
from hostport.ledger.ledger import Ledger

_SIZES = (64, 128, 256, 512, 1024)
_PER_COMMIT = (1, 16)
_FIRST = 1024


def by_size(plane: ControlPlane) -> list[tuple[int, int, float, float]]:
    """(block size, leases per commit, milliseconds per commit over a block's whole life, when it is nearly full)."""
    return asyncio.run(_measure(plane))


async def _measure(plane: ControlPlane) -> list[tuple[int, int, float, float]]:
    api = await Api.connect(str(plane.kubeconfig))
    try:
        store = KubernetesBlocks(api)
        return [await _life(store, size, each, i) for i, (size, each) in enumerate(_cases())]
    finally:
        await api.close()


def _cases() -> Iterator[tuple[int, int]]:
    return ((size, each) for size in _SIZES for each in _PER_COMMIT)


async def _life(store: KubernetesBlocks, size: int, each: int, number: int) -> tuple[int, int, float, float]:
    first = _FIRST * (number + 1)
    block = Block("default", Span(first, first + size - 1), home=False)
    block.take_in(await store.create(block))
    took = []
    for at in range(first, first + size, each):
        changes = {LeaseKey(port, Protocol.TCP): _lease(port) for port in range(at, at + each)}
        began = time.monotonic()
        block.note(await store.write(block, changes), changes)
        took.append((time.monotonic() - began) * 1e3)
    return size, each, statistics.mean(took), statistics.median(took[-max(4, len(took) // 10) :])


def _lease(port: int) -> Lease:
    uid = "8d7e0000-0000-4000-8000-000000000000"
    return Lease(f"Deployment/default/nginx-{port}", uid, "nginx/http", "2026-11-23T05:00:00Z", "k3v9q/1")


def life_of_a_pool(plane: ControlPlane, leases: int = 20000, each: int = 16) -> list[tuple[int, float]]:
    """(leases so far, median milliseconds per commit of the last thousand) as one pool fills through the ledger."""
    return asyncio.run(_fill(plane, leases, each))


async def _fill(plane: ControlPlane, leases: int, each: int) -> list[tuple[int, float]]:
    api = await Api.connect(str(plane.kubeconfig))
    try:
        book = Book()
        ledger = Ledger(KubernetesBlocks(api), book, book.set, lambda *_: None)
        rows, took = [], []
        for at in range(20000, 20000 + leases, each):
            changes = [Change("filling", LeaseKey(port, Protocol.TCP), _lease(port)) for port in range(at, at + each)]
            for change in changes:
                book.set(change)
            began = time.monotonic()
            if await ledger.commit(changes):
                raise AssertionError("a commit failed")
            took.append((time.monotonic() - began) * 1e3)
            if (at - 20000 + each) % 2000 == 0:
                rows.append((at - 20000 + each, statistics.median(took)))
                took.clear()
        return rows
    finally:
        await api.close()
