"""One real control plane and one operator for all tests that need them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from controlplane.errors import ControlPlaneError
from tests.support.operator import OperatorProcess
from tests.support.scene import EXEMPT, Scene, compact, findings, install
from tests.support.wait import until


def pytest_configure() -> None:
    """A shell has what it runs in the background ignore SIGINT, and so would all that the tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok with three nodes."""
    try:
        plane = ControlPlane().start()
    except ControlPlaneError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"NO CONTROL PLANE, the cluster tier is not run: {error}")
    try:
        plane.add_nodes(["node-1", "node-2", "node-3"])
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRDs, namespace and RBAC, as the manifests have them."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def operator(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """`hostport run` with its ServiceAccount's token, ready."""
    process = OperatorProcess(
        installed, tmp_path_factory.mktemp("operator"), "--pod-security-exempt-namespaces", f"kube-system, {EXEMPT}"
    )
    process.start()
    yield process
    until(
        lambda: not _pools(installed), "every pool that was deleted is gone", lambda: _remains(installed, process), 300
    )
    until(lambda: not findings(installed), "the whole cluster agrees", lambda: compact(findings(installed)), 120)
    assert process.stop() == 0


@pytest.fixture(scope="session")
def poor_plane(
    control_plane: ControlPlane,  # it says so where there is none
) -> Iterator[ControlPlane]:
    """A control plane of their own for the tests that take things away from it; no operator is there but theirs."""
    with ControlPlane() as plane:
        plane.add_nodes(["node-1", "node-2", "node-3"])
        install(plane)
        yield plane


def _remains(plane: ControlPlane, process: OperatorProcess) -> str:
    return plane.kubectl("get", "hostportpools,hostportblocks", "-o", "yaml") + process.log[-4000:]


def _pools(plane: ControlPlane) -> str:
    return plane.kubectl("get", "hostportpools", "-o", "name")


@pytest.fixture
def scene(operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A namespace and a pool of the test's own; ends with ledger and cluster in agreement."""
    stage = Scene(operator.plane, operator, request.node.name)
    yield stage
    stage.end()


@pytest.fixture
def project() -> Path:
    """The checkout."""
    return Path(__file__).parent.parent
