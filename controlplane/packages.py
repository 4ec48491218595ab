"""Debian packages that a real node needs, installed where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from controlplane.errors import NoPackageSourceError, PackageError

# A machine with several jobs on it: whoever comes second waits for dpkg's lock.
_APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2"]
# Without it a mirror that could not be reached is a warning.
_UPDATE = ["update", "-o", "APT::Update::Error-Mode=any"]


def provide_packages(*names: str) -> None:
    """Have these packages installed; raise `PackageError` if they are not and can't be.

    It is `NoPackageSourceError` where this machine has nowhere to get them from.
    """
    missing = missing_packages(names)
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise NoPackageSourceError(missing, "this is no Debian, and nothing else is known here")
    if os.geteuid() != 0:
        raise NoPackageSourceError(missing, "only root can install packages")
    _install(missing)


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those that dpkg does not call installed; all of them where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return list(names)
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    states = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    return [name for name in names if states.get(name) != "installed"]


def _install(names: Sequence[str]) -> None:
    install = [*_APT, "install", "--yes", "--no-install-recommends", *names]
    if not _run(install).returncode:
        return
    # Most often the lists are older than the mirror, or have never been read.
    updated, done = _run([*_APT, *_UPDATE]), _run(install)
    if done.returncode:
        kind = NoPackageSourceError if updated.returncode else PackageError
        said = f"{updated.stderr}{done.stderr}".strip()[-1000:]
        raise kind(names, f"apt-get could not install them: {said}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
