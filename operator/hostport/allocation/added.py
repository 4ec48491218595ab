"""Entries of a template that the operator has added for ports that are passed through, told apart from the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from bitarray import bitarray

from hostport.api.lease import Lease
from hostport.api.passthrough import named_refs
from hostport.api.podspec import PortEntry
from hostport.api.ports import SPACE, PortSet, Protocol
from hostport.api.workload import Workload
from hostport.ledger.book import Place


def recognised(workload: Workload, own: Mapping[Place, Lease]) -> Workload:
    """The workload with those entries marked that stand for a port passed through. `own` are its leases.

    Such an entry has one number as containerPort and hostPort. It is ours by its lease, or, where it has no name, by
    what `hostport/assigned` says (a copy). An entry of the user's stands for one too where its number is leased for
    it: `kubectl apply` of a port that is declared with that number writes into ours, as both have one merge key.
    """
    if not any(entry.number == _shown(workload, entry) for entry in workload.entries):
        return workload
    leased, noted, wanted = _leased(own), _noted(workload), dict(named_refs(workload))
    declared = {entry.ref for entry in workload.entries}

    def mark(entry: PortEntry) -> PortEntry:
        port = _shown(workload, entry)
        ref = leased.get((entry.container_name, entry.protocol, port), "")
        known = ref in wanted
        if entry.host_port and not entry.name:
            known, ref = bool(ref), ref or _meant(noted.get((entry.container_name, port), []), wanted, entry.protocol)
        if entry.number != port or ref in declared or not (known or ref in wanted):
            return entry
        name = ref.partition("/")[2]
        return entry._replace(name=name, number=-port, host_port=port, ref=ref, passthrough=True)

    return replace(workload, entries=tuple(map(mark, workload.entries)))


def declared_numbers(workload: Workload) -> PortSet:
    """The containerPorts of the template: no port can be passed through on one, its containers share one network."""
    return _declared(_Same(workload))


class _Same:
    """A workload as a key by which it is told from every other object, whatever stands in them."""

    __slots__ = ("workload",)

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def __hash__(self) -> int:
        return id(self.workload)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.workload is self.workload


@lru_cache(maxsize=4)
def _declared(same: _Same) -> PortSet:
    """Asked for once per port of a plan, the same each time."""
    found = PortSet()
    for entry in (*same.workload.entries, *same.workload.init_entries):
        if 0 < entry.number < SPACE:
            found.bits[entry.number] = 1
    return found


def beside_declared(free: bitarray, workload: Workload) -> bitarray:
    """Those free numbers that are no containerPort of the template."""
    return (PortSet(free) - declared_numbers(workload)).bits


def _shown(workload: Workload, entry: PortEntry) -> int:
    """The port of the node that an entry claims, 0 for none."""
    return entry.host_port or (entry.number if workload.host_network else 0)


def _leased(own: Mapping[Place, Lease]) -> dict[tuple[str, Protocol, int], str]:
    """Container, protocol and number of every lease that may be for a port passed through, and its PORT."""
    found = {}
    for (_, key), lease in sorted(own.items(), key=lambda item: item[1].state == "active"):
        container, _, name = lease.port.partition("/")
        if name and "/" not in name:
            found[container, key.protocol, key.port] = lease.port
    return found


def _noted(workload: Workload) -> dict[tuple[str, int], list[str]]:
    """By container and number, the PORTs of which `hostport/assigned` says that they have it: one of each protocol."""
    found: dict[tuple[str, int], list[str]] = {}
    for ref, port in workload.assigned().items():
        if ref.count("/") == 1:
            found.setdefault((ref.partition("/")[0], port), []).append(ref)
    return found


def _meant(refs: list[str], wanted: Mapping[str, Protocol], protocol: Protocol) -> str:
    """Of PORTs with one number the one that is passed through in this protocol, else any."""
    return next((ref for ref in refs if wanted.get(ref) == protocol), refs[-1] if refs else "")
