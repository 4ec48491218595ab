"""What the node agents report: kept away from, and told about where it is on a number of a pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from hostport.api.podspec import Claim
from hostport.api.pool import Pool
from hostport.api.ports import PortSet
from hostport.cluster.client import Json
from hostport.cluster.foreign import is_claimed, node_uses
from hostport.node.report import Report, parse
from hostport.run.office import Office

_TICK_SECONDS = 1.0
_MOST_TOLD = 5

ON_POOL_PORT, STALE_RULE = "HostProcessOnPoolPort", "StaleHostPortRule"


class Reports:
    """The HostPortNodes: a sink of theirs, and a look at them whenever something about ports has changed."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._state = office.state
        self._reports: dict[str, Report] = {}
        self._keys: dict[str, set[str]] = {}
        self._told: dict[tuple[str, str], frozenset[str]] = {}
        self._changes = -1

    # What is seen

    def key(self, raw: Json) -> str:
        """The node's name."""
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        """Note a report in place of the node's last one."""
        report = parse(raw)
        if self._reports.get(report.node) != report:
            self._changes = -1
            self._reports[report.node] = report
            self._state.see_ephemeral(report.node, report.ephemeral)
            self._place(report)
        return report.node

    def gone(self, key: str) -> None:
        """A node reports no more."""
        self._changes = -1
        self._reports.pop(key, None)
        self._state.see_ephemeral(key, None)
        for reason in (ON_POOL_PORT, STALE_RULE):
            self._told.pop((key, reason), None)
        for use in self._keys.pop(key, ()):
            self._state.forget_use(use)

    def known(self) -> Iterable[str]:
        """The nodes that report."""
        return self._reports

    def version(self, key: str) -> int:
        """Not kept: the last report counts."""
        return 0

    def _place(self, report: Report) -> None:
        uses = node_uses(report, partial(is_claimed, self._state, report.node))
        for key in self._keys.get(report.node, set()) - uses.keys():
            self._state.forget_use(key)
        for key, use in uses.items():
            self._state.see_use(key, use)
        self._keys[report.node] = set(uses)

    # What is told

    async def run(self) -> None:
        """Look once a second at what may have changed, until cancelled; who takes over tells what there is."""
        led = False
        while True:
            leads = self._office.leadership.leads
            if self._changes != self._state.changes or leads != led:
                self.look()
            led = leads
            await asyncio.sleep(_TICK_SECONDS)

    def look(self) -> None:
        """Put the reports right against Pods that have come and gone, and tell what is new."""
        listening: Counter[str] = Counter()
        stale = 0
        for report in self._concerned():
            self._place(report)
        self._changes = self._state.changes
        for report in self._concerned():
            found = list(self._on_pools(report))
            listening.update(pool.name for pool, _, _ in found)
            self._tell(report, ON_POOL_PORT, {self._conflict(report, *each) for each in found})
            rules = self._claims(report, stale=True)
            stale += len(rules)
            self._tell(report, STALE_RULE, {_stale(claim) for claim in rules})
        self._show(listening, stale)

    def _concerned(self) -> list[Report]:
        """Reports that have a number of a pool in them or a stale rule, and those of which something has been told."""
        numbers = PortSet()
        for pool in self._state.pools.values():
            numbers |= pool.all_ports
        told = {node for (node, _), texts in self._told.items() if texts}
        return [
            report
            for report in self._reports.values()
            if report.stale or report.node in told or any(claim.port in numbers for claim, _ in report.listeners)
        ]

    def _claims(self, report: Report, *, stale: bool) -> dict[Claim, str]:
        """Who is on which number by the report, as it is counted."""
        who = [(claim, "a stale hostPort rule") for claim in report.stale] if stale else report.listeners
        return {claim: by for claim, by in who if not is_claimed(self._state, report.node, claim)}

    def _on_pools(self, report: Report) -> Iterator[tuple[Pool, Claim, str]]:
        for claim, who in self._claims(report, stale=False).items():
            for pool in self._state.pools.values():
                inside = report.node in self._state.scopes.get(pool.name, ())
                if inside and claim.port in pool.all_ports and claim.protocol in pool.protocols:
                    yield pool, claim, who

    def _conflict(self, report: Report, pool: Pool, claim: Claim, who: str) -> str:
        takers = self._state.occupancy.takers(claim.protocol, claim.port)
        holder = next((t for t in takers if t.lease and (t.nodes is None or report.node in t.nodes)), None)
        leased = f", leased to {holder.owner}" if holder is not None else ", which is not given out while it does"
        return f"{who} listens on {claim} of pool {pool.name}{leased}"

    def _tell(self, report: Report, reason: str, texts: set[str]) -> None:
        """Say what is new; what has gone may be said again when it comes back."""
        before = self._told.get((report.node, reason), frozenset())
        if not self._office.leadership.leads:
            return
        self._told[report.node, reason] = frozenset(texts)
        fresh = sorted(texts - before)
        if fresh:
            more = f"; and {len(fresh) - _MOST_TOLD} more" if len(fresh) > _MOST_TOLD else ""
            text = f"{'; '.join(fresh[:_MOST_TOLD])}{more}. {_WAYS_OUT[reason]}"
            self._office.tell_node(report.node, report.uid, reason, text)

    def _show(self, listening: Counter[str], stale: int) -> None:
        metrics = self._office.metrics
        metrics.node_reports.set(len(self._reports))
        metrics.node_stale_rules.set(stale)
        metrics.node_pool_listeners.clear()
        for pool in self._state.pools if self._reports else ():
            metrics.node_pool_listeners.labels(pool).set(listening[pool])


_WAYS_OUT = {
    ON_POOL_PORT: "Move the process, or take the number out of the pool for this node (spec.exclude, spec.nodes)",
    STALE_RULE: "What is sent there is lost; on the node, `sudo hostport trace PORT` says how to take the rule away",
}


def _stale(claim: Claim) -> str:
    return f"the hostPort rule of {claim} leads to a Pod that is gone"
