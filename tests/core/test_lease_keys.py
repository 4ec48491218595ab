"""Leases as they stand in `status.leases`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostport.api.lease import Lease, LeaseKey
from hostport.api.ports import LAST_PORT, Protocol, canonical_ip

_NODES = st.one_of(st.just(""), st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?", fullmatch=True))
_IPS = st.one_of(st.just(""), st.ip_addresses().map(str)).map(canonical_ip)
_KEYS = st.builds(LeaseKey, st.integers(1, LAST_PORT), st.sampled_from(Protocol), _NODES, _IPS)
_WORDS = st.text(max_size=20)
_LEASES = st.builds(Lease, st.text(min_size=1), _WORDS, _WORDS, _WORDS, _WORDS, _WORDS, _WORDS)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("20000/TCP", LeaseKey(20000, Protocol.TCP)),
        ("1/SCTP", LeaseKey(1, Protocol.SCTP)),
        ("20001/UDP@edge-1", LeaseKey(20001, Protocol.UDP, "edge-1")),
        ("[127.0.0.1]:20000/TCP", LeaseKey(20000, Protocol.TCP, "", "127.0.0.1")),
        ("[2001:db8::1]:20000/UDP@edge-1.lan", LeaseKey(20000, Protocol.UDP, "edge-1.lan", "2001:db8::1")),
    ],
)
def test_a_key_says_port_protocol_node_and_address(text: str, key: LeaseKey) -> None:
    assert LeaseKey.parse(text) == key
    assert str(key) == text


@given(_KEYS)
def test_a_key_that_is_printed_is_read_as_the_same_key(key: LeaseKey) -> None:
    assert LeaseKey.parse(str(key)) == key


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"(\[[^\]]*\]:)?[0-9]{1,6}/(TCP|UDP|SCTP|tcp)(@.*)?", fullmatch=True),
    )
)
def test_what_is_read_as_a_key_is_spelt_in_the_one_way_there_is(text: str) -> None:
    key = LeaseKey.parse(text)
    assert key is None or str(key) == text


@pytest.mark.parametrize(
    "text",
    ["", "20000", "20000/tcp", "0/TCP", "65536/TCP", "00080/TCP", "20000/TCP@", "[]:20000/TCP", "２/TCP", "1/TCP\n"],
)
def test_what_spells_no_key_is_none(text: str) -> None:
    assert LeaseKey.parse(text) is None


@given(_LEASES)
def test_a_lease_survives_the_api_server(lease: Lease) -> None:
    assert Lease.parse(lease.manifest()) == lease


def test_a_lease_is_written_without_what_it_does_not_say() -> None:
    lease = Lease("Deployment/default/web", uid="8d7e", port="nginx/http", since="2026-11-23T05:00:00Z")
    assert lease.manifest() == {
        "owner": "Deployment/default/web",
        "uid": "8d7e",
        "port": "nginx/http",
        "since": "2026-11-23T05:00:00Z",
    }


def test_fields_of_a_later_version_are_dropped() -> None:
    assert Lease.parse({"owner": "Deployment/default/web", "colour": "red"}) == Lease("Deployment/default/web")


@pytest.mark.parametrize(
    ("fields", "state"),
    [({}, "active"), ({"releasing": "t"}, "releasing"), ({"released": "t"}, "released")],
)
def test_a_lease_is_active_releasing_or_released(fields: dict[str, str], state: str) -> None:
    assert Lease("Deployment/default/web", **fields).state == state


def test_a_lease_that_is_taken_up_again_is_active_and_keeps_its_age() -> None:
    old = Lease("Deployment/default/web", "old", "app/http", "2026-01-01T00:00:00Z", "k3v9q/1", released="then")
    assert old.revived("new", "app/web") == Lease(
        "Deployment/default/web", "new", "app/web", "2026-01-01T00:00:00Z", "k3v9q/1"
    )


@pytest.mark.parametrize(("owner", "namespace"), [("Deployment/media/rtp", "media"), ("nobody", "")])
def test_a_lease_knows_its_namespace(owner: str, namespace: str) -> None:
    assert Lease(owner).namespace == namespace
