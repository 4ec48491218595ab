"""The shell in which the commands are typed that the audience sees."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from demo.errors import Surprise
from demo.ground import Ground

ROOT = Path(__file__).parents[1]
ON_NODE = "on-node"
_LOOPBACK = "localhost,127.0.0.1"


class Shell:
    """Runs command lines in the checkout's top folder, as an admin of the cluster, and keeps what they print."""

    def __init__(self, kubeconfig: Path, kubectl: Path, folder: Path, ground: Ground) -> None:
        (folder / "bin").mkdir()
        if ground.within:
            _write_program(folder / "bin" / ON_NODE, [*ground.within])
        (folder / "bin" / "kubectl").symlink_to(kubectl)
        path = [str(folder / "bin"), sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "KUBECONFIG": str(kubeconfig),
            # A cache of its own: the user's may remember the API of an earlier cluster on the same port.
            "KUBECACHEDIR": str(folder / "cache"),
            # The user's own kubectl aliases and defaults would change what is printed.
            "KUBERC": "off",
            # A proxy is of no use on the way to this machine.
            "NO_PROXY": f"{_LOOPBACK},{ground.address}",
            "no_proxy": f"{_LOOPBACK},{ground.address}",
        }

    def find(self, program: str) -> str | None:
        """Where a program is, if it is there."""
        return shutil.which(program, path=self.environment["PATH"])

    def run(self, command: str) -> str:
        """What the command prints; raise if it fails."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Surprise(f"`{command}` succeeds", f"exit code {done.returncode}:\n{done.stdout.rstrip()}")
        return done.stdout.rstrip()


def _write_program(path: Path, prefix: Sequence[str]) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join(prefix)} "$@"\n')
    path.chmod(0o755)
