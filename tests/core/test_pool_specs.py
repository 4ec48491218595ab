"""A HostPortPool as it is read."""

from __future__ import annotations

import pytest

from hostport.api.errors import BadRange
from hostport.api.pool import Pool
from hostport.api.ports import Protocol
from tests.core import build


def test_what_a_pool_does_not_say_is_as_the_contract_has_it() -> None:
    pool = Pool.parse({"metadata": {"name": "main"}, "spec": {"ranges": ["20000-29999"]}})
    assert pool.protocols == (Protocol.TCP, Protocol.UDP)
    assert (pool.policy, pool.cooldown, pool.priority, pool.default) == ("RoundRobin", 300, 0, True)
    assert (pool.quota, pool.namespaces, pool.host_ip, pool.terminating, pool.held) == (None, None, "", False, False)
    assert pool.selector.matches({})


def test_exclusions_are_taken_off_every_range() -> None:
    nodes = [{"name": "n1", "ranges": ["20003-20006"], "exclude": ["20006"]}]
    pool = build.pool("main", "20000-20004", "20002-20003", exclude=["20001", "20004-20005"], nodes=nodes)
    assert str(pool.ports) == "20000, 20002-20003"
    assert str(pool.rules[0].ports) == "20003"
    assert str(pool.all_ports) == "20000, 20002-20003"


def test_the_first_entry_that_is_about_a_node_counts() -> None:
    everywhere = {"nodeSelector": {}, "ranges": ["3"]}
    pool = build.pool("main", "1", nodes=[{"name": "n1", "ranges": ["2"]}, everywhere, {"name": "n2", "ranges": ["4"]}])
    assert [str(pool.ports_of(pool.rule_for(build.node(name)))) for name in ("n1", "n2")] == ["2", "3"]


def test_an_address_is_read_in_its_one_spelling() -> None:
    assert build.pool("main", "1", hostIP="2001:DB8::0:1").host_ip == "2001:db8::1"
    assert build.pool("main", "1", hostIP="0.0.0.0").host_ip == ""  # noqa: S104


def test_no_cooldown_is_a_cooldown_too() -> None:
    assert build.pool("main", "1", cooldownSeconds=0).cooldown == 0


def test_an_empty_namespace_selector_is_for_everybody() -> None:
    assert build.pool("main", "1", namespaceSelector={}).namespaces is None


def test_a_pool_whose_schema_was_got_around_is_refused() -> None:
    with pytest.raises(BadRange):
        build.pool("main", "30000-20000")


def test_a_pool_on_its_way_out_says_so() -> None:
    meta = {"name": "main", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["hostport.dev/leases"]}
    pool = Pool.parse({"metadata": meta, "spec": {"ranges": []}})
    assert (pool.terminating, pool.held, len(pool.ports)) == (True, True, 0)
