"""A container's list of ports, written whole: an API server takes 10,000 operations in a patch, whatever they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hostport.allocation.plan import Plan
from hostport.api.podspec import PortEntry
from hostport.api.workload import Workload

Step = tuple[PortEntry, int, str]
Entry = dict[str, Any]

# Up to here each port is tested and written by itself, so that what others do to the rest of the list is no obstacle.
MOST_SINGLE_STEPS = 64


def whole_lists(plan: Plan) -> dict[int, tuple[list[Entry], list[Entry]]]:
    """By container, the list of ports that stands there and the one to be written, where much of it changes."""
    by_container: dict[int, list[Step]] = {}
    for step in plan.ports:
        by_container.setdefault(step[0].container, []).append(step)
    many = {index: steps for index, steps in by_container.items() if len(steps) > MOST_SINGLE_STEPS}
    lists = {index: standing(plan.workload, index) for index in many}
    network = plan.workload.host_network
    return {
        index: (there, list(_written(there, many[index], network=network)))
        for index, there in lists.items()
        if there is not None
    }


def standing(workload: Workload, index: int) -> list[Entry] | None:
    """The list of ports of a container; None where there is something in it that is not known here."""
    there = {e.position: e.raw for e in workload.entries if e.container == index and e.position >= 0}
    complete = len(there) == workload.containers[index].port_count
    return [there[position] for position in sorted(there)] if complete else None


def _written(there: Sequence[Entry], steps: Sequence[Step], *, network: bool) -> Iterator[Entry]:
    at = {step[0].position: step for step in steps if step[0].position >= 0}
    for position, raw in enumerate(there):
        if position not in at:
            yield raw
            continue
        entry, port, ip = at[position]
        if entry.passthrough:
            yield from _passed_through(entry, port, ip, network=network)
        else:
            yield with_number(raw, port, ip)
    yield from (added(entry, port, ip) for entry, port, ip in steps if port and entry.passthrough and not whole(entry))


def _passed_through(entry: PortEntry, port: int, ip: str, *, network: bool) -> Iterator[Entry]:
    if whole(entry):
        yield from [added(entry, port, ip)] if port else ()
    elif entry.raw.get("hostPort") and not network:
        yield {name: value for name, value in entry.raw.items() if name != "hostPort"}
    else:
        yield entry.raw


def with_number(raw: Entry, port: int, ip: str) -> Entry:
    """A declared entry with the number that it gets, or without the one it had."""
    if port:
        return {**raw, "hostPort": port, **({"hostIP": ip} if ip else {})}
    gone = ("hostPort", "hostIP") if ip else ("hostPort",)
    return {name: value for name, value in raw.items() if name not in gone}


def whole(entry: PortEntry) -> bool:
    """Whether nothing in an entry is the user's."""
    return entry.position >= 0 and not entry.raw.get("name") and bool(entry.raw.get("hostPort"))


def added(entry: PortEntry, port: int, ip: str) -> Entry:
    """The entry of a port that is passed through."""
    made: Entry = {"containerPort": port, "hostPort": port, "protocol": entry.protocol.value}
    return {**made, "hostIP": ip} if ip else made
