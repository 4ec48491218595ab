"""Whether this machine can have a real node, and the Debian packages that make it one."""

from __future__ import annotations

import os
import shutil
import sys

from controlplane.errors import PackageError
from controlplane.golang import Say
from controlplane.packages import missing_packages, provide_packages
from realnode.errors import ImpossibleError, ProgramError
from realnode.run import run

# Each program of a node, and the Debian package that has it.
_NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "busybox": "busybox-static",
    "socat": "socat",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def require_machine() -> None:
    """Raise `ImpossibleError` where no package could help."""
    if sys.platform != "linux":
        raise ImpossibleError(f"a kubelet needs Linux, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise ImpossibleError("only root can make network namespaces and mounts; run it as root")
    _try_namespaces()


def require_programs(programs: dict[str, str], say: Say) -> None:
    """Have every program there, each a key with its Debian package; raise `ImpossibleError` or `PackageError`."""
    os.environ["PATH"] = _with_sbin(os.environ.get("PATH", os.defpath))
    wanted = sorted({package for program, package in programs.items() if not shutil.which(program)})
    missing = missing_packages(wanted)
    if missing:
        say(f"Installing Debian packages: apt-get install {' '.join(missing)}")
    try:
        provide_packages(*wanted)
    except PackageError as error:
        if not shutil.which("apt-get"):
            raise ImpossibleError(str(error)) from error
        raise


def require_node_programs(say: Say) -> None:
    """What runs on the node."""
    require_programs(_NODE, say)


def find_program(name: str) -> str:
    """Where a program is; raise `ImpossibleError` if it is not there."""
    path = shutil.which(name)
    if not path:
        raise ImpossibleError(f"there is no program {name} on PATH (Debian's package {_NODE.get(name, name)})")
    return path


def _with_sbin(path: str) -> str:
    there = path.split(os.pathsep)
    return os.pathsep.join([*there, *(folder for folder in _SBIN.split(":") if folder not in there)])


def _try_namespaces() -> None:
    # A container that was not given the right to make them fails here, and nowhere later with a riddle.
    script = "mount -t tmpfs hostport /mnt && ip link add hp-probe type veth peer name hp-probe1"
    try:
        run(["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", script])
    except (ProgramError, OSError) as error:
        raise ImpossibleError(f"network namespaces, mounts or veth devices are not to be had: {error}") from error
