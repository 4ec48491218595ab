"""The environment in which a process finds its hostPorts: `HOSTPORT_HTTP`, `HOSTPORT_80_TCP` for an unnamed port."""

from __future__ import annotations

from typing import Any, NamedTuple

from hostport.api.podspec import PortEntry

PREFIX = "HOSTPORT_"


class Variable(NamedTuple):
    """`env[position]` of a container; `value` is None where it comes from somewhere else. `raw` is the entry itself."""

    position: int
    name: str
    value: str | None
    raw: dict[str, Any]


class Container(NamedTuple):
    """`spec.containers[…]` beside its ports: which lists it has, how many ports, and variables named as ours are."""

    name: str
    has_ports: bool = False
    has_env: bool = False
    port_count: int = 0
    variables: tuple[Variable, ...] = ()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Container:
        """A container as it stands in a manifest."""
        env = raw.get("env") or ()
        named = ((i, e.get("name") or "", e) for i, e in enumerate(env))
        ours = (Variable(i, name, _literal(e), e) for i, name, e in named if name.startswith(PREFIX))
        ports = raw.get("ports") or ()
        return cls(raw["name"], bool(ports), bool(env), len(ports), tuple(ours))


def variable_of(entry: PortEntry) -> str:
    """The variable that tells an entry's hostPort to its container."""
    return PREFIX + (entry.name or f"{entry.number}_{entry.protocol}").upper().replace("-", "_")


def _literal(raw: dict[str, Any]) -> str | None:
    return None if "valueFrom" in raw else raw.get("value") or ""
