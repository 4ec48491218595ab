"""What there may be in a random life: nodes, placements, pools and manifests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.core.build import Json, deployment
from tests.core.naive import Place

NODES = ("n1", "n2", "n3", "n4")
NAMES = ("w1", "w2", "w3")
MORE_NAMES = tuple(f"w{i}" for i in range(1, 100))
PLACES = (
    Place(),
    Place(tolerates=True),
    Place(zone="a"),
    Place(zone="b", tolerates=True),
    Place(names=("n1",), fixed=True),
    Place(names=("n2",)),
    Place(names=("n1", "n3")),
)

# Ports, and the groups of protocols that need a number each.
_TCP, _UDP = {"TCP"}, {"UDP"}
_SHAPES = (
    ("a:1", [_TCP]),
    ("a:1/UDP", [_UDP]),
    ("a:1 b:2", [_TCP, _TCP]),
    ("a:1 b:2 c:3/UDP", [_TCP, _TCP, _UDP]),
    ("a:53 b:53/UDP c:2", [{"TCP", "UDP"}, _TCP]),
    ("c:2 a:53 b:53/UDP", [_TCP, {"TCP", "UDP"}]),
)
# The same for ports that are passed through, which mostly there are none of.
_ADDED: tuple[tuple[str, list[set[str]]], ...] = (
    *(("", []),) * 3,
    ("g/UDP", [_UDP]),
    ("g, h/UDP", [_TCP, _UDP]),
)
_WINDOWS = [frozenset(range(20000 + first, 20000 + first + length)) for first in range(4) for length in (1, 2, 4, 7)]
NUMBERS = st.integers(20000, 20008)
ZONES = st.sampled_from("ab")

Spec = dict[str, Any]
SPECS = st.fixed_dictionaries(
    {
        "numbers": st.sampled_from(_WINDOWS),
        "zone": st.sampled_from(["", "", "a", "b"]),
        "default": st.sampled_from([True, True, False]),
        "cooldown": st.sampled_from([0, 60]),
        "quota": st.sampled_from([None, None, None, 1, 3]),
    },
    optional={
        "inner": st.sampled_from([frozenset({20003, 20004, 20008}), frozenset({24000, 24001})]),
        "protocols": st.just(("TCP",)),
    },
)


@st.composite
def manifests(draw: st.DrawFn) -> tuple[Place, list[set[str]], Json]:
    """A Deployment without its name: where it may run, the numbers it needs, and the manifest."""
    entries, groups = draw(st.sampled_from(_SHAPES))
    added, more = draw(st.sampled_from(_ADDED))
    place = draw(st.sampled_from(PLACES))
    pod = place.spec()
    if added and draw(st.integers(0, 3)) == 0:
        entries, groups, pod = "", [], {**pod, "hostNetwork": True}
    refs = [word.strip()[0] for word in (*entries.split(), *added.split(",")) if word]
    notes = {"passthrough": added} if added else {}
    if draw(st.integers(0, 3)) == 0:
        notes["env"] = "true"
    if draw(st.integers(0, 3)) == 0:
        notes["pool"] = draw(st.sampled_from(["p", "q", "q,p", "p,q"]))
    if draw(st.integers(0, 3)) == 0:
        notes["request"] = _numbers_for(draw, draw(st.lists(st.sampled_from(refs), min_size=1, unique=True)))
    elif draw(st.integers(0, 3)) == 0:
        notes["prefer"] = _numbers_for(draw, refs[:1])
    if draw(st.integers(0, 3)) == 0:
        notes["contiguous"] = "true"
    return place, groups + more, deployment("nameless", entries, pod=pod, **notes)


def _numbers_for(draw: st.DrawFn, refs: list[str]) -> str:
    return ",".join(f"{ref}={draw(NUMBERS)}" for ref in refs)
