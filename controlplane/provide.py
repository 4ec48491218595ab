"""The binaries, found or built."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from controlplane import recipe
from controlplane.binaries import ALL, Lookup, find, places
from controlplane.build import build
from controlplane.recipe import CNI, HELM, TARGETS


def look(names: Sequence[str] = ALL) -> Lookup:
    """What is where, on this machine, now."""
    return find(places(dict(os.environ), recipe.cache_directories(recipe.cache_root())), names)


def provide(names: Sequence[str] = ALL, say: Callable[[str], None] | None = None) -> dict[str, Path]:
    """Where each binary is; what is missing is built first, once."""
    lookup = look(names)
    if lookup.missing:
        say = say or _say
        for remark in lookup.passed_over:
            say(remark)
        build(lookup.missing, recipe.cache_root(), say)
        lookup = look(names)
    return {name: found.path for name, found in lookup.found.items()}


def cni_plugins(say: Callable[[str], None] | None = None) -> Path:
    """The directory of cnitool and the CNI plugins, built on first use; PATH's `bridge` is iproute2's."""
    build([name for name, target in TARGETS.items() if target.module is CNI], recipe.cache_root(), say or _say)
    return CNI.cache_in(recipe.cache_root())


def helm(say: Callable[[str], None] | None = None) -> Path:
    """Helm 3, built on first use: one on PATH may be a Helm 4, which merges in another way."""
    build(["helm"], recipe.cache_root(), say or _say)
    return HELM.cache_in(recipe.cache_root()) / "helm"


def _say(line: str) -> None:
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)
