"""The hostPorts of a pod spec: which entries it has, and what it claims on a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hostport.api.ports import Protocol, canonical_ip, known_protocol


class Claim(NamedTuple):
    """One <hostIP, hostPort, protocol>, wherever it is claimed."""

    protocol: Protocol
    port: int
    ip: str = ""

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


class PortEntry(NamedTuple):
    """One entry of `spec.containers[container].ports[position]`; `raw` is the entry itself, for the patch's tests.

    `ref` is the PORT as the operator writes it: `container/name`, or `container/number/PROTO` for an unnamed one.
    `host_port` is 0 where there is none. `passthrough`: it stands for a port that the template does not declare, or
    will (position -1); its `name` and `ref` are then those of `hostport/passthrough`.
    """

    container: int
    position: int
    container_name: str
    name: str
    number: int
    protocol: Protocol
    host_port: int
    ref: str
    raw: dict[str, Any]
    passthrough: bool = False

    @classmethod
    def parse(cls, container: int, position: int, container_name: str, raw: dict[str, Any]) -> PortEntry:
        """An entry as it stands in a manifest."""
        name, number = raw.get("name") or "", int(raw["containerPort"])
        protocol = Protocol(raw.get("protocol") or "TCP")
        ref = f"{container_name}/{name or f'{number}/{protocol}'}"
        return cls(container, position, container_name, name, number, protocol, int(raw.get("hostPort") or 0), ref, raw)

    def __hash__(self) -> int:
        # The number tells apart those that have no position yet.
        return hash((self.container, self.position, self.number))

    @property
    def claim(self) -> Claim:
        """What the entry claims on a node by its hostPort."""
        return Claim(self.protocol, self.host_port, canonical_ip(self.raw.get("hostIP") or ""))


def port_entries(spec: dict[str, Any]) -> tuple[PortEntry, ...]:
    """Every port of the containers proper, in order; not those of a protocol that is not known here."""
    return tuple(
        PortEntry.parse(c, i, container["name"], raw)
        for c, container in enumerate(spec.get("containers") or ())
        for i, raw in enumerate(container.get("ports") or ())
        if known_protocol(raw.get("protocol"))
    )


def claims(spec: dict[str, Any]) -> frozenset[Claim]:
    """What the scheduler counts as taken by such a Pod.

    Source: `util.GetHostPorts` and `NodeInfo.updateUsedPorts` in kube-scheduler: the hostPorts of containers and of
    restartable init containers (sidecars). A plain init container counts for hostNetwork alone, where every
    containerPort is a hostPort.
    """
    network = bool(spec.get("hostNetwork"))
    return frozenset(_claims(spec, network))


def _claims(spec: dict[str, Any], network: bool) -> Iterator[Claim]:
    for container in _holders(spec, network):
        for raw in container.get("ports") or ():
            port = raw.get("hostPort") or (raw["containerPort"] if network else 0)
            protocol = known_protocol(raw.get("protocol"))
            if port and protocol:
                yield Claim(protocol, int(port), canonical_ip(raw.get("hostIP") or ""))


def _holders(spec: dict[str, Any], network: bool) -> Iterator[dict[str, Any]]:
    yield from spec.get("containers") or ()
    for container in spec.get("initContainers") or ():
        if network or container.get("restartPolicy") == "Always":
            yield container
