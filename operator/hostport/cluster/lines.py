"""A stream of bytes as lines, each read once however long it is."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

# The API server takes requests of up to 3 MiB and writes `<`, `>`, `&` and control characters as six bytes each: an
# object may be 18 MiB in JSON, and 60 with an etcd that was told to store 10 MiB (--max-request-bytes).
MOST_BYTES = 64 * 2**20


class LineTooLong(ValueError):
    """A line is longer than anything that the API server can have to say."""


async def lines(chunks: AsyncIterable[bytes], most: int = MOST_BYTES) -> AsyncIterator[bytes]:
    """The lines without their ends, empty ones left out; the rest after the last end is a line as well.

    Raises `LineTooLong` for one of more than `most` bytes, as soon as so many are there.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join((*parts, end))
            parts, size = [], 0
            if line:
                yield line
        parts.append(rest)
        size += len(rest)
        if size > most:
            raise LineTooLong(f"a line of more than {most} bytes")
    if size:
        yield b"".join(parts)
