"""Sets of ports behave as sets of integers do, and are read and printed as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostport.api.errors import BadRange
from hostport.api.ports import LAST_PORT, PortSet, parse_range

_SPANS = st.lists(st.tuples(st.integers(1, LAST_PORT), st.integers(0, 300)), max_size=6).map(
    lambda spans: [(first, min(first + more, LAST_PORT)) for first, more in spans]
)


def _both(spans: list[tuple[int, int]]) -> tuple[PortSet, set[int]]:
    return (
        PortSet.of(f"{first}-{last}" for first, last in spans),
        {port for first, last in spans for port in range(first, last + 1)},
    )


@given(_SPANS, _SPANS)
def test_sets_of_ports_are_sets(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    (a, x), (b, y) = _both(ours), _both(theirs)
    assert set(a) == x
    assert list(a) == sorted(x)
    assert len(a) == len(x)
    assert set(a | b) == x | y
    assert set(a & b) == x & y
    assert set(a - b) == x - y
    assert (a == b) == (x == y)


@given(_SPANS, st.integers(1, LAST_PORT))
def test_membership_and_the_nearest_member(spans: list[tuple[int, int]], port: int) -> None:
    ports, model = _both(spans)
    assert (port in ports) == (port in model)
    assert ports.nearest(port) == min(model, key=lambda other: (abs(other - port), -other), default=None)


@given(_SPANS)
def test_what_is_printed_is_what_was_meant(spans: list[tuple[int, int]]) -> None:
    ports, _ = _both(spans)
    printed = str(ports)
    assert (printed == "none") == (len(ports) == 0)
    assert PortSet.of(printed.split(", ") if len(ports) else ()) == ports


def test_ranges_that_touch_are_printed_as_one() -> None:
    assert str(PortSet.of(["20000-20009", "20010", "10012", "65535"])) == "10012, 20000-20010, 65535"


@pytest.mark.parametrize(("port", "nearest"), [(19000, 20000), (20003, 20004), (20002, 20002), (65535, 20004)])
def test_the_nearest_port_is_the_higher_one_of_two_as_near(port: int, nearest: int) -> None:
    assert PortSet.of(["20000", "20002", "20004"]).nearest(port) == nearest


@pytest.mark.parametrize(("text", "bounds"), [("10012", (10012, 10012)), ("1-65535", (1, 65535)), ("7-7", (7, 7))])
def test_a_range_is_one_number_or_two(text: str, bounds: tuple[int, int]) -> None:
    assert parse_range(text) == bounds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write 10012, or 20000-29999"),
        ("a", "write 10012, or 20000-29999"),
        ("1-", "write 10012, or 20000-29999"),
        ("-1", "write 10012, or 20000-29999"),
        ("1-2-3", "write 10012, or 20000-29999"),
        (" 80", "write 10012, or 20000-29999"),
        ("80\n", "write 10012, or 20000-29999"),
        ("１２", "write 10012, or 20000-29999"),
        ("123456", "write 10012, or 20000-29999"),
        ("0", "ports go from 1 to 65535"),
        ("0-5", "ports go from 1 to 65535"),
        ("1-65536", "ports go from 1 to 65535"),
        ("30-20", "it runs backwards"),
    ],
)
def test_a_bad_range_says_what_is_wrong_with_it(text: str, why: str) -> None:
    with pytest.raises(BadRange) as caught:
        parse_range(text)
    assert (caught.value.text, caught.value.why) == (text, why)
    assert repr(text) in str(caught.value)


@given(st.text())
def test_any_text_is_a_range_or_a_bad_range(text: str) -> None:
    try:
        first, last = parse_range(text)
    except BadRange:
        return
    assert 1 <= first <= last <= LAST_PORT
