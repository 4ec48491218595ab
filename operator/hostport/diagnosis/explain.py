"""Why a workload has, or has not, its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from random import Random

from hostport.allocation.plan import Planner
from hostport.allocation.state import State
from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import AUTO
from hostport.api.podspec import PortEntry
from hostport.api.workload import Workload
from hostport.diagnosis.holders import POD
from hostport.diagnosis.intruders import intrusions, to_the_intruder, to_the_owner
from hostport.diagnosis.pending import Stuck, diagnose

_STATES = {"active": "leased", "releasing": "being given back", "released": "resting"}


@dataclass(frozen=True, slots=True)
class PortStory:
    """One port of a workload: its hostPort (0 for none), where that comes from, and since when it is so."""

    port: str
    protocol: str
    number: int
    state: str
    pool: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """All there is to say of a workload. `pods` by name with their node, "" for none; `says` are sentences."""

    workload: str
    asks: str
    ports: list[PortStory] = field(default_factory=list)
    pods: dict[str, str] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)


def explain(
    state: State,
    workloads: Mapping[str, Workload],
    stuck: Mapping[str, Stuck],
    leaving: Set[str],
    key: str,
    told: str = "",
) -> Story:
    """The story of the workload `key` (Kind/namespace/name), or of a Pod of nobody's.

    `stuck` are the Pods that can't be scheduled, `leaving` those that are being deleted, `told` is the operator's last
    warning on it. It asks the planner what would be done now, which changes `state`.
    """
    workload = workloads.get(key)
    story = Story(key, workload.annotations.get(AUTO, "") if workload else "")
    story.pods.update(_pods(state, key))
    story.ports.extend(_ports(state, workload, key))
    for pod in (pod for pod in stuck.values() if pod.owner == key):
        conflict = diagnose(state, workloads, pod, leaving)
        if conflict is not None:
            story.says.append(f"{pod.by} is Pending: {conflict.text}.")
    for found in intrusions(state):
        if found.owner == key:
            story.says.append(f"{to_the_owner(state, workloads, found)}.")
        elif found.intruder == key:
            story.says.append(f"{to_the_intruder(state, workloads, found)}.")
    story.says.insert(0, _verdict(state, workloads, workload, story, told))
    return story


def concerned(state: State, workloads: Mapping[str, Workload], namespace: str | None) -> list[str]:
    """Everyone in a namespace, or in all, whose Pods want a hostPort or who asks for one."""
    owners = {use.owner for use in map(state.use_of, state.uses()) if use is not None}
    askers = {key for key, workload in workloads.items() if AUTO in workload.annotations}
    keys = {key for key in owners | askers | set(state.book.owners()) if not key.startswith("Service/")}
    return sorted(key for key in keys if key.count("/") == 2 and namespace in (None, key.split("/")[1]))


def _pods(state: State, owner: str) -> Iterator[tuple[str, str]]:
    for key in state.uses():
        use = state.use_of(key)
        if use is not None and use.owner == owner and key.startswith(POD):
            node = next(iter(use.nodes), "") if isinstance(use.nodes, frozenset) else ""
            yield key.removeprefix(POD).partition("/")[2], node


def _ports(state: State, workload: Workload | None, owner: str) -> Iterator[PortStory]:
    """The ports of the template, then the leases that are for none of them, then what stands there by hand."""
    leases = {(key.protocol, key.port): (pool, key, lease) for (pool, key), lease in _leases(state, owner)}
    shown = set()
    for entry in workload.entries if workload else ():
        shown.add((entry.protocol, entry.host_port))
        yield _entry(entry, leases.get((entry.protocol, entry.host_port)))
    for number, (pool, key, lease) in leases.items():
        if number not in shown:
            yield _leased(lease.port, pool, key, lease)
    uses = (
        (workload.claims,) if workload else (state.claims_of(key) for key in state.uses() if _is_of(state, key, owner))
    )
    for claim in sorted(set().union(*uses)):
        if (claim.protocol, claim.port) not in {*shown, *leases}:
            yield PortStory("", str(claim.protocol), claim.port, "written by hand")


def _is_of(state: State, key: str, owner: str) -> bool:
    use = state.use_of(key)
    return use is not None and use.owner == owner


def _leases(state: State, owner: str) -> list[tuple[tuple[str, LeaseKey], Lease]]:
    return sorted(state.book.of_owner(owner).items(), key=lambda item: item[0][1])


def _entry(entry: PortEntry, held: tuple[str, LeaseKey, Lease] | None) -> PortStory:
    if held is not None:
        return _leased(entry.ref, *held)
    return PortStory(
        entry.ref, str(entry.protocol), entry.host_port, "written by hand" if entry.host_port else "no hostPort"
    )


def _leased(ref: str, pool: str, key: LeaseKey, lease: Lease) -> PortStory:
    since = lease.released or lease.releasing or lease.since
    return PortStory(ref, str(key.protocol), key.port, _STATES[lease.state], pool, since)


def _verdict(
    state: State, workloads: Mapping[str, Workload], workload: Workload | None, story: Story, told: str
) -> str:
    """The first sentence: how it stands."""
    if workload is None:
        return (
            "It is no workload that could ask for a hostPort." if story.pods else "It is gone; what it had is resting."
        )
    if not story.asks:
        by_hand = any(port.state == "written by hand" for port in story.ports)
        return f"It does not ask for hostPorts ({AUTO} is not set)" + (
            "; what it has was written by hand." if by_hand else "."
        )

    def uid_of(owner: str) -> str:
        return workloads[owner].uid if owner in workloads else ""

    plan = Planner(state, Random(0)).plan(workload, "", uid_of)  # noqa: S311 - dice, no secrets
    if plan.suspects:
        names = ", ".join(sorted(plan.suspects))
        return f"Its hostPort is leased to {names}; nothing is moved before the API server says whether that is there."
    if plan.refusal is not None:
        return f"Not served: {plan.refusal.reason}: {plan.refusal.message}."
    if plan.changes or plan.patches_template:
        if told:
            return f"Not served; what the operator has said last: {told.rstrip('.')}."
        return (
            "The operator has not come to it yet; if that stays so, is it running? kubectl -n hostport-system get pods"
        )
    if story.asks == "false":
        return f'It does not ask for hostPorts ({AUTO}: "false").'
    return "Served: its ports have their numbers."
