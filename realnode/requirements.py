"""Whether this machine can have a real node, and the Debian packages that make it one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from controlplane.errors import NoPackageSourceError
from controlplane.golang import Say
from controlplane.packages import missing_packages, provide_packages
from realnode.errors import ImpossibleError, ProgramError, RealNodeError
from realnode.run import run

# Each program of a node, and the Debian package that has it.
_NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "busybox": "busybox-static",
    "socat": "socat",
}
_BUILDER = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
_NAMESPACES = {
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def require_machine(programs: Mapping[str, str], say: Say) -> None:
    """Have a machine on which namespaces can be made, with these programs, each a key with its Debian package.

    Raises `ImpossibleError` where this one can't be that, and `PackageError` where it could be and was not.
    """
    _require_root()
    _require_programs({**_NAMESPACES, **programs}, say)
    _try_namespaces()


def require_node(say: Say) -> None:
    """Have a machine that can have a real node, and all that runs on it; raises as `require_machine` does."""
    require_machine(_NODE, say)


def what_is_missing() -> str:
    """Why this machine can't have a real node as it stands, without installing anything; empty where it can."""
    try:
        _require_root()
        if missing := _not_on_path({**_NAMESPACES, **_NODE}):
            return f"it lacks {', '.join(missing)}"
        _try_namespaces()
    except ImpossibleError as error:
        return error.why
    return ""


def require_builder(say: Say) -> None:
    """Have what builds the images; raises as `require_machine` does."""
    require_machine(_BUILDER, say)


def _require_root() -> None:
    if sys.platform != "linux":
        raise ImpossibleError(f"a kubelet needs Linux, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise ImpossibleError("only root can make network namespaces and mounts; run it as root")
    os.environ["PATH"] = _with_sbin(os.environ.get("PATH", os.defpath))


def _require_programs(programs: Mapping[str, str], say: Say) -> None:
    wanted = _not_on_path(programs)
    missing = missing_packages(wanted)
    if missing:
        say(f"Installing Debian packages: apt-get install {' '.join(missing)}")
    try:
        provide_packages(*wanted)
    except NoPackageSourceError as error:
        raise ImpossibleError(str(error)) from error


def _not_on_path(programs: Mapping[str, str]) -> list[str]:
    return sorted({package for program, package in programs.items() if not shutil.which(program)})


def find_program(name: str) -> str:
    """Where a program is; raise `RealNodeError` if it is not there."""
    path = shutil.which(name)
    if not path:
        package = {**_NAMESPACES, **_NODE}.get(name, name)
        raise RealNodeError(f"there is no program {name} on PATH; Debian's package {package} has it")
    return path


def _with_sbin(path: str) -> str:
    there = path.split(os.pathsep)
    return os.pathsep.join([*there, *(folder for folder in _SBIN.split(":") if folder not in there)])


def _try_namespaces() -> None:
    # A container that was not given the right to make them fails here, and nowhere later with a riddle.
    tried = "mount -t tmpfs hostport /mnt; ip link add hp-probe type veth peer name hp-probe1; nft list ruleset"
    try:
        run(["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", tried])
    except (ProgramError, OSError) as error:
        raise ImpossibleError(f"namespaces, mounts, veth devices or nftables are not to be had: {error}") from error
