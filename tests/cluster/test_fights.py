"""Another controller keeps an object as it wants it: the operator tries a few times, says so, and lets go."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from controlplane.errors import KubectlError
from tests.support.scene import Scene, deployment

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

_NOTES = ("assigned", "affinity-was", "rollout-was", "env-added")


class Owner:
    """A controller that replaces a workload by what it wants as often as it finds anything else there.

    `reverted` counts the writes of the operator's that it has taken out.
    """

    def __init__(self, scene: Scene, kind: str, name: str, is_changed: Callable[[Json], bool], revert: Any) -> None:
        self._scene, self._kind, self._name = scene, kind, name
        self._is_changed, self._revert = is_changed, revert
        self.reverted = 0
        self.ends = threading.Event()

    def run(self) -> None:
        """Until it is told to end."""
        while not self.ends.wait(0.2):
            found = self._scene.get(self._kind, self._name)
            if self._is_changed(found):
                self._revert(found)
                self.reverted += self._is_replaced(found)

    def _is_replaced(self, manifest: Json) -> bool:
        try:
            self._scene.kubectl("-n", self._scene.name, "replace", "-f", "-", input=json.dumps(manifest))
        except KubectlError:
            return False
        return True


def pod_of(manifest: Json) -> Json:
    found: Json = manifest["spec"]["template"]["spec"]
    return found


def has_port(manifest: Json) -> bool:
    return "hostPort" in pod_of(manifest)["containers"][0]["ports"][0]


def take_port(manifest: Json) -> None:
    """As a controller does that knows nothing of the operator's notes."""
    del pod_of(manifest)["containers"][0]["ports"][0]["hostPort"]
    for note in _NOTES:
        manifest["metadata"]["annotations"].pop(f"hostport/{note}", None)


def has_env(manifest: Json) -> bool:
    return bool(pod_of(manifest)["containers"][0].get("env"))


def take_env(manifest: Json) -> None:
    del pod_of(manifest)["containers"][0]["env"]


def is_safe(manifest: Json) -> bool:
    return bool(manifest["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0)


def make_unsafe(manifest: Json) -> None:
    manifest["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = 1


def is_confined(manifest: Json) -> bool:
    return "affinity" in pod_of(manifest)


def free(manifest: Json) -> None:
    del pod_of(manifest)["affinity"]


def asking(name: str, pool: str, **fields: Any) -> Json:
    notes = {"hostport/auto": "true", "hostport/pool": pool, **fields.pop("annotations", {})}
    return deployment(name, annotations=notes, **fields)


def test_whatever_is_taken_out_again_and_again_is_let_go_and_told(scene: Scene) -> None:
    """Ports of a Deployment and of a StatefulSet, environment, strategy and affinity: one budget for each object."""
    pool = scene.pool(50)
    there = {"matchLabels": {"kubernetes.io/hostname": "node-1"}}
    elsewhere = scene.pool(ranges=[f"{scene.first + 60}-{scene.first + 69}"], nodeSelector=there)
    stateful = asking("stateful", pool)
    stateful["spec"]["serviceName"] = "web"
    fights = {
        "ports": (asking("ports", pool), has_port, take_port),
        "stateful": ({**stateful, "kind": "StatefulSet"}, has_port, take_port),
        "environment": (asking("environment", pool, annotations={"hostport/env": "true"}), has_env, take_env),
        "strategy": (asking("strategy", pool, replicas=3), is_safe, make_unsafe),
        "affinity": (asking("affinity", elsewhere, replicas=0), is_confined, free),
    }
    owners = []
    with ThreadPoolExecutor() as threads:
        for name, (manifest, is_changed, revert) in fights.items():
            scene.apply(manifest)
            owners.append(Owner(scene, manifest["kind"], name, is_changed, revert))
            threads.submit(owners[-1].run)
        try:
            texts = {name: scene.event(name, "PatchReverted") for name in fights}
            generations = {
                owner: scene.get(fights[owner][0]["kind"], owner)["metadata"]["generation"] for owner in fights
            }
            scene.bystander_is_served(pool)
        finally:
            for owner in owners:
                owner.ends.set()
    assert all("another controller has taken out what the operator wrote 5 times" in text for text in texts.values())
    assert all(5 <= owner.reverted <= 7 for owner in owners), [owner.reverted for owner in owners]
    after = {name: scene.get(fights[name][0]["kind"], name) for name in fights}
    assert {name: found["metadata"]["generation"] for name, found in after.items()} == generations
    assert not has_port(after["ports"])
    assert not has_port(after["stateful"])
    assert has_port(after["strategy"]), "a number that stands there is nobody's to take away"

    held = {lease["owner"].rpartition("/")[2]: lease for lease in scene.leases(pool).values()}
    for name in ("ports", "stateful"):
        assert "released" in held[name] or "releasing" in held[name]
        assert held[name]["abandoned"].startswith("PatchReverted/")
    assert "released" not in held["strategy"]

    # A restart does not begin anew; a changed request does.
    scene.operator.stop()
    scene.operator.start()
    scene.bystander_is_served(pool)
    assert scene.host_ports("ports") == [0]
    scene.kubectl("-n", scene.name, "annotate", "deployment", "ports", "hostport/auto-")
    scene.kubectl("-n", scene.name, "annotate", "deployment", "ports", "hostport/auto=true")
    scene.served("ports")
    scene.kubectl("-n", scene.name, "delete", "statefulset", "stateful")
