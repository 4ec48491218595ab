"""The ledger against the cluster: what does not agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from hostport.allocation.added import recognised
from hostport.allocation.occupancy import nodes_overlap
from hostport.allocation.state import State
from hostport.allocation.summary import summarize
from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import AUTO
from hostport.api.ports import Protocol, ips_overlap
from hostport.api.workload import Workload, is_workload


class Entry(NamedTuple):
    """A lease where it stands: `where` is the object that holds it."""

    where: str
    pool: str
    key: LeaseKey
    lease: Lease


class Finding(NamedTuple):
    """Something that does not agree: its kind in one word, what it is about, and the facts in a sentence.

    `owners`: the workloads that it concerns; `pool`: the pool; `absent`: the owner is not there.
    """

    kind: str
    subject: str
    text: str
    owners: tuple[str, ...] = ()
    pool: str = ""
    absent: bool = False

    def row(self) -> dict[str, str]:
        """What a person is shown."""
        return {"kind": self.kind, "subject": self.subject, "text": self.text}


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read. `unreadable`: an object, a key in its record that is no lease, and why not; `counts`: the
    figures in statuses, where they are to be compared.
    """

    state: State
    entries: list[Entry]
    workloads: Mapping[str, Workload]
    unreadable: list[tuple[str, str, str]]
    counts: Mapping[str, Mapping[str, int]]


def check(evidence: Evidence) -> list[Finding]:
    """Everything that does not agree, the worst first."""
    return [
        *_overlaps(evidence),
        *_bare_numbers(evidence),
        *_without_workload(evidence),
        *_differing(evidence),
        *_unreadable(evidence),
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
                owners = tuple(sorted({one.lease.owner, other.lease.owner}))
                yield Finding("Overlap", str(one.key), text, owners, one.pool)


def _meet(state: State, one: Entry, other: Entry) -> bool:
    if not ips_overlap(one.key.ip, other.key.ip):
        return False
    return nodes_overlap(state.nodes_of((one.pool, one.key)), state.nodes_of((other.pool, other.key)))


def _bare_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Numbers of ours in a template that no lease stands for."""
    held = {(e.lease.owner, e.key.protocol, e.key.port) for e in evidence.entries if not e.lease.released}
    for workload in evidence.workloads.values():
        assigned = workload.assigned()
        for entry in recognised(workload, evidence.state.book.of_owner(workload.key)).entries:
            port = entry.host_port
            if port and assigned.get(entry.ref) == port and (workload.key, entry.protocol, port) not in held:
                text = f"{entry.ref} has hostPort {port} and no lease stands for it"
                yield Finding("NoLease", workload.key, text, (workload.key,))


def _without_workload(evidence: Evidence) -> Iterator[Finding]:
    """Active leases whose owner is gone, is another object of that name, asks for nothing, or can be no workload."""
    for entry in _active(evidence):
        owner = entry.lease.owner
        workload = evidence.workloads.get(owner)
        subject, concerns = f"{entry.pool} {entry.key}", ((owner,), entry.pool)
        if not is_workload(owner):
            text = f"leased to {owner!r}, which names no workload; take the lease out of the status of {entry.where}"
            yield Finding("NoOwner", subject, text, (), entry.pool)
        elif workload is None:
            yield Finding("NoWorkload", subject, f"leased to {owner}, which does not exist", *concerns, absent=True)
        elif workload.uid != entry.lease.uid:
            yield Finding("NoWorkload", subject, f"leased to an earlier {owner} (uid {entry.lease.uid})", *concerns)
        elif workload.annotations.get(AUTO) == "false" or AUTO not in workload.annotations:
            yield Finding("NoWorkload", subject, f"leased to {owner}, which does not ask for it ({AUTO})", *concerns)


def _differing(evidence: Evidence) -> Iterator[Finding]:
    """Active leases whose number is not in the template of their owner, for whatever a crash left half done."""
    standing = Counter((entry.lease.owner, entry.lease.grant) for entry in evidence.entries)
    for entry in _active(evidence):
        workload = evidence.workloads.get(entry.lease.owner)
        if workload is None or workload.annotations.get(AUTO) != "true":
            continue
        numbers = {(port.protocol, port.host_port) for port in workload.entries}
        if (entry.key.protocol, entry.key.port) not in numbers:
            text = f"leased to {entry.lease.owner} for {entry.lease.port}, whose template does not have it"
            stand, granted = standing[entry.lease.owner, entry.lease.grant], _granted(entry.lease)
            half = f"; {stand} of the {granted} leases of its grant stand" if stand < granted else ""
            concerns = ((entry.lease.owner,), entry.pool)
            yield Finding("HalfGrant" if half else "Differs", f"{entry.pool} {entry.key}", text + half, *concerns)


def _granted(lease: Lease) -> int:
    """How many leases were granted together."""
    count = lease.grant.partition("/")[2]
    return int(count) if count.isdecimal() else 1


def _active(evidence: Evidence) -> Iterator[Entry]:
    return (entry for entry in evidence.entries if entry.lease.state == "active")


def _unreadable(evidence: Evidence) -> Iterator[Finding]:
    """Entries of a record that say nothing."""
    for where, key, why in evidence.unreadable:
        text = f"{key!r} is no lease: {why}; take it out of the status"
        yield Finding("Unreadable", where, text, (), where.partition(" ")[2])


def _miscounted(evidence: Evidence) -> Iterator[Finding]:
    """Statuses that don't add up, in themselves or with the leases."""
    for name, counts in evidence.counts.items():
        parts = [counts.get(part, 0) for part in ("allocated", "cooling", "foreign", "free")]
        if sum(parts) != counts.get("capacity", 0):
            said = " + ".join(map(str, parts))
            text = f"allocated + cooling + foreign + free is {said}, capacity {counts['capacity']}"
            yield Finding("Counts", name, text, (), name)
        elif name in evidence.state.pools:
            real = _counted(evidence.state, name)
            wrong = {part: figure for part, figure in real.items() if counts.get(part) != figure}
            text = ", ".join(f"{part} {counts.get(part)} and not {figure}" for part, figure in wrong.items())
            if wrong:
                yield Finding("Counts", name, f"the status says {text}", (), name)


def _counted(state: State, pool: str) -> dict[str, int]:
    """What the leases say; who else is on a port may have come or gone since the status was written."""
    summary = summarize(state, state.pools[pool])
    total = summary.total
    return {
        "capacity": total.capacity,
        "allocated": total.allocated,
        "cooling": total.cooling,
        "leaseCount": summary.leases,
    }


def _over_quota(evidence: Evidence) -> Iterator[Finding]:
    """Namespaces that hold more than their share; two operators at once may overshoot by one grant each."""
    for pool in evidence.state.pools.values():
        namespaces = {entry.lease.namespace for entry in evidence.entries if entry.pool == pool.name}
        for namespace in sorted(namespaces) if pool.quota is not None else ():
            held = evidence.state.book.held(pool.name, namespace)
            if pool.quota is not None and held > pool.quota:
                text = f"namespace {namespace} holds {held} numbers, {pool.quota} are allowed"
                yield Finding("Quota", pool.name, text, (), pool.name)
