"""The operator as a process, with its ServiceAccount's token and nothing else."""

from __future__ import annotations

import textwrap
import urllib.request
from pathlib import Path

from controlplane.errors import tail
from controlplane.ports import free_ports
from controlplane.process import Process
from demo.errors import Surprise
from demo.shell import Shell


class OperatorProcess:
    """`hostport run`."""

    def __init__(self, kubeconfig: Path, shell: Shell, folder: Path) -> None:
        self.kubeconfig = kubeconfig
        self.metrics_port, self._health_port = free_ports(2)
        self.command = f"hostport run --metrics-port {self.metrics_port} --health-port {self._health_port}"
        self._log = folder / "operator.log"
        self._process = Process("the operator", self._argv(shell), self._log, self._ready)

    def start(self) -> None:
        """Return when it is ready: when it has adopted everything."""
        self._process.start()
        self._process.wait_healthy()

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def check(self) -> None:
        """Raise if it has ended."""
        self._process.check()

    @property
    def log(self) -> str:
        """The end of what it has written."""
        return textwrap.dedent(tail(self._log)).rstrip()

    def _argv(self, shell: Shell) -> list[str]:
        program, *flags = self.command.split()
        no_proxy = f"NO_PROXY={shell.environment['NO_PROXY']}"
        return [_found(shell, "env"), f"KUBECONFIG={self.kubeconfig}", no_proxy, _found(shell, program), *flags]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _found(shell: Shell, program: str) -> str:
    found = shell.find(program)
    if not found:
        raise Surprise(f"a program {program}", "none on PATH")
    return found
