"""What a user asks for has one digest, whether the operator has written its own into the object or not."""

from __future__ import annotations

import copy

import pytest

from tests.core.build import Json, affinity, deployment, workload
from tests.core.world import World


@pytest.fixture
def world() -> World:
    world = World("n1")
    world.node("n1", zone="a")
    world.node("n2", zone="b")
    world.pool("main", "20000-20009", nodeSelector={"matchLabels": {"zone": "a"}})
    return world


def _digest(manifest: Json) -> str:
    return workload(manifest).digest


@pytest.mark.parametrize(
    "asked",
    [
        deployment("web"),
        deployment("web", "http:80 dns:53/UDP", env="true"),
        deployment("web", "", passthrough="game/UDP", pod={"hostNetwork": True}),
        deployment("web", pod=affinity({"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]})),
    ],
)
def test_what_the_operator_writes_changes_nothing(world: World, asked: Json) -> None:
    before = _digest(asked)
    world.apply(asked)
    written = world.manifest("web")
    assert written != asked
    assert _digest(written) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["metadata"]["annotations"].update({"hostport/prefer": "http=20001"}),
        lambda m: m["spec"]["template"]["metadata"]["labels"].update({"a": "b"}),
        lambda m: m["spec"]["template"]["metadata"].update({"annotations": {"restartedAt": "now"}}),
        lambda m: m["spec"]["template"]["spec"].update({"serviceAccountName": "other"}),
        lambda m: m["spec"]["template"]["spec"]["containers"][0].update({"image": "other"}),
        lambda m: m["spec"]["template"]["spec"]["containers"][0]["ports"].append({"containerPort": 81}),
        lambda m: m["spec"]["template"]["spec"]["containers"][0].update({"env": [{"name": "A", "value": "b"}]}),
        lambda m: m["spec"]["template"]["spec"].update({"affinity": {"podAntiAffinity": {"a": "b"}}}),
    ],
    ids=range(8),
)
def test_what_the_user_changes_changes_it(change: object) -> None:
    manifest = deployment("web")
    before = _digest(manifest)
    changed = copy.deepcopy(manifest)
    change(changed)  # type: ignore[operator]
    assert _digest(changed) != before


def test_replicas_and_strategy_are_no_request() -> None:
    manifest = deployment("web")
    scaled = {**manifest, "spec": {**manifest["spec"], "replicas": 7, "strategy": {"type": "Recreate"}}}
    assert _digest(scaled) == _digest(manifest)
