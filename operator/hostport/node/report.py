"""A look at a node as its agent reports it: the status of a HostPortNode, written and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hostport.api.podspec import Claim
from hostport.api.ports import Protocol, canonical_ip
from hostport.node.facts import Listener, Mapping, Sight, port_of
from hostport.node.verdict import life_of, names_of

Json = dict[str, Any]

MOST_LISTENERS, MOST_HOST_PORTS = 2048, 4096
_LONGEST_MESSAGE = 2048


def compose(sight: Sight, before: Sight | None) -> Json:
    """The status of a look, without its time. What comes and goes is told only if the look `before` had it as well.

    A rule is stale if both looks say so: while a Pod ends there is a moment in which its sandbox is gone and its rule
    is not. A UDP socket in the ephemeral range is most often a client's, and gone by the next look.
    """
    names = {uid: name.removeprefix("Pod ") for uid, name in names_of(sight).items()}
    listeners = [_listener(s, names) for s in _lasting(sight, before)]
    rules = [_rule(rule, sight, before) for rule in sight.mappings]
    first_last = sight.ephemeral
    return {
        "datapath": str(sight.datapath)[:256],
        "ephemeralPorts": f"{first_last[0]}-{first_last[1]}" if first_last else None,
        **_counted(_sorted(listeners), _sorted(rules)),
        "conditions": [_complete(sight, len(listeners), len(rules))],
    }


def keep(report: Json, before: Json | None) -> Json:
    """Of a report with gaps: what was there before is still told, because better to keep off a number than to meet."""
    (condition,) = report["conditions"]
    if before is None or condition["reason"] != "Unreadable":
        return report
    kept = {name: [*report[name], *(e for e in before[name] if e not in report[name])] for name in _LISTS}
    return {**report, **_counted(_sorted(kept["listeners"]), _sorted(kept["hostPorts"]))}


_LISTS = ("listeners", "hostPorts")


def _counted(listeners: Sequence[Json], rules: Sequence[Json]) -> Json:
    return {
        "listenerCount": len(listeners),
        "hostPortCount": len(rules),
        "staleCount": sum(bool(rule.get("stale")) for rule in rules),
        "listeners": listeners[:MOST_LISTENERS],
        "hostPorts": rules[:MOST_HOST_PORTS],
    }


def _sorted(entries: Iterable[Json]) -> list[Json]:
    """In an order of their own, each once: what is the same must look the same."""
    by_text = {str(sorted(entry.items())): entry for entry in entries}
    return sorted(by_text.values(), key=lambda e: (e["port"], e["protocol"], e["address"], str(sorted(e.items()))))


def _lasting(sight: Sight, before: Sight | None) -> Iterator[Listener]:
    known = {s[:3] for s in before.listeners} if before is not None else set()
    first, last = sight.ephemeral or (1, 0)
    for socket in sight.listeners:
        if socket.protocol is not Protocol.UDP or not first <= socket.port <= last or socket[:3] in known:
            yield socket


def _listener(socket: Listener, names: dict[str, str]) -> Json:
    entry: Json = {"port": socket.port, "protocol": str(socket.protocol), "address": socket.ip or "0.0.0.0"}  # noqa: S104
    if socket.process is not None:
        entry["process"] = socket.process.name[:64]
        if socket.process.pod_uid:
            entry["pod"] = names.get(socket.process.pod_uid, socket.process.pod_uid)
    return entry


def _rule(rule: Mapping, sight: Sight, before: Sight | None) -> Json:
    address = rule.ip or ("::" if ":" in rule.target_ip else "0.0.0.0")  # noqa: S104 - told, not bound
    entry: Json = {"port": rule.port, "protocol": str(rule.protocol), "address": address, "target": rule.target}
    entry |= {"backend": rule.backend, "container": rule.container[:256]}
    sandbox = (sight.sandboxes or {}).get(rule.container)
    if sandbox is not None and sandbox.pod:
        entry["pod"] = sandbox.pod_name
    if before is not None and rule in before.mappings and all(life_of(rule, s, None).stale for s in (before, sight)):
        entry["stale"] = True
    return entry


def _complete(sight: Sight, listeners: int, rules: int) -> Json:
    if sight.gaps:
        return _condition("False", "Unreadable", "; ".join(sight.gaps)[:_LONGEST_MESSAGE])
    if listeners > MOST_LISTENERS or rules > MOST_HOST_PORTS:
        text = f"more than {MOST_LISTENERS} listeners or {MOST_HOST_PORTS} rules; the highest numbers are left out"
        return _condition("False", "TooMany", text)
    return _condition("True", "Read", "")


def _condition(status: str, reason: str, message: str) -> Json:
    return {"type": "Complete", "status": status, "reason": reason, "message": message}


# Reading


@dataclass(frozen=True, slots=True)
class Report:
    """What the operator takes from a HostPortNode: the claims of processes, by who they are, and of stale rules."""

    node: str
    uid: str
    listeners: tuple[tuple[Claim, str], ...] = ()
    stale: frozenset[Claim] = frozenset()
    ephemeral: tuple[int, int] | None = None


def parse(raw: Json) -> Report:
    """A HostPortNode as the API server shows it; entries that make no sense are left out."""
    meta, status = raw["metadata"], raw.get("status") or {}
    listeners = ((claim, _who(entry)) for entry in status.get("listeners") or () if (claim := _claim(entry)))
    stale = (_claim(entry) for entry in status.get("hostPorts") or () if entry.get("stale"))
    owners = meta.get("ownerReferences") or ()
    uid = next((str(owner.get("uid") or "") for owner in owners if owner.get("kind") == "Node"), "")
    return Report(
        str(meta["name"]), uid, tuple(listeners), frozenset(filter(None, stale)), _span(status.get("ephemeralPorts"))
    )


def _claim(entry: Json) -> Claim | None:
    port, protocol = port_of(entry.get("port")), entry.get("protocol")
    if port is None or protocol not in tuple(Protocol):
        return None
    ip = canonical_ip(str(entry.get("address") or ""))
    # A socket on `::` most often takes IPv4 as well, and /proc does not say which does not.
    return Claim(Protocol(protocol), port, "" if ip == "::" else ip)


def _who(entry: Json) -> str:
    process, pod = entry.get("process"), entry.get("pod")
    who = f"process {process}" if process else "a process"
    return f"{who} of Pod {pod}" if pod else who


def _span(text: object) -> tuple[int, int] | None:
    first, _, last = str(text or "").partition("-")
    low, high = port_of(first), port_of(last)
    return (low, high) if low and high and low <= high else None
