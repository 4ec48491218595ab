"""A machine within this machine: network, mounts and processes of its own.

All of it lives by its first process, which dies with us. When that one ends, even by kill -9, the kernel ends every
other process of the machine, and with the last of them go its mounts, its network, its packet filter and our end of the
cable.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import psutil

from controlplane.process import Process
from realnode.cgroups import CgroupRoot
from realnode.errors import ProgramError, RealNodeError
from realnode.requirements import find_program
from realnode.run import run

_INHABIT = Path(__file__).with_name("inhabit.py")
# 198.18.0.0/15 is set apart for testing network devices (RFC 2544): nobody's real network.
_DEVICE, _CABLES = "hostport", 250
_END_TIMEOUT = 30.0


class Machine:
    """Started by `start()`; nothing of it is left after `stop()`. `work`: a directory for its log and ready mark."""

    def __init__(self, work: Path) -> None:
        self._ready = work / "machine.ready"
        command = [*_unshare(), sys.executable, "-I", "-S", str(_INHABIT), str(self._ready)]
        self._process = Process("the node's machine", command, work / "machine.log", self._ready.exists)
        self._number = -1
        self._cgroup: CgroupRoot | None = None

    def start(self) -> None:
        """Return when its mounts are made and the cable to it is plugged in."""
        self._process.start()
        self._process.wait_healthy()
        self._cgroup = CgroupRoot(self._pid)
        self._cgroup.create()
        self._number = self._plug()
        self._run_network("ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
        self._run_network("ip", "link", "set", "eth0", "up")
        self._run_network("ip", "route", "add", "default", "via", self.outside)

    def stop(self) -> None:
        """End every process of it, and all that lives by them."""
        if self._process.pid is not None:
            _kill_first(self._process)
        if self._cgroup:
            self._cgroup.remove()
        if self._number >= 0:
            _unplug(f"{_DEVICE}{self._number}")

    def check(self) -> None:
        """Raise if its first process has ended."""
        self._process.check()

    @property
    def cgroup(self) -> str:
        """The path of the cgroup that all containers of it are under."""
        if self._cgroup is None:
            raise RealNodeError("the node's machine has not been started")
        return f"/{self._cgroup.name}"

    @property
    def address(self) -> str:
        """Its own address."""
        return f"198.18.{self._number}.2"

    @property
    def outside(self) -> str:
        """The address of this machine at the other end of the cable."""
        return f"198.18.{self._number}.1"

    @property
    def in_its_network(self) -> list[str]:
        """What stands before a command that only uses the machine's network."""
        return [find_program("nsenter"), f"--net=/proc/{self._pid}/ns/net", "--"]

    @property
    def within(self) -> list[str]:
        """What stands before a command that runs on the machine."""
        own = f"/proc/{self._pid}/ns"
        enter = [f"--net={own}/net", f"--mount={own}/mnt", f"--pid={own}/pid_for_children"]
        # nsenter stays behind as the parent of the program; killed, it would leave it running.
        return [find_program("nsenter"), *enter, "--", find_program("setpriv"), "--pdeathsig", "KILL", "--"]

    def run(self, *command: str, timeout: float = 120.0) -> str:
        """What a command prints that runs on the machine; raise `ProgramError` if it fails."""
        return run([*self.within, *command], timeout=timeout)

    @property
    def _pid(self) -> int:
        pid = self._process.pid
        if pid is None:
            raise RealNodeError("the node's machine is not running")
        return pid

    def _run_network(self, *command: str) -> None:
        run([*self.in_its_network, *command])

    def _plug(self) -> int:
        """Lay a cable, and be the only one with its number: the device's name is the lock."""
        _sweep()
        for number in range(_CABLES):
            name = f"{_DEVICE}{number}"
            if _is_there(name):
                continue
            try:
                run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self._pid)])
            except ProgramError as error:
                if "File exists" in error.output:
                    continue
                raise RealNodeError(f"no veth device could be made: {error}") from error
            run(["ip", "addr", "add", f"198.18.{number}.1/30", "dev", name])
            run(["ip", "link", "set", name, "up", "alias", str(self._pid)])
            return number
        raise RealNodeError(f"{_CABLES} nodes are running on this machine already")


def _kill_first(unshare: Process) -> None:
    """Kill the first process: the one whose parent sees it end only when all others have ended."""
    for first in psutil.Process(unshare.pid).children():
        first.kill()
    deadline = time.monotonic() + _END_TIMEOUT
    while unshare.running and time.monotonic() < deadline:
        time.sleep(0.02)
    unshare.kill()


def _unshare() -> list[str]:
    return [find_program("unshare"), "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]


def _sweep() -> None:
    """Take out the cables of machines that are gone: a dying connection may keep the network of a killed one alive."""
    for alias in Path("/sys/class/net").glob(f"{_DEVICE}*/ifalias"):
        maker = alias.read_text().strip()
        if maker and not Path("/proc", maker).exists():
            _unplug(alias.parent.name)


def _unplug(device: str) -> None:
    # It goes with the machine's network anyway, but the kernel takes its time.
    with contextlib.suppress(ProgramError):
        run(["ip", "link", "del", device])


def _is_there(device: str) -> bool:
    return Path("/sys/class/net", device).exists()
