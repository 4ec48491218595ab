"""A workload is what has a Pod template."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import orjson

from hostport.api import names
from hostport.api.affinity import AffinityWas
from hostport.api.environment import Container
from hostport.api.placement import ANYWHERE, Placement
from hostport.api.podspec import Claim, PortEntry, claims, port_entries
from hostport.api.replacing import left_to_you
from hostport.api.selectors import NodeTerm
from hostport.api.strategy import Amounts, Strategy, parse_amounts, peak


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of workload: where the API serves it, where its Pod template stands, and its strategy if it may surge."""

    name: str
    group: str
    version: str
    plural: str
    template: tuple[str, ...] = ("spec", "template")
    strategy: str = ""

    def template_of(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The Pod template of such an object."""
        for step in self.template:
            raw = raw.get(step) or {}
        return raw


DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", strategy="strategy")
KINDS = {
    kind.name: kind
    for kind in (
        DEPLOYMENT,
        Kind("StatefulSet", "apps", "v1", "statefulsets"),
        Kind("DaemonSet", "apps", "v1", "daemonsets", strategy="updateStrategy"),
        Kind("ReplicaSet", "apps", "v1", "replicasets"),
        Kind("CronJob", "batch", "v1", "cronjobs", ("spec", "jobTemplate", "spec", "template")),
        Kind("Job", "batch", "v1", "jobs"),
    )
}


# Mostly parts of another workload: only those that nobody controls are workloads themselves.
LONE = frozenset({"ReplicaSet", "Job"})


def is_workload(owner: str) -> bool:
    """Whether an owner spells Kind/namespace/name of a kind that there is here; a newer version may know more."""
    kind, *names = owner.split("/")
    return kind in KINDS and len(names) == 2 and all(names)


@dataclass(frozen=True, slots=True)
class Workload:
    """What the operator keeps of a workload.

    `claims` are all hostPorts of its template, whoever wrote them. `peak` is the most Pods there may be at a time.
    `left_to_you` says how its Pods come to be replaced where it does not do that by itself.
    `affinity` is what stands in the template, `revision` a digest of all there that the operator never writes.
    """

    kind: str
    namespace: str
    name: str
    uid: str = ""
    created: str = ""
    version: int = 0
    generation: int = 0
    annotations: dict[str, str] = field(default_factory=dict, hash=False)
    entries: tuple[PortEntry, ...] = field(default=(), hash=False)
    init_entries: tuple[PortEntry, ...] = field(default=(), hash=False)
    containers: tuple[Container, ...] = field(default=(), hash=False)
    placement: Placement = ANYWHERE
    affinity: dict[str, Any] | None = field(default=None, hash=False)
    revision: str = ""
    claims: frozenset[Claim] = frozenset()
    host_network: bool = False
    replicas: int | None = None
    strategy: Strategy | None = None
    peak: int = 0
    left_to_you: str = ""
    deleting: bool = False

    @classmethod
    def parse(cls, kind: Kind, raw: dict[str, Any]) -> Workload:
        """A workload as the API server shows it."""
        meta = raw["metadata"]
        spec = kind.template_of(raw).get("spec") or {}
        wanted = {k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith("hostport/")}
        strategy = Strategy.parse(kind.strategy, raw["spec"]) if wanted and kind.strategy else None
        replicas = raw["spec"].get("replicas")
        return cls(
            kind=kind.name,
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            created=meta.get("creationTimestamp", ""),
            version=int(meta["resourceVersion"]),
            generation=meta.get("generation", 0),
            annotations=wanted,
            entries=port_entries(spec) if wanted else (),
            init_entries=port_entries({"containers": spec.get("initContainers")}) if wanted else (),
            containers=tuple(map(Container.parse, spec.get("containers") or ())) if wanted else (),
            placement=Placement.parse(spec),
            affinity=spec.get("affinity") if wanted else None,
            revision=_revision(spec) if wanted else "",
            claims=claims(spec),
            host_network=bool(spec.get("hostNetwork")),
            replicas=replicas,
            strategy=strategy,
            peak=peak(strategy, replicas),
            left_to_you=left_to_you(kind.name, meta["namespace"], meta["name"], raw["spec"]) if wanted else "",
            deleting="deletionTimestamp" in meta,
        )

    @property
    def key(self) -> str:
        """Kind/namespace/name: the owner of its leases."""
        return f"{self.kind}/{self.namespace}/{self.name}"

    def assigned(self) -> dict[str, int]:
        """What `hostport/assigned` says; informative only, so whatever is not a number per PORT counts as nothing."""
        return self._numbers(names.ASSIGNED)

    def env_added(self) -> dict[str, int]:
        """What `hostport/env-added` says: `container/VARIABLE` and the number that the operator has written there."""
        return self._numbers(names.ENV_ADDED)

    def _numbers(self, annotation: str) -> dict[str, int]:
        try:
            raw = json.loads(self.annotations.get(annotation) or "{}")
        except (ValueError, RecursionError):
            return {}
        if not isinstance(raw, dict):
            return {}
        return {k: v for k, v in raw.items() if isinstance(v, int) and not isinstance(v, bool)}

    @property
    def home(self) -> Placement:
        """Where the user's own words let the Pods run: the placement without what the operator has added to it."""
        record = self.affinity_was()
        if record is None or tuple(map(NodeTerm.parse, record.now)) != self.placement.terms:
            return self.placement
        was = tuple(map(NodeTerm.parse, record.was)) if record.was is not None else None
        return replace(self.placement, terms=was)

    def affinity_was(self) -> AffinityWas | None:
        """What the operator has made of the required node affinity; None where it has not touched it."""
        text = self.annotations.get(names.AFFINITY_WAS)
        return AffinityWas.parse(text) if text is not None else None

    def rollout_was(self) -> Amounts:
        """What stood in the strategy before the operator changed it; empty where it has not, or nobody can read it."""
        text = self.annotations.get(names.ROLLOUT_WAS)
        return parse_amounts(text) if text is not None else {}


def _revision(spec: dict[str, Any]) -> str:
    """A digest of a pod spec without its affinity and its containers' ports and environment."""
    kept = {name: value for name, value in spec.items() if name not in ("affinity", "containers")}
    containers = [
        {name: value for name, value in container.items() if name not in ("ports", "env")}
        for container in spec.get("containers") or ()
    ]
    return blake2b(orjson.dumps([kept, containers], option=orjson.OPT_SORT_KEYS), digest_size=5).hexdigest()
