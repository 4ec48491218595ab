"""The tree itself: what has to be where, and what must not be."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CRDS = ("hostportblocks.yaml", "hostportnodes.yaml", "hostportpools.yaml")


def test_the_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_crds_folder_can_be_applied_as_it_is() -> None:
    assert tuple(sorted(path.name for path in (ROOT / "crds").iterdir())) == CRDS


@pytest.mark.parametrize("name", CRDS)
def test_kustomize_installs_the_same_crds(name: str) -> None:
    copy = ROOT / "manifests" / "crds" / name
    assert copy.read_bytes() == (ROOT / "crds" / name).read_bytes(), "run: cp crds/*.yaml manifests/crds/"


def test_a_block_keeps_leases_just_as_a_pool_does() -> None:
    block, node, pool = (_schema(name)["status"]["properties"] for name in CRDS)
    assert block["leases"] == pool["leases"]
    assert block["conditions"]["items"] == pool["conditions"]["items"] == node["conditions"]["items"]


@pytest.mark.parametrize("name", CRDS)
def test_kubectl_explain_has_something_to_say_about_every_field(name: str) -> None:
    fields = dict(_fields(_schema(name)))
    assert [path for path, field in fields.items() if not field.get("description") and path != "metadata"] == []


def test_the_image_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in ("deployment.yaml", "agent/daemonset.yaml"):
        workload = yaml.safe_load((ROOT / "manifests" / name).read_text())
        image = "hostport-agent" if "agent" in name else "hostport-operator"
        assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == f"{image}:{version}"
    assert f'org.opencontainers.image.version="{version}"' in (ROOT / "Dockerfile").read_text()


def _schema(name: str) -> dict[str, Any]:
    crd = yaml.safe_load((ROOT / "crds" / name).read_text())
    (version,) = crd["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"]["properties"])


def _fields(properties: dict[str, Any], parent: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in properties.items():
        yield f"{parent}{name}", field
        for inner in (field, field.get("items", {}), field.get("additionalProperties", {})):
            yield from _fields(inner.get("properties", {}), f"{parent}{name}.")
