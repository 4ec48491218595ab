"""Where the control plane's binaries are: $KUBEBUILDER_ASSETS, PATH, the cache. The rest must be built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

APISERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
ETCD, KUBECTL, KWOK = "etcd", "kubectl", "kwok"

# A scheduler or controller manager newer than the API server is unsupported: the three come from one place.
TRIO = (APISERVER, CONTROLLER_MANAGER, SCHEDULER)
ALL = (ETCD, *TRIO, KUBECTL, KWOK)


@dataclass(frozen=True)
class Place:
    """A directory that may hold binaries, and what to call it."""

    label: str
    directory: Path

    def has(self, name: str) -> bool:
        """Whether an executable of exactly this name is there."""
        return (self.directory / name).is_file() and os.access(self.directory / name, os.X_OK)

    def __str__(self) -> str:
        return f"{self.label} ({self.directory})"


@dataclass(frozen=True)
class Found:
    """A binary and the place it was found in."""

    name: str
    place: Place

    @property
    def path(self) -> Path:
        """The executable."""
        return self.place.directory / self.name


@dataclass(frozen=True)
class Lookup:
    """What was found, what was not, and which places were passed over."""

    found: dict[str, Found]
    missing: tuple[str, ...]
    passed_over: tuple[str, ...]


def places(environment: dict[str, str], cache: Iterable[Path]) -> list[Place]:
    """The places in the order they are asked."""
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    search_path = environment.get("PATH", "").split(os.pathsep)
    return [
        *([Place("$KUBEBUILDER_ASSETS", Path(assets))] if assets else []),
        *(Place("PATH", Path(entry)) for entry in dict.fromkeys(search_path) if entry),
        *(Place("cache", directory) for directory in cache),
    ]


def find(asked: Sequence[Place], names: Sequence[str] = ALL) -> Lookup:
    """Each binary from the first place that has it; the trio from the first place that has all three."""
    found = {name: Found(name, place) for name in names if name not in TRIO and (place := _first(asked, [name]))}
    trio = [name for name in TRIO if name in names]
    place = _first(asked, trio) if trio else None
    if place:
        found |= {name: Found(name, place) for name in trio}
    before = asked[: asked.index(place)] if place else asked
    missing = tuple(name for name in names if name not in found)
    return Lookup(found, missing, tuple(_passed_over(before, trio)))


def _first(asked: Sequence[Place], names: Sequence[str]) -> Place | None:
    return next((place for place in asked if all(place.has(name) for name in names)), None)


def _passed_over(asked: Sequence[Place], trio: Sequence[str]) -> Iterable[str]:
    for place in asked:
        there = [name for name in trio if place.has(name)]
        if there:
            lacking = " and ".join(name for name in trio if name not in there)
            yield f"{place} is passed over for {' and '.join(there)}: no {lacking} there, and versions must not mix"
