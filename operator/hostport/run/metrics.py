"""What Prometheus scrapes. No label ever carries a port, a Pod or a workload."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from hostport.allocation.summary import Counts, Summary
from hostport.api.ports import Protocol

_WAITS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WRITES = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """The operator's series."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        by_pool = ["pool", "protocol"]
        self._pools = {
            what: Gauge(f"hostport_pool_{what}_ports", text, by_pool, registry=registry)
            for what, text in (
                ("capacity", "Numbers that the pool hands out on at least one node."),
                ("allocated", "Numbers leased."),
                ("free", "Numbers that can be had."),
                ("cooling", "Numbers given back that rest."),
                ("foreign", "Numbers of the pool that others occupy on at least one of its nodes."),
            )
        }
        self.allocations = Counter(
            "hostport_allocations", "Requests decided, by what came of them.", ["pool", "result"], registry=registry
        )
        self.releases = Counter("hostport_releases", "Leases given back.", ["pool"], registry=registry)
        self.allocation_seconds = Histogram(
            "hostport_allocation_duration_seconds",
            "From a workload seen to its template patched.",
            buckets=_WAITS,
            registry=registry,
        )
        self.commits = Counter("hostport_ledger_commits", "Compare-and-sets on blocks.", ["result"], registry=registry)
        self.commit_seconds = Histogram(
            "hostport_ledger_commit_duration_seconds", "One compare-and-set.", buckets=_WRITES, registry=registry
        )
        self.conflicts = Counter(
            "hostport_scheduling_conflicts", "Numbers that somebody else was found on.", ["pool"], registry=registry
        )
        self.pending = Gauge("hostport_pending_workloads", "Workloads that ask and are not served.", registry=registry)
        self.repairs = Counter(
            "hostport_repairs", "Disagreements of ledger and cluster, by what was done.", ["result"], registry=registry
        )
        self.leader = Gauge("hostport_leader", "1 while this replica works, 0 while it stands by.", registry=registry)
        self.node_reports = Gauge("hostport_node_reports", "Nodes whose agent has reported.", registry=registry)
        self.node_pool_listeners = Gauge(
            "hostport_node_pool_listeners",
            "Processes of nodes' own on numbers of the pool, one per node, number and protocol.",
            ["pool"],
            registry=registry,
        )
        self.node_stale_rules = Gauge(
            "hostport_node_stale_rules", "HostPort rules on nodes whose Pod is gone.", registry=registry
        )
        self.unreadable = Gauge(
            "hostport_unreadable_objects", "Objects that can't be read now and are passed over.", registry=registry
        )
        self.events_dropped = Counter("hostport_events_dropped", "Events over the limit.", registry=registry)
        build = Gauge("hostport_build_info", "Always 1.", ["version"], registry=registry)
        build.labels(version("hostport-operator")).set(1)

    def committed(self, result: str, seconds: float) -> None:
        """Count a write to the ledger."""
        self.commits.labels(result).inc()
        self.commit_seconds.observe(seconds)

    def show(self, pool: str, summary: Summary) -> None:
        """Set a pool's gauges; a protocol that the pool no longer has goes."""
        for protocol in Protocol:
            counts = summary.by_protocol.get(protocol)
            if counts is None:
                self._remove(pool, protocol)
            else:
                self._set(pool, protocol, counts)

    def forget(self, pool: str) -> None:
        """A deleted pool's series disappear."""
        for protocol in Protocol:
            self._remove(pool, protocol)
        for counter in (self.allocations, self.releases, self.conflicts):
            counter.remove_by_labels({"pool": pool})

    def _set(self, pool: str, protocol: Protocol, counts: Counts) -> None:
        for what, gauge in self._pools.items():
            gauge.labels(pool, protocol).set(getattr(counts, what))

    def _remove(self, pool: str, protocol: Protocol) -> None:
        for gauge in self._pools.values():
            gauge.remove_by_labels({"pool": pool, "protocol": str(protocol)})
