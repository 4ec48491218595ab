"""What is put into a template and taken out of it again: entries for ports passed through, and variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hostport.allocation.environment import Setting
from hostport.allocation.plan import Plan
from hostport.api.podspec import PortEntry
from hostport.api.workload import KINDS, Workload

Operation = dict[str, Any]
Step = tuple[PortEntry, int, str]


def additions(plan: Plan) -> Iterator[Operation]:
    """The operations, in an order in which none moves what a later one means."""
    workload = plan.workload
    settings = plan.environment.settings if plan.environment is not None else ()
    for index, container in enumerate(workload.containers):
        steps = [step for step in plan.ports if step[0].passthrough and step[0].container == index]
        told = [setting for setting in settings if setting.container == index]
        if steps or told:
            path = container_path(workload, index)
            yield _test(f"{path}/name", container.name)
            yield from _ports(f"{path}/ports", steps, empty=not container.has_ports, network=workload.host_network)
            yield from _variables(f"{path}/env", told, empty=not container.has_env)


def container_path(workload: Workload, index: int) -> str:
    """Where a container of the template stands."""
    return f"/{'/'.join(KINDS[workload.kind].template)}/spec/containers/{index}"


# Ports


def _ports(path: str, steps: Sequence[Step], *, empty: bool, network: bool) -> Iterator[Operation]:
    for entry, port, ip in sorted(steps, key=lambda step: -step[0].position):
        if entry.position >= 0:
            yield _test(f"{path}/{entry.position}", entry.raw)
            yield from _changed(f"{path}/{entry.position}", entry, port, ip, network=network)
    new = [_entry(entry, port, ip) for entry, port, ip in steps if port and not _is_whole(entry)]
    if new and empty:
        yield {"op": "add", "path": path, "value": new}
    else:
        yield from ({"op": "add", "path": f"{path}/-", "value": entry} for entry in new)


def _is_whole(entry: PortEntry) -> bool:
    """Whether nothing in an entry is the user's."""
    return entry.position >= 0 and not entry.raw.get("name") and bool(entry.raw.get("hostPort"))


def _changed(place: str, entry: PortEntry, port: int, ip: str, *, network: bool) -> Iterator[Operation]:
    """An entry of ours has another number or goes; one of the user's loses what is ours of it."""
    if _is_whole(entry):
        yield {"op": "replace", "path": place, "value": _entry(entry, port, ip)} if port else _remove(place)
    elif entry.raw.get("hostPort") and not network:
        yield _remove(f"{place}/hostPort")


def _entry(entry: PortEntry, port: int, ip: str) -> dict[str, Any]:
    made: dict[str, Any] = {"containerPort": port, "hostPort": port, "protocol": entry.protocol.value}
    return {**made, "hostIP": ip} if ip else made


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
