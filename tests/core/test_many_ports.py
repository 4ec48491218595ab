"""Thousands of ports in one template: a patch that an API server takes, and that holds for what was planned for."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import jsonpatch
import orjson
import pytest

from hostport.allocation.plan import Plan, Planner
from hostport.allocation.state import State
from hostport.api.workload import Workload
from hostport.cluster.templates import operations
from tests.core import build
from tests.core.build import Json, deployment

_NOW = "2026-01-01T00:00:00Z"
# What an API server takes in one patch.
_MOST_OPERATIONS, _MOST_BYTES = 10_000, 3 * 2**20


class Office:
    """A planner that carries out its own patches."""

    def __init__(self, manifest: Json, **pool: object) -> None:
        self.manifest = copy.deepcopy(manifest)
        self.manifest["metadata"] |= {"uid": "uid", "generation": 1, "resourceVersion": "1"}
        state = State()
        state.see_nodes([build.node("n1")])
        state.see_pool(build.pool("main", "20000-29999", **pool))
        self._planner = Planner(state, Random(0))

    def plan(self) -> Plan:
        return self._planner.plan(Workload.parse(build.DEPLOYMENT, copy.deepcopy(self.manifest)), _NOW)

    def carry_out(self, plan: Plan) -> list[dict[str, Any]]:
        patch = orjson.loads(orjson.dumps(operations(plan)))
        self.manifest = jsonpatch.apply_patch(self.manifest, patch)
        return patch

    def ports(self, container: int = 0) -> list[Json]:
        return list(self.manifest["spec"]["template"]["spec"]["containers"][container].get("ports") or ())


def asking(count: int, **notes: str) -> Json:
    return deployment("web", " ".join(f"p{i}:{i + 1}" for i in range(count)), **notes)


def give_back(office: Office) -> None:
    office.manifest["metadata"]["annotations"]["hostport/auto"] = "false"


@pytest.mark.parametrize(("count", "notes"), [(5000, {}), (1000, {"env": "true"})], ids=["ports", "env"])
def test_a_patch_of_many_ports_is_taken_and_so_is_the_one_that_gives_them_back(
    count: int, notes: dict[str, str]
) -> None:
    office = Office(asking(count, **notes))
    before = office.ports()
    for numbers in ([*range(20000, 20000 + count)], [None] * count):
        patch = office.carry_out(office.plan())
        assert len(patch) < _MOST_OPERATIONS / 4
        assert len(orjson.dumps(patch)) < _MOST_BYTES / 2
        assert [entry.get("hostPort") for entry in office.ports()] == numbers
        give_back(office)
    assert office.ports() == before


@pytest.mark.parametrize("network", [True, False])
def test_many_ports_passed_through_come_and_go_beside_those_declared(network: bool) -> None:
    notes = {"passthrough": ",".join(f"g{i}" for i in range(500)), "ports": "g0"}
    pod = {"containers": [{"name": "app", "ports": build.ports("http:80")}], "hostNetwork": network}
    office = Office(deployment("web", pod=pod, **notes))
    before = office.ports()
    patch = office.carry_out(office.plan())
    assert len(patch) < 600
    ports = office.ports()
    assert ports[0] == before[0]
    assert all(entry["containerPort"] == entry["hostPort"] for entry in ports[1:])
    assert {entry["hostPort"] for entry in ports[1:]} == set(range(20000, 20500))
    give_back(office)
    office.carry_out(office.plan())
    assert office.ports() == before


def test_a_host_ip_comes_and_goes_with_the_numbers() -> None:
    office = Office(asking(200), hostIP="127.0.0.1")
    before = office.ports()
    office.carry_out(office.plan())
    assert {entry["hostIP"] for entry in office.ports()} == {"127.0.0.1"}
    give_back(office)
    office.carry_out(office.plan())
    assert office.ports() == before


def test_a_list_that_somebody_has_changed_meanwhile_is_left_alone() -> None:
    office = Office(asking(200))
    plan = office.plan()
    office.ports()[7]["containerPort"] = 9999
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        office.carry_out(plan)


def test_a_port_of_a_protocol_that_nobody_knows_keeps_its_place() -> None:
    manifest = asking(200)
    entries = manifest["spec"]["template"]["spec"]["containers"][0]["ports"]
    entries[3]["protocol"] = "QUIC"
    office = Office(manifest)
    office.carry_out(office.plan())
    numbers = [entry.get("hostPort") for entry in office.ports()]
    assert (numbers[3], office.ports()[3]["protocol"]) == (None, "QUIC")
    assert [number for number in numbers if number] == list(range(20000, 20199))
