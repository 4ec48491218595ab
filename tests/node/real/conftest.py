"""A real node for each of portmap's back ends, and the operator in its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.errors import GoToolchainError
from realnode.errors import ImpossibleError
from realnode.images import provide_images
from realnode.node import RealNode, provide_all
from realnode.runtime import Backend
from tests.support.loud import say
from tests.support.node_scene import NodeScene
from tests.support.operator_pods import OperatorPods
from tests.support.scene import compact, findings
from tests.support.wait import until


@pytest.fixture(scope="session")
def provided(machine: None) -> None:
    """All that a real node is made of. Skips where this machine can have none; all else is a failure."""
    try:
        provide_all(say)
    except (ImpossibleError, GoToolchainError) as error:
        pytest.skip(f"NO REAL NODE, the node tier is not run: {error}")


@pytest.fixture(scope="session")
def images(provided: None) -> dict[str, Path]:
    """The images of the project's Dockerfile. Skips where there is nothing to build them with."""
    try:
        return provide_images(say)
    except ImpossibleError as error:
        pytest.skip(f"NO IMAGE BUILDER, the real node is not run: {error}")


@pytest.fixture(scope="session", params=list(Backend), ids=str)
def node(request: pytest.FixtureRequest, images: dict[str, Path]) -> Iterator[RealNode]:
    """A cluster of one real node that has the images."""
    with RealNode(say, request.param) as started:
        for archive in images.values():
            started.load(archive)
        yield started


@pytest.fixture(scope="session")
def installed_operator(node: RealNode) -> Iterator[OperatorPods]:
    """The operator, as `kubectl apply -k manifests/` brings it into the cluster."""
    operator = OperatorPods(node.plane)
    operator.install()
    yield operator
    until(lambda: not findings(node.plane), "the whole cluster agrees", lambda: compact(findings(node.plane)), 120)


@pytest.fixture
def scene(node: RealNode, installed_operator: OperatorPods, request: pytest.FixtureRequest) -> Iterator[NodeScene]:
    """A namespace and a pool of the test's own; ends with ledger and cluster in agreement, and no Pod left."""
    stage = NodeScene(node, installed_operator, request.node.originalname)
    yield stage
    stage.end()
