"""The ledger against the cluster: what does not agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from hostport.allocation.occupancy import nodes_overlap
from hostport.allocation.state import State
from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import AUTO
from hostport.api.ports import Protocol, ips_overlap
from hostport.api.workload import Workload


class Entry(NamedTuple):
    """A lease where it stands: `where` is the object that holds it."""

    where: str
    pool: str
    key: LeaseKey
    lease: Lease


class Finding(NamedTuple):
    """Something that does not agree: its kind in one word, what it is about, and the facts in a sentence."""

    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read. `unreadable`: lease keys that spell nothing, by object; `counts`: the figures in statuses."""

    state: State
    entries: list[Entry]
    workloads: Mapping[str, Workload]
    unreadable: list[tuple[str, str]]
    counts: Mapping[str, Mapping[str, int]]


def check(evidence: Evidence) -> list[Finding]:
    """Everything that does not agree, the worst first."""
    return [
        *_overlaps(evidence),
        *_bare_numbers(evidence),
        *_without_workload(evidence),
        *_differing(evidence),
        *(Finding("Unreadable", where, f"{key!r} is no lease key") for where, key in evidence.unreadable),
        *_miscounted(evidence),
        *_over_quota(evidence),
    ]


def _overlaps(evidence: Evidence) -> Iterator[Finding]:
    """Two leases of one number on one node and address, released ones too."""
    by_number: dict[tuple[Protocol, int], list[Entry]] = defaultdict(list)
    for entry in evidence.entries:
        by_number[entry.key.protocol, entry.key.port].append(entry)
    for entries in by_number.values():
        for one, other in combinations(entries, 2):
            if _meet(evidence.state, one, other):
                text = f"leased to {one.lease.owner} in {one.where} and to {other.lease.owner} in {other.where}"
                yield Finding("Overlap", str(one.key), text)


def _meet(state: State, one: Entry, other: Entry) -> bool:
    if not ips_overlap(one.key.ip, other.key.ip):
        return False
    return nodes_overlap(state.nodes_of((one.pool, one.key)), state.nodes_of((other.pool, other.key)))


def _bare_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Numbers of ours in a template that no lease stands for."""
    held = {(e.lease.owner, e.key.protocol, e.key.port) for e in evidence.entries}
    for workload in evidence.workloads.values():
        assigned = workload.assigned()
        for entry in workload.entries:
            port = entry.host_port
            if port and assigned.get(entry.ref) == port and (workload.key, entry.protocol, port) not in held:
                yield Finding("NoLease", workload.key, f"{entry.ref} has hostPort {port} and no lease stands for it")


def _without_workload(evidence: Evidence) -> Iterator[Finding]:
    """Active leases whose owner is gone, is another object of that name, or asks for nothing."""
    for entry in _active(evidence):
        workload = evidence.workloads.get(entry.lease.owner)
        subject = f"{entry.pool} {entry.key}"
        if workload is None:
            yield Finding("NoWorkload", subject, f"leased to {entry.lease.owner}, which does not exist")
        elif workload.uid != entry.lease.uid:
            yield Finding("NoWorkload", subject, f"leased to an earlier {entry.lease.owner} (uid {entry.lease.uid})")
        elif workload.annotations.get(AUTO) == "false" or AUTO not in workload.annotations:
            yield Finding("NoWorkload", subject, f"leased to {entry.lease.owner}, which does not ask for it ({AUTO})")


def _differing(evidence: Evidence) -> Iterator[Finding]:
    """Active leases whose number is not in the template of their owner."""
    for entry in _active(evidence):
        workload = evidence.workloads.get(entry.lease.owner)
        if workload is None or workload.annotations.get(AUTO) != "true":
            continue
        numbers = {(port.protocol, port.host_port) for port in workload.entries}
        if (entry.key.protocol, entry.key.port) not in numbers:
            text = f"leased to {entry.lease.owner} for {entry.lease.port}, whose template does not have it"
            yield Finding("Differs", f"{entry.pool} {entry.key}", text)


def _active(evidence: Evidence) -> Iterator[Entry]:
    return (entry for entry in evidence.entries if entry.lease.state == "active")


def _miscounted(evidence: Evidence) -> Iterator[Finding]:
    """Statuses that don't add up."""
    for pool, counts in evidence.counts.items():
        parts = [counts.get(name, 0) for name in ("allocated", "cooling", "foreign", "free")]
        if sum(parts) != counts.get("capacity", 0):
            said = " + ".join(map(str, parts))
            yield Finding(
                "Counts", pool, f"allocated + cooling + foreign + free is {said}, capacity {counts['capacity']}"
            )


def _over_quota(evidence: Evidence) -> Iterator[Finding]:
    """Namespaces that hold more than their share; two operators at once may overshoot by one grant each."""
    for pool in evidence.state.pools.values():
        namespaces = {entry.lease.namespace for entry in evidence.entries if entry.pool == pool.name}
        for namespace in sorted(namespaces) if pool.quota is not None else ():
            held = evidence.state.book.held(pool.name, namespace)
            if pool.quota is not None and held > pool.quota:
                yield Finding(
                    "Quota", pool.name, f"namespace {namespace} holds {held} numbers, {pool.quota} are allowed"
                )
