"""The allocation core alone: microseconds per allocation, as a pool fills, with one node and with thousands."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from random import Random

from hostport.allocation.candidates import candidates
from hostport.allocation.draft import Draft
from hostport.allocation.found import look
from hostport.allocation.holding import Holding
from hostport.allocation.pick import Picker
from hostport.allocation.plan import Planner
from hostport.allocation.state import State
from hostport.api.node import Node
from hostport.api.pool import Pool
from hostport.api.request import Request, parse_request
from hostport.api.workload import DEPLOYMENT, Workload
from hostport.ledger.book import Change

_NUMBERS = 20000
_BATCH = 20
_BATCHES = 25
_FILLED = (0.0, 0.5, 0.9, 0.99, 0.999)


def state(nodes: int, policy: str = "RoundRobin") -> State:
    """A pool of 20,000 numbers on that many nodes."""
    made = State()
    made.see_nodes(Node(f"node-{i}") for i in range(nodes))
    spec = {"ranges": [f"20000-{20000 + _NUMBERS - 1}"], "policy": policy, "protocols": ["TCP"]}
    made.see_pool(Pool.parse({"metadata": {"name": "pool", "uid": "1"}, "spec": spec}))
    return made


def workload(i: int, ports: int = 1, **annotations: str) -> Workload:
    """A Deployment that asks for hostPorts."""
    entries = [{"name": f"p{n}", "containerPort": 80 + n} for n in range(ports)]
    meta = {"namespace": "default", "name": f"web-{i}", "uid": f"uid-{i}", "resourceVersion": "1", "generation": 1}
    notes = {"hostport/auto": "true", **{f"hostport/{k}": v for k, v in annotations.items()}}
    pod = {"containers": [{"name": "nginx", "ports": entries}]}
    return Workload.parse(DEPLOYMENT, {"metadata": {**meta, "annotations": notes}, "spec": {"template": {"spec": pod}}})


def allocations(nodes: int, policy: str) -> Iterator[tuple[float, float, float]]:
    """(filled, microseconds for one allocation, microseconds for the whole plan) at rising fill."""
    held = state(nodes, policy)
    planner = Planner(held, Random(1))
    done = 0
    for filled in _FILLED:
        while done < _NUMBERS * filled:
            planner.plan(workload(done), "now")
            done += 1
        yield filled, _median_us(_allocate, held), _median_us(_plan, held)


def _median_us(timed: Callable[[State, list[Workload]], float], held: State) -> float:
    """The median over batches; a batch is what is free at the fullest."""
    askers = [workload(10**6 + i) for i in range(_BATCH)]
    return statistics.median(timed(held, askers) for _ in range(_BATCHES)) / _BATCH * 1e6


def _allocate(held: State, askers: list[Workload]) -> float:
    """Seconds to find numbers and lease them in the state; taking them back is not timed."""
    jobs = [_job(held, asker) for asker in askers]
    pools = candidates(held, askers[0], jobs[0][1], askers[0].placement)
    began = time.perf_counter()
    for picker, _, _ in jobs:
        picker.grant(pools)
    took = time.perf_counter() - began
    for _, _, draft in jobs:
        draft.undo()
    return took


def _job(held: State, asker: Workload) -> tuple[Picker, Request, Draft]:
    request, draft = parse_request(asker), Draft(held)
    if request is None:
        raise AssertionError(asker)
    holding = Holding(held, asker, request, draft, look(held, asker, request))
    return Picker(holding, Random(1)), request, draft


def _plan(held: State, askers: list[Workload]) -> float:
    """Seconds for all of it: annotations read, pools chosen, numbers found, leases made out."""
    planner = Planner(held, Random(1))
    began = time.perf_counter()
    plans = [planner.plan(asker, "now") for asker in askers]
    took = time.perf_counter() - began
    for change in (change for plan in plans for change in plan.changes):
        held.put(change._replace(lease=None))
    return took


def contiguous_ms() -> float:
    """Milliseconds for a run of 32 numbers in a pool that is 99 % full and has one such run, high up."""
    held = state(1)
    planner = Planner(held, Random(1))
    for i in range(_NUMBERS):
        planner.plan(workload(i), "now")
    free = [key for key in held.book.of_pool("pool") if 39744 <= key.port < 39776 or key.port % 100 == 0]
    for key in free:
        held.put(Change("pool", key, None))
    asker = workload(10**6, 32, contiguous="true")
    began = time.perf_counter()
    plan = planner.plan(asker, "now")
    took = time.perf_counter() - began
    if plan.refusal is not None:
        raise AssertionError(plan.refusal)
    return took * 1e3
