"""What is written into a workload: a JSON patch that holds only if the template is still the one that was planned for.

Never server-side apply: it would co-own the port entry, so that a port the user drops or renames stays behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from hostport.allocation.plan import Plan
from hostport.api import names
from hostport.api.podspec import PortEntry
from hostport.api.workload import KINDS, Workload
from hostport.cluster import paths
from hostport.cluster.additions import additions, container_path
from hostport.cluster.client import JSON_PATCH, Api
from hostport.cluster.port_lists import whole_lists

Operation = dict[str, Any]


async def write(api: Api, plan: Plan) -> int:
    """Write a plan's numbers; returns the workload's generation after it.

    Raises `Invalid` where the object is no longer the one that was planned for, besides what `Api` raises.
    """
    done = await api.patch(paths.workload(plan.workload.key), operations(plan), JSON_PATCH)
    return int(done["metadata"].get("generation", 0))


def operations(plan: Plan) -> list[Operation]:
    """The patch. The generation stands for the whole template; status updates, which are many, do not move it."""
    workload, lists = plan.workload, whole_lists(plan)
    single = [step for step in plan.ports if not step[0].passthrough and step[0].container not in lists]
    return [
        _test("/metadata/uid", workload.uid),
        _test("/metadata/generation", workload.generation),
        *_asked(workload),
        *(operation for step in single for operation in _port(workload, *step)),
        *(operation for index, (was, now) in lists.items() for operation in _list(workload, index, was, now)),
        *additions(plan, lists),
        *_strategy(plan),
        *_affinity(plan),
        *_assigned(plan),
    ]


def _asked(workload: Workload) -> Iterator[Operation]:
    if names.AUTO in workload.annotations:
        yield _test(_annotation(names.AUTO), workload.annotations[names.AUTO])


def _port(workload: Workload, entry: PortEntry, port: int, ip: str) -> Iterator[Operation]:
    container = container_path(workload, entry.container)
    place = f"{container}/ports/{entry.position}"
    yield _test(f"{container}/name", entry.container_name)
    yield _test(place, entry.raw)
    if port:
        yield {"op": "add", "path": f"{place}/hostPort", "value": port}
        if ip:
            yield {"op": "add", "path": f"{place}/hostIP", "value": ip}
    else:
        yield {"op": "remove", "path": f"{place}/hostPort"}
        if ip and entry.raw.get("hostIP"):
            yield {"op": "remove", "path": f"{place}/hostIP"}


def _list(workload: Workload, index: int, was: list[Operation], now: list[Operation]) -> Iterator[Operation]:
    container = container_path(workload, index)
    yield _test(f"{container}/name", workload.containers[index].name)
    if was:
        yield _test(f"{container}/ports", was)
    yield {"op": "add", "path": f"{container}/ports", "value": now}


def _strategy(plan: Plan) -> Iterator[Operation]:
    strategy = plan.workload.strategy
    if plan.rollout is None:
        return
    if strategy is not None and plan.rollout.amounts:
        rolling = f"/spec/{strategy.field}/rollingUpdate"
        yield from (_test(f"{rolling}/{name}", amount) for name, amount in strategy.amounts.items())
        for name, amount in plan.rollout.amounts.items():
            yield {"op": "replace", "path": f"{rolling}/{name}", "value": amount}
    yield from _note(plan.workload, names.ROLLOUT_WAS, plan.rollout.was)


def _affinity(plan: Plan) -> Iterator[Operation]:
    workload, confinement = plan.workload, plan.confinement
    if confinement is None:
        return
    place = "/" + "/".join(KINDS[workload.kind].template) + "/spec/affinity"
    if confinement.affinity is not None:
        if workload.affinity is not None:
            yield _test(place, workload.affinity)
        if confinement.affinity:
            yield {"op": "add", "path": place, "value": confinement.affinity}
        elif workload.affinity is not None:
            yield {"op": "remove", "path": place}
    yield from _note(workload, names.AFFINITY_WAS, confinement.record)


def _assigned(plan: Plan) -> Iterator[Operation]:
    yield from _note(plan.workload, names.ASSIGNED, plan.assigned)
    if plan.environment is not None:
        yield from _note(plan.workload, names.ENV_ADDED, plan.environment.added)


def _note(workload: Workload, name: str, value: Mapping[str, object]) -> Iterator[Operation]:
    """An annotation of ours, in JSON; what is empty is taken away."""
    if value:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        yield {"op": "add", "path": _annotation(name), "value": text}
    elif name in workload.annotations:
        yield {"op": "remove", "path": _annotation(name)}


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _annotation(name: str) -> str:
    return "/metadata/annotations/" + name.replace("/", "~1")
