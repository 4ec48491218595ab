"""A pool's status beside its leases, and its gauges: a summary, never read back as truth."""

from __future__ import annotations

from typing import Any

from hostport.allocation.doubles import doubles
from hostport.allocation.state import State
from hostport.allocation.summary import Summary, summarize
from hostport.api.names import AUTO
from hostport.api.pool import Pool
from hostport.api.ports import PortSet
from hostport.run import clock
from hostport.run.office import Office

Condition = dict[str, Any]


class Statuses:
    """Writes what has changed since the last look."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._shown_changes = self._written_changes = -1
        self._shown: dict[str, Summary] = {}
        self._written: dict[str, dict[str, Any]] = {}

    def show(self) -> None:
        """Bring every pool's gauges up to date."""
        state = self._office.state
        if state.changes == self._shown_changes:
            return
        for name in self._shown.keys() - state.pools.keys():
            del self._shown[name]
            self._written.pop(name, None)
            self._office.metrics.forget(name)
        for pool in state.pools.values():
            self._shown[pool.name] = summarize(state, pool)
            self._office.metrics.show(pool.name, self._shown[pool.name])
        self._shown_changes = state.changes

    def stand_by(self) -> None:
        """Another replica writes the statuses: what this one has written counts for nothing any more."""
        self._written.clear()
        self._written_changes = -1

    async def write(self) -> None:
        """Bring every pool's status and gauges up to date."""
        self.show()
        state = self._office.state
        if state.changes == self._written_changes:
            return
        changes, done = state.changes, True
        for pool, summary in [(pool, self._shown[pool.name]) for pool in state.pools.values()]:
            if pool.name in state.pools:  # it may go while another's status is written
                done &= await self._bring_up(pool, summary)
        self._written_changes = changes if done else -1

    async def _bring_up(self, pool: Pool, summary: Summary) -> bool:
        status = figures(pool, summary)
        conditions = judge(self._office.state, pool, summary, self._office.node_ports)
        before = self._written.get(pool.name, {}).get("conditions") or pool.status.get("conditions") or []
        status["conditions"] = [_dated(condition, before) for condition in conditions]
        if self._written.get(pool.name) == status == {name: pool.status.get(name) for name in status}:
            return True
        if not await self._office.ledger.write_summary(pool.name, str(pool.version), status):
            return False
        self._written[pool.name] = status
        return True


def figures(pool: Pool, summary: Summary) -> dict[str, Any]:
    """The counts as they stand in the status."""
    total = summary.total
    return {
        "observedGeneration": pool.generation,
        "capacity": total.capacity,
        "allocated": total.allocated,
        "cooling": total.cooling,
        "foreign": total.foreign,
        "free": total.free,
        "leaseCount": summary.leases,
        "nodes": summary.nodes,
    }


def judge(state: State, pool: Pool, summary: Summary, node_ports: tuple[int, int]) -> list[Condition]:
    """The conditions of a pool, each saying what a person should do."""
    full = state.full_blocks(pool.name)
    in_services = PortSet.span(*node_ports) & pool.all_ports
    return [
        _ready(pool, summary),
        _overlap(state, pool),
        _condition(
            pool, "OutOfRange", bool(summary.out_of_range), "LeasesOutside" if summary.out_of_range else "AllInside",
            f"leases on numbers that the pool does not hand out any more: {summary.out_of_range}; they stay until "
            f"their workloads give them back; put them back into spec.ranges, or take {AUTO} off those workloads"
            if summary.out_of_range else "",
        ),
        _condition(
            pool, "LeaseCapacity", bool(len(full)), "BlocksFull" if len(full) else "RoomLeft",
            f"numbers {full} have as many leases per node as one block holds; no new ones are granted on them, "
            "spread the workloads over more numbers" if len(full) else "",
        ),
        _condition(
            pool, "NodePorts", bool(len(in_services)), "InServiceRange" if len(in_services) else "OutsideServiceRange",
            f"{in_services} lie in the cluster's NodePort range, where a Service may be given a number of this pool "
            "at any time; take them out of spec.ranges" if len(in_services) else "",
        ),
        _ephemeral(state, pool),
    ]  # fmt: skip


def _ephemeral(state: State, pool: Pool) -> Condition:
    """As far as node agents tell."""
    spans = {node: state.ephemeral[node] for node in sorted(state.scopes[pool.name] & state.ephemeral.keys())}
    inside = {node: numbers for node, span in spans.items() if len(numbers := PortSet.span(*span) & pool.all_ports)}
    if not inside:
        return _condition(pool, "EphemeralPorts", False, "OutsideRange" if spans else "NoNodeReports", "")
    node, numbers = next(iter(inside.items()))
    text = (
        f"{numbers} lie where outgoing connections get their ports on {node} (net.ipv4.ip_local_port_range), nodes in "
        f"all: {len(inside)}; one may have a number for a while; take them out of spec.ranges"
    )
    return _condition(pool, "EphemeralPorts", True, "InEphemeralRange", text)


def _ready(pool: Pool, summary: Summary) -> Condition:
    total = summary.total
    if pool.terminating:
        text = f"being deleted; leases that still stand: {summary.leases}; take {AUTO} off their workloads"
        return _condition(pool, "Ready", False, "Terminating", text)
    if not summary.nodes:
        text = "no node matches spec.nodeSelector; label one so that it does, or change the selector"
        return _condition(pool, "Ready", False, "NoNodes", text)
    if not total.capacity:
        text = "spec.exclude and older pools leave no number of spec.ranges; enlarge it"
        return _condition(pool, "Ready", False, "Empty", text)
    if not total.free:
        text = f"all {total.capacity} numbers are leased, resting or in use by others; enlarge spec.ranges"
        return _condition(pool, "Ready", False, "Exhausted", text)
    return _condition(pool, "Ready", True, "Serving", f"free numbers: {total.free}; nodes: {summary.nodes}")


def _overlap(state: State, pool: Pool) -> Condition:
    """Two pools on one node: the younger withholds; where both have leased a number already, that is told by both."""
    withheld, twice = state.withheld[pool.name], doubles(state, pool)
    texts = [f"{ports} belong to the older pool {elder}" for elder, ports in withheld.items()]
    if texts:
        texts[-1] += ": not handed out here; take them out of spec.ranges"
    if twice:
        some = ", ".join(f"{key} to {owner} and to {other}" for key, owner, other in twice[:3])
        texts.append(
            f"leased twice on one node, since nodes or pools were changed under them: {some}"
            f"{f' and {len(twice) - 3} more' if len(twice) > 3 else ''}; nobody else gets the number. Where the "
            f"younger pool is: take {AUTO} off the workload and put it back, and it gets another"
        )
    reason = "LeasedTwice" if twice else "Withheld" if withheld else "NoOverlap"
    return _condition(pool, "Overlap", bool(texts), reason, "; ".join(texts))


def _condition(pool: Pool, kind: str, true: bool, reason: str, message: str) -> Condition:
    status = "True" if true else "False"
    return {
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": pool.generation,
    }  # fmt: skip


def _dated(condition: Condition, before: list[Condition]) -> Condition:
    """With the time of its last change of status, as metav1.Condition wants it."""
    same = (c for c in before if (c.get("type"), c.get("status")) == (condition["type"], condition["status"]))
    known = next(same, None)
    return {**condition, "lastTransitionTime": known["lastTransitionTime"] if known else clock.now()}
