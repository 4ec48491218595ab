"""A HostPortPool: which ports each node may hand out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hostport.api.names import FINALIZER
from hostport.api.node import Node
from hostport.api.ports import PortSet, Protocol, canonical_ip
from hostport.api.selectors import EVERYTHING, LabelSelector

DEFAULT_PROTOCOLS = (Protocol.TCP, Protocol.UDP)
DEFAULT_COOLDOWN_SECONDS = 300


@dataclass(frozen=True)
class NodeRule:
    """An entry of `spec.nodes`: ranges that replace the pool's own on the nodes it matches."""

    ports: PortSet
    name: str = ""
    selector: LabelSelector | None = None

    def matches(self, node: Node) -> bool:
        """Whether the entry is about `node`."""
        if self.selector is not None:
            return self.selector.matches(node.labels)
        return self.name == node.name


@dataclass(frozen=True)
class Pool:
    """The spec of a pool, read once. `ports` and every rule's `ports` have the exclusions taken off already.

    `status` is what was last seen beside the leases.
    """

    name: str
    uid: str = ""
    created: str = ""
    generation: int = 0
    ports: PortSet = field(default_factory=PortSet)
    protocols: tuple[Protocol, ...] = DEFAULT_PROTOCOLS
    selector: LabelSelector = EVERYTHING
    rules: tuple[NodeRule, ...] = ()
    host_ip: str = ""
    namespaces: LabelSelector | None = None
    quota: int | None = None
    policy: str = "RoundRobin"
    cooldown: int = DEFAULT_COOLDOWN_SECONDS
    priority: int = 0
    default: bool = True
    terminating: bool = False
    held: bool = False
    version: int = 0
    status: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Pool:
        """A pool as the API server shows it; raises `BadRange` where its schema was got around."""
        meta, spec = raw["metadata"], raw.get("spec") or {}
        exclude = PortSet.of(spec.get("exclude") or ())
        return cls(
            name=meta["name"],
            uid=meta.get("uid", ""),
            created=meta.get("creationTimestamp", ""),
            generation=meta.get("generation", 0),
            ports=PortSet.of(spec.get("ranges") or ()) - exclude,
            protocols=tuple(Protocol(p) for p in spec.get("protocols") or DEFAULT_PROTOCOLS),
            selector=LabelSelector.parse(spec.get("nodeSelector")),
            rules=tuple(_rule(entry, exclude) for entry in spec.get("nodes") or ()),
            host_ip=canonical_ip(spec.get("hostIP") or ""),
            namespaces=LabelSelector.parse(spec["namespaceSelector"]) if spec.get("namespaceSelector") else None,
            quota=spec.get("quotaPerNamespace"),
            policy=spec.get("policy") or "RoundRobin",
            cooldown=spec.get("cooldownSeconds", DEFAULT_COOLDOWN_SECONDS),
            priority=spec.get("priority", 0),
            default=spec.get("default", True),
            terminating="deletionTimestamp" in meta,
            held=FINALIZER in (meta.get("finalizers") or ()),
            version=int(meta.get("resourceVersion") or 0),
            status={name: value for name, value in (raw.get("status") or {}).items() if name != "leases"},
        )

    def rule_for(self, node: Node) -> int:
        """The index of the first entry of `spec.nodes` that is about `node`, or -1 for the pool's own ranges."""
        return next((i for i, rule in enumerate(self.rules) if rule.matches(node)), -1)

    def ports_of(self, rule: int) -> PortSet:
        """The ports valid where `rule_for` gave `rule`."""
        return self.ports if rule < 0 else self.rules[rule].ports

    @cached_property
    def all_ports(self) -> PortSet:
        """Every port that could be valid on some node."""
        total = self.ports
        for rule in self.rules:
            total = total | rule.ports
        return total

    @property
    def age(self) -> tuple[str, str]:
        """What decides between two pools that overlap: the older serves, then the one whose name comes first."""
        return (self.created, self.name)


def _rule(raw: dict[str, Any], exclude: PortSet) -> NodeRule:
    ports = PortSet.of(raw.get("ranges") or ()) - PortSet.of(raw.get("exclude") or ()) - exclude
    selector = LabelSelector.parse(raw["nodeSelector"]) if raw.get("nodeSelector") is not None else None
    return NodeRule(ports, raw.get("name") or "", selector)
