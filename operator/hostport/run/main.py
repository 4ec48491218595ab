"""The operator's life: connect, adopt, then grant; and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from hostport.api.workload import KINDS, LONE
from hostport.cluster import paths
from hostport.cluster.client import Api, in_cluster
from hostport.cluster.election import Candidate
from hostport.cluster.errors import WentBack
from hostport.cluster.installed import check_installed
from hostport.cluster.reader import Mirror, OptionalMirror, Sink, read_patiently
from hostport.run import health, sinks, watching
from hostport.run.conflicts import Conflicts
from hostport.run.desk import Desk
from hostport.run.keeper import Keeper
from hostport.run.leadership import Campaign, give_up
from hostport.run.office import Office
from hostport.run.parts import Parts
from hostport.run.pools import Pools
from hostport.run.relists import Relists
from hostport.run.repairer import Repairer
from hostport.run.reports import Reports
from hostport.run.workloads import Listed, Lone, Workloads

logger = logging.getLogger(__name__)

# kopf watches these. Every Deployment has ReplicaSets and every CronJob Jobs, few of which stand alone: they are many,
# and mirrored.
SERVED = tuple(kind for kind in KINDS.values() if kind.name not in LONE)
_MIRRORED = tuple(kind for kind in KINDS.values() if kind.name in LONE)
_GRACE_SECONDS = 10.0
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides. Ports 0 are picked free; `leader_elect` None is: in a Pod, and nowhere else.

    `exempt_namespaces`: those that the API server's Pod Security does not look at.
    """

    metrics_port: int = 9095
    health_port: int = 8081
    namespace: str = ""
    exempt_namespaces: frozenset[str] = frozenset()
    node_port_range: tuple[int, int] = (30000, 32767)
    leader_elect: bool | None = None


