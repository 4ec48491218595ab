"""Where the story plays: a cluster with the nodes it needs, a shell, and from the third scene on the operator."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo.ground import Ground
from demo.operator_process import OperatorProcess
from demo.shell import Shell

Json = dict[str, Any]


class World:
    """The cluster as its admin has it."""

    def __init__(self, ground: Ground, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.ground = ground
        self._folder = folder
        self._operator: OperatorProcess | None = None

    def bring_operator(self) -> OperatorProcess:
        """An operator, not started yet. Its ServiceAccount must be there."""
        kubeconfig = self.ground.plane.kubeconfig_for_service_account("hostport-system", "hostport-operator")
        self._operator = OperatorProcess(kubeconfig, self.shell, self._folder)
        return self._operator

    @property
    def metrics_port(self) -> int:
        """Where the operator's metrics are; 0 as long as there is none."""
        return self._operator.metrics_port if self._operator else 0

    @property
    def operator_log(self) -> str:
        """The end of what the operator has written; empty as long as there is none."""
        return self._operator.log if self._operator else ""

    def check(self) -> None:
        """Raise if a component, or the operator, has ended."""
        self.ground.check()
        if self._operator:
            self._operator.check()

    def end(self) -> None:
        """Stop the operator."""
        if self._operator:
            self._operator.stop()

    def get(self, *args: str) -> Json:
        """`kubectl get`, as JSON."""
        return dict(json.loads(self.ground.plane.kubectl("get", *args, "-o", "json")))

    def answer(self, port: int) -> str:
        """What a web request to this port of the real node is answered with; empty where nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.ground.address}:{port}/", timeout=3) as answer:
                return str(answer.read().decode().strip())
        except OSError:
            return ""


@contextmanager
def raised(ground: Ground) -> Iterator[World]:
    """The cluster with a shell; the operator, if it was brought, is gone afterwards."""
    with TemporaryDirectory(prefix="hostport-demo-") as name:
        folder = Path(name)
        world = World(ground, Shell(ground.plane.kubeconfig, ground.kubectl, folder, ground), folder)
        try:
            yield world
        finally:
            world.end()
