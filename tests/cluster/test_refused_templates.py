"""A template that a policy refuses: its sentence is told, nothing is stormed, and what is mended is served."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.policy import deny
from tests.support.scene import Scene, deployment
from tests.support.terminal import Terminal

pytestmark = pytest.mark.cluster

SENTENCE = "host ports are not allowed in this namespace"
_CONTAINERS = "object.spec.template.spec.containers"
_ALLOWED = "has(object.metadata.labels) && 'ports-allowed' in object.metadata.labels"


def explained(scene: Scene) -> str:
    """What `hostport explain` prints."""
    return Terminal(scene.plane.kubeconfig).run("explain", "deploy/web", "-n", scene.name, COLUMNS="1000").out


def asking(pool: str, **metadata: Any) -> dict[str, Any]:
    manifest = deployment("web", annotations={"hostport/auto": "true", "hostport/pool": pool})
    manifest["metadata"] |= metadata
    return manifest


def test_the_policys_own_sentence_is_told_once_and_explained(scene: Scene) -> None:
    pool = scene.pool()
    with deny(scene, "deployments", _CONTAINERS, SENTENCE):
        scene.apply(asking(pool))

        assert SENTENCE in scene.event("web", "PatchRefused")
        (told,) = scene.events("web", "PatchRefused")
        assert told["type"] == "Warning"
        assert SENTENCE in explained(scene)
        assert scene.host_ports("web") == [0]
        assert [lease["owner"].rpartition("/")[2] for lease in scene.leases(pool).values()] == ["web"], "it may heal"

    scene.served("web")
    (told,) = scene.events("web", "PatchRefused")
    assert told.get("series") is None, "told once"
    assert "Served" in explained(scene)


def test_a_workload_that_is_mended_is_served_at_once(scene: Scene) -> None:
    """However long the pause has become: it was about another object."""
    pool = scene.pool()
    with deny(scene, "deployments", _CONTAINERS, SENTENCE, unless=_ALLOWED):
        scene.apply(asking(pool))
        scene.event("web", "PatchRefused")

        scene.kubectl("-n", scene.name, "label", "deployment", "web", "ports-allowed=true")
        scene.kubectl("-n", scene.name, "annotate", "deployment", "web", "hostport/prefer=http=" + str(scene.first + 7))

        assert scene.served("web") == [scene.first]
