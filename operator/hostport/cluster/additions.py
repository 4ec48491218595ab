"""What is put into a template and taken out of it again: entries for ports passed through, and variables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from hostport.allocation.environment import Setting
from hostport.allocation.plan import Plan
from hostport.api.podspec import PortEntry
from hostport.api.workload import KINDS, Workload
from hostport.cluster.port_lists import Step, added, whole

Operation = dict[str, Any]
T = TypeVar("T")


def additions(plan: Plan, besides: Collection[int] = ()) -> Iterator[Operation]:
    """The operations, in an order in which none moves what a later one means.

    `besides`: the containers whose list of ports is written already.
    """
    workload = plan.workload
    settings = plan.environment.settings if plan.environment is not None else ()
    passed = (step for step in plan.ports if step[0].passthrough and step[0].container not in besides)
    all_steps, all_told = _by(passed, lambda step: step[0].container), _by(settings, lambda setting: setting.container)
    for index, container in enumerate(workload.containers):
        steps, told = all_steps.get(index, []), all_told.get(index, [])
        if steps or told:
            path = container_path(workload, index)
            yield _test(f"{path}/name", container.name)
            yield from _ports(f"{path}/ports", steps, empty=not container.has_ports, network=workload.host_network)
            yield from _variables(f"{path}/env", told, empty=not container.has_env)


def _by(found: Iterable[T], container: Callable[[T], int]) -> dict[int, list[T]]:
    made: dict[int, list[T]] = {}
    for each in found:
        made.setdefault(container(each), []).append(each)
    return made


def container_path(workload: Workload, index: int) -> str:
    """Where a container of the template stands."""
    return f"/{'/'.join(KINDS[workload.kind].template)}/spec/containers/{index}"


# Ports


def _ports(path: str, steps: Sequence[Step], *, empty: bool, network: bool) -> Iterator[Operation]:
    for entry, port, ip in sorted(steps, key=lambda step: -step[0].position):
        if entry.position >= 0:
            yield _test(f"{path}/{entry.position}", entry.raw)
            yield from _changed(f"{path}/{entry.position}", entry, port, ip, network=network)
    new = [added(entry, port, ip) for entry, port, ip in steps if port and not whole(entry)]
    if new and empty:
        yield {"op": "add", "path": path, "value": new}
    else:
        yield from ({"op": "add", "path": f"{path}/-", "value": entry} for entry in new)


def _changed(place: str, entry: PortEntry, port: int, ip: str, *, network: bool) -> Iterator[Operation]:
    """An entry of ours has another number or goes; one of the user's loses what is ours of it."""
    if whole(entry):
        yield {"op": "replace", "path": place, "value": added(entry, port, ip)} if port else _remove(place)
    elif entry.raw.get("hostPort") and not network:
        yield _remove(f"{place}/hostPort")


# Variables


def _variables(path: str, settings: Sequence[Setting], *, empty: bool) -> Iterator[Operation]:
    there = [(setting.there, setting.value) for setting in settings if setting.there is not None]
    for variable, value in sorted(there, reverse=True):
        place = f"{path}/{variable.position}"
        yield _test(place, variable.raw)
        yield {"op": "replace", "path": f"{place}/value", "value": value} if value else _remove(place)
    new = [{"name": setting.name, "value": setting.value} for setting in settings if setting.there is None]
    if new and empty:
        yield {"op": "add", "path": path, "value": new}
    else:
        # In front: `$(HOSTPORT_HTTP)` in another variable only means one that stands before it.
        yield from ({"op": "add", "path": f"{path}/0", "value": variable} for variable in reversed(new))


def _remove(path: str) -> Operation:
    return {"op": "remove", "path": path}


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}
