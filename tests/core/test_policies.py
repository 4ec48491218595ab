"""Which of the free numbers a workload gets."""

from __future__ import annotations

import pytest
from bitarray import bitarray
from bitarray.util import zeros
from hypothesis import given
from hypothesis import strategies as st

from hostport.allocation.policy import lowest_run, next_free
from tests.core.world import World


def _served(policy: str, *names: str) -> list[int]:
    world = World()
    world.pool("main", "20000-20099", policy=policy, cooldownSeconds=0)
    return [world.deploy(name)["app/http"] for name in names]


def test_round_robin_goes_on_where_it_was_and_comes_around() -> None:
    world = World()
    world.pool("main", "20000-20003", cooldownSeconds=0)
    assert [world.deploy(name)["app/http"] for name in "abc"] == [20000, 20001, 20002]
    world.delete("a")
    world.wait()
    assert world.deploy("d") == {"app/http": 20003}
    assert world.deploy("e") == {"app/http": 20000}


def test_lowest_free_takes_the_lowest() -> None:
    world = World()
    world.pool("main", "20000-20003", policy="LowestFree", cooldownSeconds=0)
    assert [world.deploy(name)["app/http"] for name in "abc"] == [20000, 20001, 20002]
    world.delete("a")
    world.wait()
    assert world.deploy("d") == {"app/http": 20000}


def test_random_is_spread_over_the_pool() -> None:
    numbers = _served("Random", *(f"web-{i}" for i in range(30)))
    assert len(set(numbers)) == 30
    assert numbers != sorted(numbers)
    assert max(numbers) - min(numbers) > 60


def test_random_finds_the_last_free_number() -> None:
    world = World()
    world.pool("main", "20000-20009", policy="Random")
    assert {world.deploy(f"web-{i}")["app/http"] for i in range(10)} == set(range(20000, 20010))


def test_stable_depends_on_the_name_and_not_on_who_came_first() -> None:
    assert _served("Stable", "a", "b", "c") == _served("Stable", "c", "b", "a")[::-1]
    assert len(set(_served("Stable", "a", "b", "c"))) == 3


def test_stable_finds_another_number_where_its_own_is_taken() -> None:
    world = World()
    world.pool("main", "20000-20001", policy="Stable")
    assert {world.deploy(name)["app/http"] for name in "ab"} == {20000, 20001}


@pytest.mark.parametrize("policy", ["RoundRobin", "LowestFree", "Random", "Stable"])
def test_every_policy_hands_out_each_number_once(policy: str) -> None:
    assert sorted(_served(policy, *(f"web-{i}" for i in range(100)))) == list(range(20000, 20100))


# The searches, against the obvious

_FREE = st.one_of(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40), max_size=8).map(set(range(41)).difference))


@given(_FREE, st.integers(0, 41))
def test_the_next_free_number_is_the_first_from_there_on_and_once_around(free: set[int], start: int) -> None:
    expected = min((n for n in free if n >= start), default=min(free, default=-1))
    assert next_free(_bits(free), start) == expected


@given(st.lists(_FREE, min_size=1, max_size=4), st.integers(1, 16))
def test_a_run_is_the_lowest_inside_a_block_or_else_the_lowest_at_all(frees: list[set[int]], block: int) -> None:
    length = len(frees)
    starts = [n for n in range(41) if all(n + i in free for i, free in enumerate(frees))]
    inside = [n for n in starts if n % block + length <= block]
    assert lowest_run([_bits(free) for free in frees], block) == min(inside or starts, default=-1)


def _bits(ports: set[int]) -> bitarray:
    bits = zeros(41)
    for port in ports:
        bits[port] = 1
    return bits
