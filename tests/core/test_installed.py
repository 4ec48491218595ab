"""The CRDs in `crds/` know every field that is written; older ones are told apart."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from hostport.cluster.installed import missing_fields
from tests.core.build import Json

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture
def published() -> Json:
    """What the API server publishes of our CRDs, as far as it matters."""
    schemas = {}
    for name in ("hostportpools", "hostportblocks"):
        spec = yaml.safe_load((CRDS / f"{name}.yaml").read_text())["spec"]
        (version,) = spec["versions"]
        kind = {"group": spec["group"], "version": version["name"], "kind": spec["names"]["kind"]}
        schemas[kind["kind"]] = {
            **version["schema"]["openAPIV3Schema"], "x-kubernetes-group-version-kind": [kind],
        }  # fmt: skip
    return {"components": {"schemas": schemas}}


def test_the_crds_of_this_version_lack_nothing(published: Json) -> None:
    assert missing_fields(published) == []


def test_a_field_that_an_older_crd_lacks_is_named(published: Json) -> None:
    older = copy.deepcopy(published)
    leases = older["components"]["schemas"]["HostPortBlock"]["properties"]["status"]["properties"]["leases"]
    del leases["additionalProperties"]["properties"]["abandoned"]
    assert missing_fields(older) == ["HostPortBlock.status.leases[*].abandoned"]


def test_a_cluster_that_publishes_nothing_yet_lacks_everything() -> None:
    assert "HostPortPool.status.leases[*].owner" in missing_fields({"components": {}})
