"""Bad input: one clear event each, nothing else touched, and served as soon as the cause is gone."""

from __future__ import annotations

import pytest

from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster

NONSENSE = [
    ({"hostport/auto": "yes"}, 'hostport/auto: "yes": write "true" or "false"'),
    ({"hostport/ports": "nosuch"}, 'no port "nosuch"; the template has app/http'),
    ({"hostport/ports": "http,,"}, "separate by single commas"),
    ({"hostport/request": "http=99999"}, "must be PORT=NUMBER"),
    ({"hostport/request": "http"}, "must be PORT=NUMBER"),
    ({"hostport/contiguous": "1"}, 'write "true" or "false"'),
]


@pytest.mark.parametrize(
    ("annotations", "sentence"), NONSENSE, ids=lambda value: "-".join(value) if isinstance(value, dict) else ""
)
def test_an_annotation_that_makes_no_sense(scene: Scene, annotations: dict[str, str], sentence: str) -> None:
    pool = scene.pool()
    scene.deployment("web", pool, annotations=annotations)

    assert sentence in scene.event("web", "InvalidAnnotation")
    scene.bystander_is_served(pool)

    assert scene.host_ports("web") == [0]
    assert len(scene.events("web")) == 1
    (key,) = annotations
    mended = "hostport/auto=true" if key == "hostport/auto" else f"{key}-"
    scene.kubectl("-n", scene.name, "annotate", "deployment", "web", mended, "--overwrite")
    assert scene.served("web")


def test_a_pool_that_does_not_exist_yet(scene: Scene) -> None:
    scene.deployment("web", "no-such-pool")
    text = scene.event("web", "NoMatchingPool")
    assert 'there is no HostPortPool "no-such-pool"' in text
    assert scene.host_ports("web") == [0]

    scene.pool(name="no-such-pool")

    assert scene.served("web")


def test_an_exhausted_pool(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    scene.deployment("second", pool)
    assert "0 of 1 TCP numbers free" in scene.event("second", "PoolExhausted")
    until(lambda: scene.operator.metric("hostport_pending_workloads") >= 1, "it is counted as pending")
    assert scene.host_ports("second") == [0]

    ranges = f'{{"spec":{{"ranges":["{scene.first}-{scene.first + 1}"]}}}}'
    scene.kubectl("patch", "hostportpool", pool, "--type=merge", "-p", ranges)

    assert scene.served("second") == [scene.first + 1]
    assert len(scene.events("second", "PoolExhausted")) == 1


def test_a_number_that_somebody_has_is_refused_with_his_name_and_the_nearest_free_one(scene: Scene) -> None:
    pool = scene.pool(protocols=["TCP"])
    scene.deployment("first", pool, annotations={"hostport/request": f"http={scene.first + 5}"})
    assert scene.served("first") == [scene.first + 5]

    scene.deployment("second", pool, annotations={"hostport/request": f"http={scene.first + 5}"})

    text = scene.event("second", "RequestRefused")
    assert f"is held by Deployment/{scene.name}/first" in text
    assert f"the nearest free number is {scene.first + 6}" in text


def test_a_number_that_is_only_preferred_is_given_where_it_is_free_and_else_another(scene: Scene) -> None:
    pool = scene.pool(protocols=["TCP"])
    for name in ("first", "second"):
        scene.deployment(name, pool, annotations={"hostport/prefer": f"http={scene.first + 5}"})
        scene.served(name)

    assert scene.host_ports("first") == [scene.first + 5]
    assert scene.host_ports("second") != [scene.first + 5]
    assert not scene.events("second", "RequestRefused")


def test_the_refused_are_not_tried_over_and_over(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"])
    scene.deployment("first", pool)
    scene.served("first")
    for i in range(5):
        scene.deployment(f"late-{i}", pool)
    for i in range(5):
        scene.event(f"late-{i}", "PoolExhausted")
    commits = scene.operator.metric("hostport_ledger_commits_total")

    scene.bystander_is_served(scene.pool(1, ranges=[f"{scene.first + 50}"]))

    assert scene.operator.metric("hostport_ledger_commits_total") <= commits + 2
    assert all(len(scene.events(f"late-{i}")) == 1 for i in range(5))
