"""The record in a pool's and a block's status, and what kubectl shows of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from controlplane.cluster import ControlPlane
from tests.support.crds import BLOCK, POOL, patch, read, refusal, write_status

pytestmark = pytest.mark.cluster

LEASE = {"owner": "Deployment/default/nginx", "uid": "8d7e", "port": "nginx/http", "since": "2026-11-23T05:00:00Z"}
KEYS = ("20000/TCP", "20001/TCP@edge-1", "[127.0.0.1]:20002/TCP", "[2001:db8::1]:20003/UDP@edge-1.example")
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "",
    "lastTransitionTime": "2026-11-23T05:00:00Z",
    "observedGeneration": 1,
}


def test_a_pool_keeps_its_status_word_for_word(cluster: ControlPlane, pool: str) -> None:
    lease = LEASE | {"grant": "k3v9q/1", "releasing": "2026-11-23T06:00:00Z", "released": "2026-11-23T06:10:00.5Z"}
    counts = ("capacity", "allocated", "cooling", "foreign", "free", "leaseCount", "nodes", "observedGeneration")
    status = dict.fromkeys(counts, 1) | {
        "block": "20000-20255",
        "conditions": [READY],
        "leases": dict.fromkeys(KEYS, lease),
    }
    write_status(cluster, pool, status)
    assert read(cluster, pool)["status"] == status


def test_a_block_keeps_its_status_word_for_word(cluster: ControlPlane, block: str) -> None:
    status = {"conditions": [READY], "leases": dict.fromkeys(KEYS, LEASE)}
    write_status(cluster, block, status)
    assert read(cluster, block)["status"] == status


def test_the_api_server_keeps_no_books_about_single_leases(cluster: ControlPlane, pool: str) -> None:
    write_status(cluster, pool, {"leases": dict.fromkeys(KEYS, LEASE)})
    whole = json.loads(cluster.kubectl("get", pool, "-o", "json", "--show-managed-fields"))
    (writer,) = (entry for entry in whole["metadata"]["managedFields"] if entry.get("subresource") == "status")
    assert writer["fieldsV1"]["f:status"] == {".": {}, "f:leases": {}}


def test_whoever_edits_a_pool_does_not_touch_the_record(cluster: ControlPlane, pool: str) -> None:
    write_status(cluster, pool, {"leases": {"20000/TCP": LEASE}})
    cluster.kubectl("patch", pool, *patch({"spec": {"priority": 3}, "status": {"leases": None}}))
    edited = read(cluster, pool)
    assert edited["spec"]["priority"] == 3
    assert edited["status"]["leases"] == {"20000/TCP": LEASE}


def test_whoever_writes_the_record_does_not_touch_the_pool(cluster: ControlPlane, pool: str) -> None:
    cluster.kubectl("patch", pool, "--subresource=status", *patch({"spec": {"priority": 3}, "status": {"free": 9}}))
    written = read(cluster, pool)
    assert (written["spec"]["priority"], written["status"]["free"]) == (0, 9)
    assert written["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("leases", "sentence"),
    [
        ({"20000/TCP": {"uid": "8d7e"}}, "status.leases.20000/TCP.owner: Required value"),
        ({"20000/TCP": LEASE | {"since": "yesterday"}}, "must be of type date-time"),
        ({f"{n}/TCP": LEASE for n in range(1, 4098)}, "Too many: 4097: must have at most 4096 items"),
    ],
    ids=["of nobody", "since no time", "beyond all measure"],
)
def test_a_record_that_makes_no_sense_is_refused(
    cluster: ControlPlane, pool: str, tmp_path: Path, leases: dict[str, Any], sentence: str
) -> None:
    body = tmp_path / "status.json"
    body.write_text(json.dumps({"status": {"leases": leases}}))
    said = refusal(cluster, "patch", pool, "--subresource=status", "--type=merge", "--patch-file", str(body))
    assert sentence in said


# --- what kubectl shows --------------------------------------------------------------------------------------------

COLUMNS = ["NAME", "RANGES", "CAPACITY", "ALLOCATED", "FREE", "READY", "AGE"]


def table(cluster: ControlPlane, *args: str) -> list[list[str]]:
    return [line.split() for line in cluster.kubectl("get", *args).splitlines()]


def test_get_shows_how_full_a_pool_is(cluster: ControlPlane, pool: str) -> None:
    counts = {"capacity": 20002, "allocated": 2, "cooling": 3, "foreign": 4, "free": 19993, "nodes": 5}
    write_status(cluster, pool, counts | {"conditions": [READY]})
    head, row = table(cluster, pool)
    assert head == COLUMNS
    assert row[:6] == [POOL, '["20000-29999","10012"]', "20002", "2", "19993", "True"]
    head, row = table(cluster, pool, "-o", "wide")
    assert head == [*COLUMNS, "COOLING", "FOREIGN", "POLICY", "NODES"]
    assert row[7:] == ["3", "4", "RoundRobin", "5"]


def test_get_shows_which_numbers_a_block_has(cluster: ControlPlane, block: str) -> None:
    head, row = table(cluster, block)
    assert head == ["NAME", "POOL", "NUMBERS", "AGE"]
    assert row[:3] == [BLOCK, POOL, "20256-20511"]


def test_short_names(cluster: ControlPlane, pool: str, block: str) -> None:
    assert cluster.kubectl("get", "hpp", POOL, "-o", "name").strip() == f"hostportpool.hostport.dev/{POOL}"
    assert cluster.kubectl("get", "hpb", BLOCK, "-o", "name").strip() == f"hostportblock.hostport.dev/{BLOCK}"
    both = cluster.kubectl("get", "hostport", "-o", "name").split()
    assert {f"hostportpool.hostport.dev/{POOL}", f"hostportblock.hostport.dev/{BLOCK}"} <= set(both)


def test_explain_tells_the_default_too(cluster: ControlPlane) -> None:
    said = " ".join(cluster.kubectl("explain", "hostportpool.spec").split())
    assert "rests before somebody else may get it" in said
    assert "Default: 300" in said
