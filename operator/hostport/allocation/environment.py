"""What becomes of a workload's environment: a difference between what it should say and what it says.

A variable is the operator's as long as it has the value that `hostport/env-added` says was written. Whatever else
stands there is the user's, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hostport.allocation.rollout import Remark
from hostport.api import names
from hostport.api.environment import Variable, variable_of
from hostport.api.podspec import PortEntry
from hostport.api.workload import Workload


class Setting(NamedTuple):
    """A variable to be written into a container. `there`: the one that is replaced; without `value` it is taken out."""

    container: int
    name: str
    value: str
    there: Variable | None


class Environment(NamedTuple):
    """`settings` to write; what `hostport/env-added` must say; the user's own variables that are kept, in words."""

    settings: tuple[Setting, ...]
    added: dict[str, int]
    kept: tuple[str, ...]

    def remarks(self) -> Iterator[Remark]:
        """What a person should know about it."""
        if self.kept:
            way_out = "take it out of the template, or give the port another name"
            yield Remark("InvalidAnnotation", f"{names.ENV}: {'; '.join(self.kept)}: {way_out}", lasting=True)


def environment(workload: Workload, told: Mapping[PortEntry, int]) -> Environment:
    """What to do for a workload whose containers are to be told these numbers, and no others."""
    settings: list[Setting] = []
    added: dict[str, int] = {}
    kept = []
    noted, there = workload.env_added(), _variables(workload)
    for entry, port in told.items():
        name = variable_of(entry)
        place = f"{entry.container_name}/{name}"
        variable = there.pop(place, None)
        ours = variable is None or (place in noted and variable.value == str(noted[place]))
        if ours:
            added[place] = port
        if ours and (variable is None or variable.value != str(port)):
            settings.append(Setting(entry.container, name, str(port), variable))
        elif variable is not None and variable.value != str(port):
            kept.append(f"container {entry.container_name} has a {name} of its own, which stays; the number is {port}")
    settings += _leftovers(workload, noted, there)
    return Environment(tuple(settings), added, tuple(kept))


def _variables(workload: Workload) -> dict[str, Variable]:
    return {f"{container.name}/{v.name}": v for container in workload.containers for v in container.variables}


def _leftovers(workload: Workload, noted: Mapping[str, int], there: Mapping[str, Variable]) -> Iterator[Setting]:
    """Variables of ours that nothing wants."""
    containers = [container.name for container in workload.containers]
    for place, port in noted.items():
        variable = there.get(place)
        if variable is not None and variable.value == str(port):
            yield Setting(containers.index(place.partition("/")[0]), variable.name, "", variable)
