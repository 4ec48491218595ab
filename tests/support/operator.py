"""The operator as a process, run as it is in a cluster: with its ServiceAccount and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from controlplane.cluster import ControlPlane
from controlplane.ports import free_ports
from tests.support.wait import until

PROGRAM = (sys.executable, "-c", "from hostport.cli.main import main; main()")

# Late is not away: on a machine with other things to do an answer may take its time.
_ANSWER_SECONDS = 30.0


class OperatorProcess:
    """`hostport run`. `log` is what it has written; `server`: where it is to think the API server is;
    `env`: what is to be different in its environment.
    """

    def __init__(
        self, plane: ControlPlane, folder: Path, *flags: str, server: str = "", env: Mapping[str, str] | None = None
    ) -> None:
        self.plane = plane
        self._log_file = folder / "operator.log"
        self._flags = flags
        self._env = env or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._kubeconfig = plane.kubeconfig_for_service_account("hostport-system", "hostport-operator")
        if server:
            through = folder / "through.kubeconfig"
            through.write_text(self._kubeconfig.read_text().replace(plane.url, server))
            self._kubeconfig = through
        self.metrics_port, self.health_port = free_ports(2)

    def start(self, seconds: float = 90) -> None:
        """Start it and wait until it is ready: everything adopted."""
        self.launch()
        until(self.is_ready, "the operator is ready", lambda: self.log[-2000:], seconds)

    def launch(self, program: Sequence[str] = PROGRAM, env: Mapping[str, str] | None = None) -> None:
        """Start it, or another program in its place, and don't wait for anything."""
        ports = ["--metrics-port", str(self.metrics_port), "--health-port", str(self.health_port)]
        command = [*program, "run", *ports, *self._flags]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._env, **(env or {}), "KUBECONFIG": str(self._kubeconfig)},
                stdout=log,
                stderr=log,
            )

    def is_ready(self) -> bool:
        """What /readyz says; raises if the process has ended."""
        assert not self.has_ended(), self.last_words()
        return self.probe("/readyz")[0] == 200

    def has_ended(self) -> bool:
        """Whether the process is no more."""
        assert self._process is not None
        return self._process.poll() is not None

    def last_words(self) -> str:
        """With what exit code it has ended (None: it has not), and what it has said last."""
        assert self._process is not None
        return f"the operator has ended with {self._process.poll()}:\n{self.log[-4000:]}"

    @property
    def is_running(self) -> bool:
        """Whether it has been started and is there."""
        return self._process is not None and not self.has_ended()

    def probe(self, path: str) -> tuple[int, str]:
        """A health endpoint's status and text; status 0 where nobody answers."""
        return _get(f"http://127.0.0.1:{self.health_port}{path}")

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        return _get(f"http://127.0.0.1:{self.metrics_port}/metrics")[1]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a series that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        rows = (line.rsplit(" ", 1) for line in self.metrics().splitlines() if not line.startswith("#"))
        named = ((key, value) for key, value in rows if key.partition("{")[0] == name)
        return sum(float(value) for key, value in named if all(label in key for label in wanted))

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self._log_file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def resident_bytes(self) -> int:
        """Its resident memory."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Any signal, if it still runs."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        self.signal(number)
        return self._process.wait(timeout=90)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
