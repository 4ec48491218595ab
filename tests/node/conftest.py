"""Nodes of the tests' own: network namespaces with real rules, where root and Debian's packages allow it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.errors import ControlPlaneError
from controlplane.packages import provide_packages
from controlplane.provide import cni_plugins
from tests.support.bare_node import BareNode


@pytest.fixture(scope="session")
def plugins() -> Path:
    """CNI's plugins, and a machine on which they can work; skips, saying why, where it is not one."""
    if os.geteuid() != 0:
        pytest.skip("NO ROOT, the node tier is not run: network namespaces and rules are root's alone")
    try:
        provide_packages("iptables", "nftables", "conntrack", "iproute2", "procps")
        directory = cni_plugins()
    except ControlPlaneError as error:
        pytest.skip(f"NO CNI, the node tier is not run: {error}")
    tried = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NO NETWORK NAMESPACES, the node tier is not run: {tried.stderr.strip()}")
    return directory


@pytest.fixture(params=["iptables", "nftables"])
def bare_node(request: pytest.FixtureRequest, plugins: Path, tmp_path: Path) -> Iterator[BareNode]:
    """A node for each of portmap's back ends."""
    node = BareNode(tmp_path / "node", plugins, request.param)
    yield node
    node.end()
