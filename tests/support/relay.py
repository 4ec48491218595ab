"""A port of this machine's loopback, reachable on the loopback of a network namespace as well."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading

from tests.support.bare_node import BareNode

_LISTEN = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"."], [listening.fileno()])
"""


class Relay:
    """Accepts in the namespace and connects here: a socket stays in the namespace in which it was made."""

    def __init__(self, node: BareNode, port: int) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = node.inside(sys.executable, "-c", _LISTEN, str(port), str(theirs.fileno()))
            subprocess.run(command, pass_fds=[theirs.fileno()], check=True)
            _, (descriptor, *_), _, _ = socket.recv_fds(ours, 1, 1)
        self._listening = socket.socket(fileno=descriptor)
        self._port = port
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                incoming, _ = self._listening.accept()
                outgoing = socket.create_connection(("127.0.0.1", self._port))
                for pair in ((incoming, outgoing), (outgoing, incoming)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
