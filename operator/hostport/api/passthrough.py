"""`hostport/passthrough`: ports that the template does not declare.

Each has one number that is containerPort and hostPort at once, in an unnamed entry that the operator adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hostport.api import names
from hostport.api.errors import InvalidAnnotation, shown
from hostport.api.podspec import PortEntry
from hostport.api.ports import SPACE, Protocol
from hostport.api.workload import Workload

# A port's name as the API server would take it: IANA_SVC_NAME of RFC 6335.
_NAME = r"(?=[-a-z0-9]{1,15}(?:/|$))(?=[-0-9]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*"
_WORD = re.compile(rf"(?:([a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?)/)?({_NAME})(?:/(TCP|UDP|SCTP))?")


def named_refs(workload: Workload) -> Iterator[str]:
    """The PORTs that `hostport/passthrough` names, as far as it can be read: `container/name`."""
    for word in workload.annotations.get(names.PASSTHROUGH, "").split(","):
        match = _WORD.fullmatch(word.strip())
        if match and workload.containers:
            yield f"{match[1] or workload.containers[0].name}/{match[2]}"


def parse_passthrough(workload: Workload) -> tuple[PortEntry, ...]:
    """The ports that are passed through: entries of the template that are ours, or that are to be added to it.

    An entry that is not there yet has position -1. None of them has a containerPort of its own: each has a negative
    `number`, so that no two are taken for the protocols of one containerPort, and none is meant by a number.
    """
    text = workload.annotations.get(names.PASSTHROUGH)
    if text is None:
        return ()
    found: dict[str, PortEntry] = {}
    for turn, word in enumerate(text.split(",")):
        entry = _parse(workload, text, word.strip())
        if entry.ref in found:
            raise InvalidAnnotation(names.PASSTHROUGH, text, f"{entry.ref} stands there twice")
        there = (e for e in workload.entries if e.passthrough and (e.ref, e.protocol) == (entry.ref, entry.protocol))
        found[entry.ref] = next(there, entry._replace(number=-SPACE - turn))
    return tuple(found.values())


def _parse(workload: Workload, text: str, word: str) -> PortEntry:
    match = _WORD.fullmatch(word)
    if match is None:
        problem = f'"{shown(word)}" must be a name of your choice, such as game, game/UDP or container/game/UDP'
        raise InvalidAnnotation(names.PASSTHROUGH, text, f"{problem} (at most 15 of a-z, 0-9 and -)")
    name, protocol = match[2], Protocol(match[3] or "TCP")
    position = _container(workload, text, match[1])
    for declared in workload.entries:
        if declared.name == name and not declared.passthrough:
            problem = f"{declared.ref} is a port that the template declares; passthrough is for those it does not"
            raise InvalidAnnotation(names.PASSTHROUGH, text, f"{problem}: take another name")
    container = workload.containers[position].name
    return PortEntry(position, -1, container, name, 0, protocol, 0, f"{container}/{name}", {}, passthrough=True)


def _container(workload: Workload, text: str, name: str | None) -> int:
    """Which container is meant: the first, unless one is named."""
    containers = [container.name for container in workload.containers]
    if name is None:
        return 0
    if name not in containers:
        known = ", ".join(containers)
        raise InvalidAnnotation(names.PASSTHROUGH, text, f'no container "{shown(name)}"; the template has {known}')
    return containers.index(name)
