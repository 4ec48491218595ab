"""Hundreds of annotations and pools that make no sense, before a running operator: each gets one clear answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from bench.load import DEPLOYMENTS, Load, load
from tests.support.nonsense import notes, specs
from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

POOLS = "/apis/hostport.dev/v1/hostportpools"
PORTS = [
    {"name": "http", "containerPort": 80},
    {"name": "admin", "containerPort": 9000},
    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
]


def post(scene: Scene, path: str, bodies: Iterable[Json]) -> list[str]:
    """Create each; the API server's refusals, the empty string for what it took."""

    async def one(client: Load, body: Json) -> str:
        try:
            await client.call("POST", path, body)
        except RuntimeError as error:
            return str(error)
        return ""

    async def run() -> list[str]:
        async with load(scene.plane) as client:
            return await asyncio.gather(*(one(client, body) for body in bodies))

    return asyncio.run(run())


@pytest.fixture
def beside(scene: Scene) -> Iterator[str]:
    """A pool whose leases nothing of all this may touch, with an operator that lives on and has no word of trouble."""
    pool = scene.pool()
    for name in ("a", "b"):
        scene.deployment(name, pool)
        scene.served(name)
    leases, pid, log = scene.leases(pool), scene.operator.pid, len(scene.operator.log)

    yield pool

    scene.bystander_is_served(pool)
    assert {k: v for k, v in scene.leases(pool).items() if "/bystander-" not in v["owner"]} == leases
    until(scene.operator.is_ready, "the operator is ready", scene.operator_log)
    assert scene.operator.pid == pid
    for trouble in ("Traceback", "please report", "ERROR"):
        assert trouble not in scene.operator.log[log:]


