"""What stands in an object's `status.leases`: leases of its own numbers, and whatever else somebody has put there."""

from __future__ import annotations

from typing import Any

import pytest

from hostport.cluster.blocks import leases_of, not_leases, stored
from hostport.ledger.block import Span

LEASE = {"owner": "Deployment/a/b", "uid": "1", "port": "app/http"}


def pool(*keys: str, block: str = "20224-20479", lease: dict[str, str] = LEASE) -> dict[str, Any]:
    status = {"leases": dict.fromkeys(keys, lease), **({"block": block} if block else {})}
    return {"metadata": {"name": "p", "resourceVersion": "7"}, "spec": {"ranges": ["20000-29999"]}, "status": status}


def read(raw: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    leases = leases_of(raw)
    return [str(key) for key in leases], not_leases(raw, leases)


def test_leases_of_the_objects_own_numbers_are_read() -> None:
    assert read(pool("20224/TCP", "[::1]:20479/UDP@edge-1")) == (["20224/TCP", "[::1]:20479/UDP@edge-1"], {})


@pytest.mark.parametrize("key", ["20223/TCP", "20480/TCP", "[::1]:20480/UDP@edge-1"])
def test_a_number_of_another_object_is_under_the_wrong_lock(key: str) -> None:
    assert read(pool("20300/TCP", key)) == (["20300/TCP"], {key: "it stands among the leases of 20224-20479"})


def test_a_block_has_the_numbers_of_its_spec() -> None:
    raw = pool("20480/TCP", "20300/TCP", block="")
    raw["spec"] = {"pool": "p", "numbers": "20480-20735"}

    assert read(raw) == (["20480/TCP"], {"20300/TCP": "it stands among the leases of 20480-20735"})


def test_a_pool_that_does_not_say_where_its_leases_are_has_them_around_the_lowest() -> None:
    raw = pool("20300/TCP", "20500/TCP", block="")

    assert read(raw) == (["20300/TCP"], {"20500/TCP": "it stands among the leases of 20224-20479"})
    assert stored(raw).home == Span(20224, 20479)


def test_what_spells_no_lease_says_why() -> None:
    assert read(pool("http")) == ([], {"http": "its key spells none"})
    assert read(pool("20300/TCP", lease={"uid": "1"})) == ([], {"20300/TCP": "it has no owner"})


@pytest.mark.parametrize("status", [{}, {"leases": None}, {"block": "20224-20479"}])
def test_an_empty_record_has_nothing_in_it(status: dict[str, Any]) -> None:
    assert read({**pool(), "status": status}) == ([], {})
