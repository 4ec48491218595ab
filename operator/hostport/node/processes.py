"""Which process a socket belongs to, and which Pod a process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hostport.node.facts import Process

# The cgroup of a container under the kubelet: …/pod<uid>/… (cgroupfs) or …-pod<uid with _>.slice/… (systemd):
# pkg/kubelet/cm/pod_container_manager_linux.go.
_POD = re.compile(r"\bpod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./]|$)", re.MULTILINE)
_SOCKET = re.compile(r"socket:\[([0-9]{1,20})\]", re.ASCII)


def pod_uid(cgroup: str) -> str:
    """The uid of the Pod that a process with this /proc/PID/cgroup runs in; empty for a process of the node's own."""
    match = _POD.search(cgroup)
    return match[1].replace("_", "-") if match else ""


def holders(proc: Path, inodes: Iterable[int]) -> dict[int, Process]:
    """The process of each of these sockets, as far as we may see; `proc` is /proc."""
    wanted = set(inodes)
    found: dict[int, Process] = {}
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        for inode in _sockets(proc / str(pid) / "fd") & wanted:
            found.setdefault(inode, _process(proc / str(pid), pid))
    return found


def _sockets(fds: Path) -> set[int]:
    return {int(match[1]) for link in _links(fds) if (match := _SOCKET.fullmatch(link))}


def _links(fds: Path) -> Iterator[str]:
    """What a process has open; processes and files come and go while we look, and some we may not look into."""
    try:
        names = os.listdir(fds)  # noqa: PTH208 - pathlib makes an object of each, which a busy node has many of
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{fds}/{name}")  # noqa: PTH115
        except OSError:
            continue


def _process(folder: Path, pid: int) -> Process:
    return Process(pid, _read(folder / "comm").strip() or "?", pod_uid(_read(folder / "cgroup")))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
