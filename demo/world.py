"""Where the story plays: a cluster with the nodes it needs, a shell, and from the third scene on the operator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controlplane.binaries import KUBECTL
from controlplane.cluster import ControlPlane
from demo.operator_process import OperatorProcess
from demo.shell import Shell

Json = dict[str, Any]


class World:
    """The cluster as its admin has it."""

    def __init__(self, plane: ControlPlane, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self._plane = plane
        self._folder = folder
        self._operator: OperatorProcess | None = None

    def bring_operator(self) -> OperatorProcess:
        """An operator, not started yet. Its ServiceAccount must be there."""
        kubeconfig = self._plane.kubeconfig_for_service_account("hostport-system", "hostport-operator")
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
        self._plane.check()
        if self._operator:
            self._operator.check()

    def end(self) -> None:
        """Stop the operator."""
        if self._operator:
            self._operator.stop()

    def get(self, *args: str) -> Json:
        """`kubectl get`, as JSON."""
        return dict(json.loads(self._plane.kubectl("get", *args, "-o", "json")))


@contextmanager
def raised(binaries: Mapping[str, Path], nodes: int) -> Iterator[World]:
    """A cluster of its own; nothing of it is left afterwards."""
    with TemporaryDirectory(prefix="hostport-demo-") as name, ControlPlane(binaries=binaries) as plane:
        folder = Path(name)
        plane.add_nodes(nodes)
        world = World(plane, Shell(plane.kubeconfig, binaries[KUBECTL], folder), folder)
        try:
            yield world
        finally:
            world.end()
