"""The API server with our CRDs and nothing else: what a user meets before the operator even runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cluster import ControlPlane
from tests.support.crds import BLOCK, POOL, block_manifest, manifest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster of its own, where no operator writes statuses; `control_plane` skips where there can be none."""
    with ControlPlane() as own:
        own.kubectl("apply", "-f", str(ROOT / "crds"))
        own.kubectl("wait", "--for=condition=Established", "crd/hostportpools.hostport.dev", "--timeout=120s")
        own.kubectl("wait", "--for=condition=Established", "crd/hostportblocks.hostport.dev", "--timeout=120s")
        yield own


@pytest.fixture
def pool(cluster: ControlPlane) -> Iterator[str]:
    cluster.kubectl("create", "-f", "-", input=manifest({"ranges": ["20000-29999", "10012"], "hostIP": "127.0.0.1"}))
    yield f"hostportpool/{POOL}"
    cluster.kubectl("delete", "hostportpool", POOL)


@pytest.fixture
def block(cluster: ControlPlane) -> Iterator[str]:
    cluster.kubectl("create", "-f", "-", input=block_manifest("20256-20511"))
    yield f"hostportblock/{BLOCK}"
    cluster.kubectl("delete", "hostportblock", BLOCK)
