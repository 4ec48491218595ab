"""A real node for each of portmap's back ends, and an operator beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from controlplane.errors import ControlPlaneError
from realnode.errors import ImpossibleError
from realnode.node import RealNode
from realnode.runtime import Backend
from tests.support.node_scene import NodeScene
from tests.support.operator import OperatorProcess
from tests.support.scene import compact, findings, install
from tests.support.wait import until


@pytest.fixture(scope="session", params=list(Backend), ids=str)
def node(request: pytest.FixtureRequest) -> Iterator[RealNode]:
    """A cluster of one real node."""
    started = start(RealNode(_say, request.param))
    try:
        yield started
    finally:
        started.stop()


def start(node: RealNode) -> RealNode:
    """The node, started; skips where there can be none. What could be had must be had in CI."""
    try:
        return node.start()
    except ControlPlaneError as error:
        if "CI" in os.environ and not isinstance(error, ImpossibleError):
            raise
        pytest.skip(f"NO REAL NODE, the node tier is not run: {error}")


def _say(line: str) -> None:
    print(line, file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def node_operator(node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """`hostport run` with its ServiceAccount's token, on this machine, ready."""
    install(node.plane)
    process = OperatorProcess(node.plane, tmp_path_factory.mktemp("operator"))
    process.start()
    yield process
    until(lambda: not findings(node.plane), "the whole cluster agrees", lambda: compact(findings(node.plane)), 120)
    assert process.stop() == 0


@pytest.fixture
def scene(node: RealNode, node_operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[NodeScene]:
    """A namespace and a pool of the test's own; ends with ledger and cluster in agreement, and no Pod left."""
    stage = NodeScene(node, node_operator, request.node.originalname)
    yield stage
    stage.end()