class Operator:
    """Everything that runs, and what is wrong with it. Without a `candidate` it works whoever else does."""

    def __init__(self, office: Office, candidate: Candidate | None = None) -> None:
        self._office = office
        self._candidate = candidate
        self._desk = Desk(office)
        self._pools = Pools(office, self._desk)
        self._workloads = Workloads(office, self._desk)
        self._lists: list[tuple[str, Sink]] = [
            (paths.POOLS, self._pools),
            *((paths.workloads(kind.name), Listed(office, self._desk, kind)) for kind in SERVED),
        ]
        self._relists = Relists(office.api, self._lists)
        self._conflicts = Conflicts(office)
        self._repairer = Repairer(office, self._desk, self._relists.now)
        mirrored: list[tuple[str, Sink]] = [
            (paths.NODES, sinks.Nodes(office)),
            (paths.NAMESPACES, sinks.Namespaces(office)),
            (paths.SERVICES, sinks.Services(office)),
            (paths.PODS, sinks.Pods(office, self._desk, self._conflicts)),
            (paths.BLOCKS, sinks.Blocks(office, self._desk)),
            *((paths.workloads(kind.name), Lone(office, self._desk, kind)) for kind in _MIRRORED),
        ]
        self._reports = Reports(office)
        self._mirrors = [
            *(Mirror(office.api, path, sink, self._relists.cut) for path, sink in mirrored),
            OptionalMirror(office.api, paths.REPORTS, self._reports, self._relists.cut),
        ]
        self._parts = Parts()
        self._adopted = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set or a part ends; raises what it ended of. Nothing of it runs on after that."""
        async with self._parts as parts:
            for mirror in self._mirrors:
                parts.start(f"mirror of {mirror.path}", mirror.run)
            parts.start("teller", self._office.teller.run)
            parts.start_once("adoption", self._begin)
            await stop.wait()
            if self._adopted:
                await self._finish()

    async def _begin(self) -> None:
        """Adopt, then work."""
        await self._adopt()
        self._adopted = True
        logger.info("adopted: %s", self._inventory())
        watch = watching.Watch(self._workloads, self._pools, SERVED, self._relists.kopf_lists)
        self._parts.start("leadership", self._lead)
        self._parts.start("desk", self._desk.run)
        self._parts.start("conflicts", self._conflicts.run)
        self._parts.start("keeper", Keeper(self._office, self._desk).run)
        self._parts.start("node reports", self._reports.run)
        self._parts.start("relists", self._relists.run)
        self._parts.start("refused Pods", self._desk.refused_pods.run)
        self._parts.start("repair", self._repairer.run)
        self._parts.start("kopf", watch.run)

    async def _lead(self) -> None:
        """See to it that one replica works."""
        leadership = self._office.leadership
        if self._candidate is not None:
            await Campaign(leadership, self._candidate, self._take_over, self._desk.stand_by).run()
        await self._take_over()
        leadership.last(math.inf)
        leadership.begin()
        await asyncio.Event().wait()

    async def _take_over(self) -> None:
        """Look at everything as if for the first time."""
        self._desk.stand_by()
        for key in (*self._office.state.book.owners(), *self._office.workloads):
            self._desk.touch(key)
        self._repairer.begin()
        self._relists.soon()

    async def _adopt(self) -> None:
        """Take in all there is before anything is granted: better late than twice."""
        await asyncio.gather(*(mirror.listed.wait() for mirror in self._mirrors[:2]))
        for path, sink in self._lists:
            await read_patiently(self._office.api, path, sink)
        await asyncio.gather(*(mirror.listed.wait() for mirror in self._mirrors))

    async def _finish(self) -> None:
        """Finish what is under way."""
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._desk.finish()
                await self._office.teller.drain()
        except TimeoutError:
            logger.warning("not all could be written within %.0f s: the next start will see to it", _GRACE_SECONDS)

    def _inventory(self) -> str:
        state = self._office.state
        leases = sum(len(state.book.of_pool(name)) for name in state.pools)
        workloads = len(self._office.workloads)
        return f"pools {len(state.pools)}, leases {leases}, nodes {len(state.nodes)}, workloads that ask {workloads}"

    def alive(self) -> str:
        """What is broken, or the empty string."""
        return self._parts.broken

    def ready(self) -> str:
        """What is still to be done before numbers can be had, or the empty string."""
        return self._parts.broken or ("" if self._adopted else "not everything has been listed yet")


async def serve(options: Options) -> None:
    """Run the operator until SIGTERM or SIGINT; raises `ApiError` where there is no cluster or no CRD."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = await Api.connect()
    watching.quiet(api.complaints)
    try:
        await check_installed(api)
        elects = in_cluster() if options.leader_elect is None else options.leader_elect
        candidate = _candidate(api) if elects else None
        while not stop.is_set():
            try:
                await _live(api, options, candidate, stop)
            except WentBack as error:
                logger.warning("%s; forgetting everything and beginning anew", error)
        if candidate is not None:
            await give_up(candidate)
    finally:
        await api.close()


async def _live(api: Api, options: Options, candidate: Candidate | None, stop: asyncio.Event) -> None:
    office = Office.open(api, _instance(), options.node_port_range, options.namespace)
    office.state.exempt = options.exempt_namespaces
    operator = Operator(office, candidate)
    servers = [
        await health.serve_metrics(office.metrics.registry, options.metrics_port),
        await health.serve_health(operator.alive, operator.ready, options.health_port),
    ]
    try:
        metrics_port, health_port = (health.port_of(server) for server in servers)
        logger.info("serving /metrics on port %d, /healthz and /readyz on port %d", metrics_port, health_port)
        await operator.run(stop)
    finally:
        for server in servers:
            await server.cleanup()


def _instance() -> str:
    return os.environ.get("POD_NAME") or socket.gethostname()


def _candidate(api: Api) -> Candidate:
    """A Lease in our own namespace, and a name that no other process has, not even the next one of this Pod."""
    return Candidate(api, _own_namespace(), f"{_instance()}_{token_hex(4)}")


def _own_namespace() -> str:
    named = os.environ.get("POD_NAMESPACE")
    if not named and in_cluster() and _NAMESPACE_FILE.exists():
        named = _NAMESPACE_FILE.read_text().strip()
    return named or "hostport-system"
