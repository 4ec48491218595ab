"""One look at everything, for the commands: the state as the operator would know it, and where it was read."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from hostport.allocation.state import State
from hostport.api.node import Node
from hostport.api.pool import Pool
from hostport.api.workload import KINDS, LONE, Kind, Workload
from hostport.cluster import paths
from hostport.cluster.blocks import leases_of, not_leases
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import NotFound
from hostport.cluster.foreign import is_claimed, node_uses, pod_use, service_use, template_use
from hostport.cluster.reader import pages
from hostport.cluster.stuck import is_leaving, is_ready, stuck_pod
from hostport.diagnosis.check import Entry, Evidence
from hostport.diagnosis.holders import POD
from hostport.diagnosis.pending import Stuck
from hostport.ledger.book import Change
from hostport.node.report import parse

# What has run to its end holds no port.
_LIVING = "status.phase!=Succeeded,status.phase!=Failed"
_COUNTS = ("capacity", "allocated", "cooling", "foreign", "free", "leaseCount")


class Survey:
    """Fills a state from lists; nothing is watched, nothing is written."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.state = State()
        self.workloads: dict[str, Workload] = {}
        self.entries: list[Entry] = []
        self.unreadable: list[tuple[str, str, str]] = []
        self.counts: dict[str, dict[str, int]] = {}
        self.stuck: dict[str, Stuck] = {}
        self.leaving: set[str] = set()

    async def make(self, *, strict: bool = True) -> Evidence:
        """Read everything, side by side; raises `ApiError`. Unless `strict`, our CRDs may be missing."""
        workloads = (
            pages(self._api, paths.workloads(kind.name), partial(self._workload, kind)) for kind in KINDS.values()
        )
        await asyncio.gather(
            pages(self._api, paths.PODS, self._pod, fieldSelector=_LIVING),
            pages(self._api, paths.NODES, self._node),
            self._ledger(strict),
            pages(self._api, paths.SERVICES, self._service),
            pages(self._api, paths.NAMESPACES, self._namespace),
            *workloads,
        )
        await self._reports()
        _ = self.state.scopes  # takers hold sets of nodes, which are filled when they are asked for
        objects = [(unread.subject, unread.reason) for unread in self._api.unreadable]
        return Evidence(self.state, self.entries, self.workloads, self.unreadable, self.counts, objects)

    async def _ledger(self, strict: bool) -> None:
        try:
            await pages(self._api, paths.POOLS, self._pool)
            await pages(self._api, paths.BLOCKS, self._block)
        except NotFound:
            if strict:
                raise

    async def _reports(self) -> None:
        """What node agents tell, where they are installed; after the Pods, which may be who listens."""
        with contextlib.suppress(NotFound):
            await pages(self._api, paths.REPORTS, self._report)

    def _report(self, raw: Json) -> None:
        report = parse(raw)
        for key, use in node_uses(report, partial(is_claimed, self.state, report.node)).items():
            self.state.see_use(key, use)

    def _node(self, raw: Json) -> None:
        self.state.see_nodes([Node.parse(raw)])

    def _namespace(self, raw: Json) -> None:
        self.state.namespaces[raw["metadata"]["name"]] = dict(raw["metadata"].get("labels") or {})

    def _pool(self, raw: Json) -> None:
        pool = Pool.parse(raw)
        self.state.see_pool(pool)
        status = raw.get("status") or {}
        if "capacity" in status:
            self.counts[pool.name] = {name: int(status.get(name, 0)) for name in _COUNTS}
        self._leases(f"HostPortPool {pool.name}", pool.name, raw)

    def _block(self, raw: Json) -> None:
        self._leases(f"HostPortBlock {raw['metadata']['name']}", raw["spec"]["pool"], raw)

    def _leases(self, where: str, pool: str, raw: Json) -> None:
        leases = leases_of(raw)
        self.unreadable += ((where, text, why) for text, why in not_leases(raw, leases).items())
        for key, lease in leases.items():
            self.entries.append(Entry(where, pool, key, lease))
            self.state.put(Change(pool, key, lease))

    def _workload(self, kind: Kind, raw: Json) -> None:
        controlled = any(owner.get("controller") for owner in raw["metadata"].get("ownerReferences") or ())
        if controlled and kind.name in LONE:
            return
        workload = Workload.parse(kind, raw)
        self.workloads[workload.key] = workload
        use = template_use(workload)
        if use is not None:
            self.state.see_use(workload.key, use)

    def _pod(self, raw: Json) -> None:
        use = pod_use(raw)
        if use is None:
            return
        self.state.see_use(use.by, use)
        if is_ready(raw):
            self.state.ready.note(use.by, use.owner, use.claims)
        if is_leaving(raw):
            self.leaving.add(use.by.removeprefix(POD))
        stuck = stuck_pod(raw)
        if stuck is not None:
            self.stuck[use.by] = stuck

    def _service(self, raw: Json) -> None:
        use = service_use(raw)
        if use is not None:
            self.state.see_use(use.by, use)