def told(scene: Scene) -> dict[str, list[Json]]:
    """All events of the operator in the scene, by the name of the Deployment."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "events.events.k8s.io", "-o", "json"))["items"]
    found = defaultdict(list)
    for event in items:
        if event.get("reportingController") == "hostport.dev/operator":
            found[event["regarding"].get("name", "")].append(event)
    return found


def all_are_told(scene: Scene, names: list[str]) -> None:
    until(lambda: set(names) <= told(scene).keys(), "all of them are told", scene.operator_log)


def asking(name: str, pool: str, annotations: dict[str, object]) -> Json:
    made = deployment(name, PORTS, replicas=0)
    made["metadata"]["annotations"] = {"hostport/auto": "true", "hostport/pool": pool, **annotations}
    return made


def test_annotations_that_make_no_sense(scene: Scene, beside: str) -> None:
    """Fifteen every two seconds: of what happens all at once only about ten a second are told."""
    corpus = {f"bad-{i}": note for i, note in enumerate(notes())}
    assert len(corpus) >= 200
    taken: list[str] = []
    began = time.monotonic()
    for turn, first in enumerate(range(0, len(corpus), 15), 2):
        some = list(corpus)[first : first + 15]
        next_turn = began + 2 * turn
        until(lambda: time.monotonic() > next_turn, "the operator may speak again")  # noqa: B023 - awaited right here
        made = [asking(name, beside, corpus[name].annotations) for name in some]
        answers = post(scene, DEPLOYMENTS.format(scene.name), made)
        assert not [answer for answer in answers if answer and ": 4" not in answer]
        taken += [name for name, answer in zip(some, answers, strict=True) if not answer]
        all_are_told(scene, taken)

    events = told(scene)
    assert {name: len(events[name]) for name in taken} == dict.fromkeys(taken, 1)
    for name in taken:
        (event,) = events[name]
        note = corpus[name]
        assert (event["reason"], event.get("series")) == ("InvalidAnnotation", None), (note, event)
        assert event["note"].startswith(f'{note.about}: "'), (note, event["note"])
        assert event["note"].partition('": ')[2], "it says what is wrong"
    items = json.loads(scene.kubectl("-n", scene.name, "get", "deployments", "-o", "json"))["items"]
    touched = [item["metadata"]["name"] for item in items if item["metadata"]["generation"] != 1]
    assert sorted(touched) == ["a", "b"]
    assert len(corpus) - len(taken) < 20, "nearly all of them get past the API server"


def test_annotations_that_make_no_sense_on_somebody_who_is_served(scene: Scene, beside: str) -> None:
    """Nonsense changes nothing: he keeps what he has."""
    pool = scene.pool(ranges=[f"{scene.first + 100}-{scene.first + 110}"])
    scene.apply(asking("web", pool, {}))
    numbers, leases = scene.served("web"), scene.leases(pool)
    path = f"{DEPLOYMENTS.format(scene.name)}/web"

    async def scribble() -> None:
        async with load(scene.plane, 1) as client:
            for note in notes()[::3]:
                clean = dict.fromkeys(("contiguous", "env", "rollout", "ports", "request", "prefer", "passthrough"))
                body = {**{f"hostport/{name}": None for name in clean}, "hostport/auto": "true", **note.annotations}
                patch = {"metadata": {"annotations": {"hostport/pool": pool, **body}}}
                try:
                    await client.call("PATCH", path, patch, "application/merge-patch+json")
                except RuntimeError as error:
                    assert ": 4" in str(error)

    asyncio.run(scribble())

    scene.bystander_is_served(beside)
    assert scene.host_ports("web") == numbers
    assert scene.leases(pool) == leases


def test_forged_notes_of_the_operators_own_are_worth_nothing(scene: Scene, beside: str) -> None:
    """`hostport/assigned` and `hostport/rollout-was` are informative: the lease is the truth."""
    pool = scene.pool(ranges=[f"{scene.first + 100}-{scene.first + 199}"])
    scene.apply(asking("web", pool, {}))
    number, *_ = scene.served("web")
    forged = [f'{{"app/http": {number}}}', "{", "[]", "null", "1e999", '{"app/http": "x"}', '{"app/http": 1.5}']
    forged += [
        '{"app/http": ' + "9" * 5000 + "}",
        "[" * 9999,
        "\u2603",
        "\x00",
        '{"app/http": true}',
        '{"app/http": -1}',
    ]
    for i, text in enumerate(forged):
        scene.apply(asking(f"forged-{i}", pool, {"hostport/assigned": text, "hostport/rollout-was": text}))

    numbers = [port for i in range(len(forged)) for port in scene.served(f"forged-{i}")]

    assert len(set(numbers)) == len(numbers) == 3 * len(forged)
    assert number not in numbers


def test_pools_that_make_no_sense(scene: Scene, beside: str) -> None:
    base = {"ranges": [f"{scene.first + 100}-{scene.first + 119}"], "default": False}
    corpus = {f"{scene.name[:6]}-bad-{i}": spec for i, spec in enumerate(specs())}
    assert sum(spec.refused for spec in corpus.values()) >= 100
    made = [
        {"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": name}, "spec": base | spec.spec}
        for name, spec in corpus.items()
    ]

    answers = dict(zip(corpus, post(scene, POOLS, made), strict=True))

    taken = [name for name, answer in answers.items() if not answer]
    try:
        assert not [(name, corpus[name]) for name in taken if corpus[name].refused]
        assert all(": 400: " in answer or ": 422: " in answer for answer in answers.values() if answer), answers
        until(lambda: all(map(scene.status, taken)), "each of them has a status", scene.operator_log)
        assert len(taken) >= 10, "some are only odd, and the operator has had to live with them"
        scene.bystander_is_served(beside)
    finally:
        scene.kubectl("delete", "hostportpool", "--ignore-not-found", *taken)


def test_names_of_pools_that_are_too_long_or_no_names(scene: Scene, beside: str) -> None:
    names = ["a" * 64, "a" * 300, "Edge", "edge_1", "edge/1", "-edge", "edge-", "..", "", "\u2603", "ed ge", "edge\x00"]
    spec = {"ranges": ["40000"], "default": False}
    made = [
        {"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": name}, "spec": spec}
        for name in names
    ]

    answers = post(scene, POOLS, made)

    assert all(": 400: " in answer or ": 422: " in answer for answer in answers), answers
