"""A digest of what a user asks for: `hostport/` keys and Pod template, without what the operator writes there."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from hostport.api.affinity import REQUIRED
from hostport.api.environment import PREFIX
from hostport.api.names import NOTES

Json = Mapping[str, Any]


def digest(annotations: Mapping[str, str], template: Json) -> str:
    """The same before and after the operator has written, or somebody has taken out what it wrote: ten hex digits.

    Left out are hostPorts, entries whose containerPort is their hostPort, HOSTPORT_ variables and required node
    affinity, whoever wrote them.
    """
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    kept = {name: value for name, value in spec.items() if name not in ("affinity", "containers")}
    affinity = _without_required(spec.get("affinity") or {})
    containers = list(map(_without_ports, spec.get("containers") or ()))
    whole = [users(annotations), meta.get("labels"), meta.get("annotations"), kept, affinity, containers]
    return blake2b(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS), digest_size=5).hexdigest()


def _without_required(affinity: Json) -> dict[str, Any]:
    node = {name: value for name, value in (affinity.get("nodeAffinity") or {}).items() if name != REQUIRED}
    return {name: value for name, value in {**affinity, "nodeAffinity": node}.items() if value}


def _without_ports(container: Json) -> dict[str, Any]:
    ports = [_without_host(entry) for entry in container.get("ports") or () if not _is_added(entry)]
    env = [variable for variable in container.get("env") or () if not (variable.get("name") or "").startswith(PREFIX)]
    return {**container, "ports": ports, "env": env}


def _is_added(entry: Json) -> bool:
    """Whether it may be an entry for a port that is passed through."""
    return not entry.get("name") and entry.get("hostPort") == entry.get("containerPort")


def _without_host(entry: Json) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in ("hostPort", "hostIP")}


def users(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """The user's own `hostport/` keys, in order."""
    return sorted((name, value) for name, value in annotations.items() if name not in NOTES)
