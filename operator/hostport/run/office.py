"""What the parts of the operator share: the state, the ledger, and the ways to read, write and tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from hostport.allocation.plan import Planner
from hostport.allocation.state import State
from hostport.api.names import API_VERSION
from hostport.api.workload import KINDS, Workload
from hostport.cluster.blocks import KubernetesBlocks
from hostport.cluster.client import Api
from hostport.cluster.events import Note, Teller
from hostport.ledger.ledger import Ledger
from hostport.run.leadership import Leadership
from hostport.run.metrics import Metrics


@dataclass
class Office:
    """One per process. `workloads` are those that ask for numbers or have some; `unreadable`: by object, what stands in
    its record and is no lease, and why. `news` wakes the keeper, `suspicion` repair: somebody has leases and is not
    there, or a record has something new that is no lease.

    `node_ports` are the first and last of the cluster's NodePort range; `namespace`, if given, is the only one served.
    """

    api: Api
    leadership: Leadership
    teller: Teller
    metrics: Metrics
    store: KubernetesBlocks
    state: State
    ledger: Ledger
    planner: Planner
    node_ports: tuple[int, int]
    namespace: str
    workloads: dict[str, Workload] = field(default_factory=dict)
    unreadable: dict[str, dict[str, str]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    suspicion: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def open(cls, api: Api, instance: str, node_ports: tuple[int, int], namespace: str = "") -> Office:
        """An office at a cluster; nothing is read yet."""
        metrics, state, store = Metrics(), State(), KubernetesBlocks(api)
        metrics.unreadable.set_function(lambda: len(api.unreadable))
        leadership = Leadership(metrics.leader)
        teller = Teller(api, instance, metrics.events_dropped.inc)
        ledger = Ledger(store, state.book, state.put, metrics.committed)
        planner = Planner(state, Random())  # noqa: S311 - names and dice, no secrets
        return cls(api, leadership, teller, metrics, store, state, ledger, planner, node_ports, namespace)

    def cannot_read(self, where: str, found: dict[str, str]) -> None:
        """Note what stands in an object's record and is no lease; what is new there is to be told soon."""
        if found.keys() - self.unreadable.get(where, {}).keys():
            self.suspicion.set()
        self.unreadable[where] = found

    def tell(self, workload: Workload, reason: str, text: str, *, warning: bool = False) -> None:
        """An event on a workload."""
        kind = KINDS[workload.kind]
        version = f"{kind.group}/{kind.version}"
        self.teller.tell(
            Note(version, kind.name, workload.namespace, workload.name, workload.uid, reason, text, warning=warning)
        )

    def tell_pool(self, name: str, reason: str, text: str, *, warning: bool = False) -> None:
        """An event on a pool."""
        uid = self.state.pools[name].uid
        self.teller.tell(Note(API_VERSION, "HostPortPool", "", name, uid, reason, text, warning=warning))

    def tell_node(self, name: str, uid: str, reason: str, text: str) -> None:
        """A warning on a Node. `uid` may be empty: a kubelet says its node's name there."""
        self.teller.tell(Note("v1", "Node", "", name, uid or name, reason, text, warning=True, action="Report"))
