"""What there is to see in the cluster, in the words of the story."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demo.world import Json, World

OPERATOR = "hostport.dev/operator"


@dataclass(frozen=True)
class Pod:
    """A Pod as far as the story is concerned. `complaint` is what the scheduler has to say about it."""

    name: str
    phase: str
    ready: bool
    leaving: bool
    host_ports: tuple[int, ...]
    complaint: str

    @property
    def settled(self) -> bool:
        """Running, and here to stay."""
        return self.phase == "Running" and self.ready and not self.leaving


def pods(world: World, *apps: str) -> list[Pod]:
    """The Pods of these Deployments, those on their way out included."""
    return [_pod(item) for item in world.get("pods", "-l", f"app in ({','.join(apps)})")["items"]]


def host_ports(world: World, deployment: str) -> list[int]:
    """The hostPorts in a Deployment's template."""
    return list(_host_ports(world.get("deployment", deployment)["spec"]["template"]["spec"]))


def pool(world: World, name: str) -> Json:
    """A pool's status."""
    return dict(world.get("hostportpool", name).get("status") or {})


def counts(world: World, name: str) -> dict[str, int]:
    """How the numbers of a pool add up."""
    status = pool(world, name)
    return {what: status.get(what, 0) for what in ("capacity", "allocated", "cooling", "foreign", "free")}


def leases(world: World, name: str) -> dict[str, Json]:
    """The record of a pool."""
    return dict(pool(world, name).get("leases") or {})


def notes(world: World, name: str, reason: str, reporter: str = "") -> list[str]:
    """What events of this reason say about an object; with `reporter`, those of this one alone."""
    events = [e for e in world.get("events.events.k8s.io")["items"] if e["regarding"].get("name") == name]
    said = [e for e in events if e["reason"] == reason and reporter in ("", e["reportingController"])]
    return [str(e["note"]) for e in said]


def _pod(raw: Json) -> Pod:
    conditions = {c["type"]: c for c in raw["status"].get("conditions") or ()}
    return Pod(
        name=raw["metadata"]["name"],
        phase=raw["status"].get("phase", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        leaving="deletionTimestamp" in raw["metadata"],
        host_ports=_host_ports(raw["spec"]),
        complaint=conditions.get("PodScheduled", {}).get("message", ""),
    )


def _host_ports(spec: dict[str, Any]) -> tuple[int, ...]:
    ports = [port for container in spec["containers"] for port in container.get("ports") or ()]
    return tuple(port["hostPort"] for port in ports if port.get("hostPort"))
