"""Objects that the API server takes and nobody expects: no tenant's ends the operator, or keeps others waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

# One digit more than Python makes a number of; the API server takes a percentage of any length.
DIGITS = 4301
SERVICE_OF_ANOTHER = "../../../../../../api/v1/namespaces/default/services/kubernetes"
# For a workload beside all of these to be served; on a machine with nothing else to do it is a tenth of it.
SECONDS = 20.0


def create(scene: Scene, manifest: Json) -> None:
    """As it stands: `apply` would keep a copy of it in an annotation, and kubectl itself would escape what is in it."""
    group = "/api/v1" if manifest["apiVersion"] == "v1" else f"/apis/{manifest['apiVersion']}"
    path = f"{group}/namespaces/{scene.name}/{manifest['kind'].lower()}s"
    scene.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(manifest))


def pod(name: str, port: int, *, args: str = "", node: str = "", owner: str = "") -> Json:
    meta: Json = {"name": name, "labels": {"app": name}}
    if owner:
        # Of a group that is not there: else the garbage collector takes the Pod, whose owner it does not find.
        reference: Json = {"apiVersion": "example.org/v1", "kind": "Deployment", "name": owner, "uid": "none"}
        reference["controller"] = True
        meta["ownerReferences"] = [reference]
    ports = [{"containerPort": 80, "hostPort": port}]
    spec: Json = {"containers": [{"name": "app", "image": "app", "args": [args], "ports": ports}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**spec, "nodeName": node or None}}


def asking(name: str, pool: str, ports: list[Json] | None = None, **more: Any) -> Json:
    notes = {"hostport/auto": "true", "hostport/pool": pool, **more.pop("notes", {})}
    return deployment(name, ports, annotations=notes, replicas=more.pop("replicas", 0), **more)


def surging(name: str, pool: str) -> Json:
    rolling = {"maxSurge": "9" * DIGITS + "%", "maxUnavailable": "25%"}
    return asking(name, pool, strategy={"type": "RollingUpdate", "rollingUpdate": rolling})


@pytest.fixture
def stays_up(scene: Scene) -> Iterator[str]:
    """A pool whose users are served within seconds, before an operator that stays the same process."""
    pool = scene.pool()
    scene.bystander_is_served(pool)
    pid, log = scene.operator.pid, len(scene.operator.log)

    yield pool

    began = time.monotonic()
    scene.bystander_is_served(pool)
    assert time.monotonic() - began < SECONDS
    assert (scene.operator.pid, scene.operator.is_ready()) == (pid, True)
    said = scene.operator.log[log:]
    for trouble in ("Traceback", "please report", "kopf has ended", " ERROR "):
        assert trouble not in said, said[-3000:]
    assert max(map(len, said.splitlines()), default=0) < 5000
    assert scene.operator.metric("hostport_unreadable_objects") == 0


def test_a_percentage_that_is_no_number_for_python(scene: Scene, stays_up: str) -> None:
    create(scene, surging("surging", stays_up))
    scene.served("surging")


def test_a_pod_of_a_line_of_megabytes(scene: Scene, stays_up: str) -> None:
    """On the watch it is 4.5 MB; its number is kept off all the same, as the next Pod's is."""
    create(scene, pod("long", scene.first + 2, args="<" * 750_000))
    create(scene, pod("next", scene.first + 4))
    until(lambda: scene.status(stays_up).get("foreign") == 2, "both are seen", scene.operator_log)
    numbers = [scene.served(scene.bystander_is_served(stays_up))[0] for _ in range(4)]
    assert numbers == [scene.first + i for i in (1, 3, 5, 6)]


def test_a_deployment_of_a_line_of_megabytes(scene: Scene, stays_up: str) -> None:
    """Kopf watches these."""
    made = asking("long", stays_up)
    made["spec"]["template"]["spec"]["containers"][0]["args"] = ["<" * 750_000]
    create(scene, made)
    scene.served("long")


def test_a_reference_that_leads_out_of_its_path(scene: Scene, stays_up: str) -> None:
    """The Pod counts as its own: it is told itself that it has come onto somebody's number."""
    number, *_ = scene.served(scene.bystander_is_served(stays_up))
    create(scene, pod("stray", number, node="node-1", owner=SERVICE_OF_ANOTHER))
    assert str(number) in scene.event("stray", "PortConflict")


def test_notes_as_deep_as_they_are_long(scene: Scene, stays_up: str) -> None:
    deep = "[" * 60_000
    for key in ("rollout-was", "affinity-was", "assigned", "env-added"):
        create(scene, asking(f"deep-{key}", stays_up, notes={f"hostport/{key}": deep}))
    for key in ("rollout-was", "affinity-was", "assigned", "env-added"):
        scene.served(f"deep-{key}")


def test_an_annotation_as_long_as_annotations_may_be(scene: Scene, stays_up: str) -> None:
    ports = [{"name": f"p{i}", "containerPort": i + 1} for i in range(2000)]
    words = ",".join(["p0"] * (237 * 1024 // 3))
    create(scene, asking("wordy", stays_up, ports, notes={"hostport/ports": words}))
    said = scene.event("wordy", "InvalidAnnotation")
    assert "80896 entries, and 5000 at most are read" in said


def test_with_all_of_them_there_it_starts_again(scene: Scene) -> None:
    pool = scene.pool()
    number, *_ = scene.served(scene.bystander_is_served(pool))
    create(scene, surging("surging", pool))
    create(scene, pod("long", scene.first + 50, args="<" * 750_000))
    create(scene, pod("stray", number, node="node-1", owner=SERVICE_OF_ANOTHER))
    create(scene, asking("deep", pool, notes={"hostport/affinity-was": "[" * 60_000}))
    create(scene, asking("wordy", pool, notes={"hostport/ports": ",".join(["p0"] * 80_000)}))
    assert scene.operator.stop() == 0

    log = len(scene.operator.log)
    scene.operator.start()

    assert scene.bystander_is_served(pool)
    assert scene.served("deep") != scene.served("surging")
    said = scene.operator.log[log:]
    assert "Traceback" not in said, said[-3000:]
    until(lambda: scene.operator.metric("hostport_leader") == 1, "it is at work", scene.operator_log)
