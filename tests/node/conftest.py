"""Nodes of the tests' own: network namespaces with real rules, where root and Debian's packages allow it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.errors import GoToolchainError
from controlplane.provide import cni_plugins
from realnode.errors import ImpossibleError
from realnode.requirements import require_machine
from tests.support.bare_node import BareNode, sweep
from tests.support.loud import say

# What the tests themselves look with, beside what stands on a node.
_PROGRAMS = {
    "conntrack": "conntrack",
    "curl": "curl",
    "iptables": "iptables",
    "ss": "iproute2",
    "sysctl": "procps",
}


@pytest.fixture(scope="session")
def machine() -> None:
    """A machine on which nodes can be made. Skips, saying why, where this one can't be that; all else is a failure."""
    try:
        require_machine(_PROGRAMS, say)
    except ImpossibleError as error:
        pytest.skip(f"NO NODE, the node tier is not run: {error}")
    sweep()


@pytest.fixture(scope="session")
def plugins(machine: None) -> Path:
    """CNI's plugins."""
    try:
        return cni_plugins()
    except GoToolchainError as error:
        pytest.skip(f"NO CNI, the node tier is not run: {error}")


@pytest.fixture(params=["iptables", "nftables"])
def bare_node(request: pytest.FixtureRequest, plugins: Path, tmp_path: Path) -> Iterator[BareNode]:
    """A node for each of portmap's back ends."""
    node = BareNode(tmp_path / "node", plugins, request.param)
    yield node
    node.end()
