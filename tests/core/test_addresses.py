"""Which host IPs can't both carry the same port."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostport.api.ports import canonical_ip, ips_overlap

_IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str).map(canonical_ip)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("", ""),
        ("0.0.0.0", ""),  # noqa: S104
        ("127.0.0.1", "127.0.0.1"),
        ("::", "::"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("not an address", "not an address"),
    ],
)
def test_an_address_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_ip(written) == canonical


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("", "", True),
        ("", "127.0.0.1", True),
        ("", "::", True),
        ("", "2001:db8::1", True),
        ("", "not an address", True),
        ("0.0.0.0", "10.0.0.1", True),  # noqa: S104
        ("0.0.0.0", "2001:db8::1", True),  # noqa: S104
        ("::", "::", True),
        ("::", "2001:db8::1", True),
        ("::", "127.0.0.1", False),
        ("::", "not an address", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "10.0.0.1", False),
        ("2001:DB8::1", "2001:db8:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("127.0.0.1", "::1", False),
    ],
)
def test_addresses_overlap_as_the_scheduler_or_the_kernel_says(one: str, other: str, overlap: bool) -> None:
    assert ips_overlap(canonical_ip(one), canonical_ip(other)) is overlap
    assert ips_overlap(canonical_ip(other), canonical_ip(one)) is overlap


@given(_IPS, _IPS)
def test_an_address_overlaps_itself_and_everything_overlaps_every_address(one: str, other: str) -> None:
    assert ips_overlap(one, one)
    assert ips_overlap("", one)
    assert ips_overlap(one, other) == ips_overlap(other, one)


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_ipv6_address_is_the_same(address: object) -> None:
    long = ip_address(str(address)).exploded
    assert canonical_ip(long) == canonical_ip(long.upper()) == canonical_ip(str(address))


@given(st.text())
def test_canonical_is_canonical(text: str) -> None:
    assert canonical_ip(canonical_ip(text)) == canonical_ip(text)
