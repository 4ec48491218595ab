"""An API server that is killed resets connections on which TLS has just begun: each is closed once.

uvloop 0.23 closes such a descriptor and leaves the socket object believing that it is open: when the object goes it
closes whatever has got that number meanwhile, an event loop's epoll too, and the process ends in libuv's
"uv__io_poll: Assertion `errno == EINTR' failed".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import kopf
import pytest

from hostport.cli.run import run
from hostport.run import main, watching
from tests.core.desk import in_a_loop

_TRIES = 30
_AT_ONCE = 10


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that resets every connection as soon as it stands."""

    def reset_all() -> None:
        with contextlib.suppress(OSError):  # the test is over
            while True:
                accepted, _ = listening.accept()
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                accepted.close()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=reset_all)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


async def closed_twice(port: int) -> int:
    """How many of many connections would be closed a second time, tried in the running loop."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tries = [await asyncio.gather(*(_would_be(port, tls) for _ in range(_AT_ONCE))) for _ in range(_TRIES)]
    return sum(map(sum, tries))


async def _would_be(port: int, tls: ssl.SSLContext) -> bool:
    loop, client = asyncio.get_running_loop(), socket.socket()
    client.setblocking(False)
    try:
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.create_connection(asyncio.Protocol, sock=client, ssl=tls, server_hostname="api")
    except OSError:
        return _is_closed_and_does_not_know(client)
    raise AssertionError("it was not reset")


def _is_closed_and_does_not_know(client: socket.socket) -> bool:
    number = client.fileno()
    if number == -1:
        return False
    try:
        os.fstat(number)
    except OSError:
        client.detach()
        return True
    client.close()
    return False


def test_in_the_loop_of_the_operator(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    async def serve(_: main.Options) -> None:
        found.append(await closed_twice(port))

    monkeypatch.setattr(main, "serve", serve)
    run()

    assert found == [0]


@in_a_loop
async def test_in_the_loop_of_kopf(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asyncio.get_running_loop().create_future()

    async def operator(*, stop_flag: threading.Event, **_: object) -> None:
        twice = await closed_twice(port)
        found.get_loop().call_soon_threadsafe(found.set_result, twice)
        await asyncio.to_thread(stop_flag.wait)

    monkeypatch.setattr(kopf, "operator", operator)
    watch = watching.Watch(None, None, (), lambda _: None)  # type: ignore[arg-type]
    running = asyncio.create_task(watch.run())

    assert await found == 0
    running.cancel()
    await asyncio.wait([running])
