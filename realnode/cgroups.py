"""The cgroup under which all containers of a node are, in every hierarchy of cgroup v1 or in the one of v2."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from realnode.errors import ImpossibleError

_PREFIX = "hostport-node-"
_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


class CgroupRoot:
    """A cgroup with the number of the process that made it in its name."""

    def __init__(self, number: int) -> None:
        self.name = f"{_PREFIX}{number}"

    def create(self) -> None:
        """Make it, and remove those whose makers are gone."""
        hierarchies = list(_hierarchies())
        if not hierarchies:
            raise ImpossibleError("no cgroups are mounted at /sys/fs/cgroup")
        for hierarchy in hierarchies:
            _sweep(hierarchy)
            try:
                (hierarchy / self.name).mkdir(exist_ok=True)
            except OSError as error:
                raise ImpossibleError(f"no cgroup can be made: {error}") from error
            _delegate(hierarchy, hierarchy / self.name)

    def remove(self) -> None:
        """Remove it. Nothing may run in it any more."""
        for hierarchy in _hierarchies():
            _remove(hierarchy / self.name)


def _hierarchies() -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith(("cgroup ", "cgroup2 ")):
            yield Path(before.split()[4])


def _delegate(hierarchy: Path, cgroup: Path) -> None:
    """Cgroup v2: hand each controller there is down to the cgroup's children. Nothing to do in v1."""
    listed = hierarchy / "cgroup.controllers"
    for controller in listed.read_text().split() if listed.exists() else ():
        if controller in _CONTROLLERS:
            for level in (hierarchy, cgroup):
                with contextlib.suppress(OSError):  # the kubelet says which one it misses
                    (level / "cgroup.subtree_control").write_text(f"+{controller}")


def _sweep(hierarchy: Path) -> None:
    for left in hierarchy.glob(f"{_PREFIX}*"):
        number = left.name.removeprefix(_PREFIX)
        if number.isdigit() and not Path("/proc", number).exists():
            _remove(left)


def _remove(cgroup: Path) -> None:
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
