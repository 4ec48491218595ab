"""`hostport/passthrough`: ports that the template does not declare.

Each has one number that is containerPort and hostPort at once, in an unnamed entry that the operator adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hostport.api import names
from hostport.api.errors import InvalidAnnotation, shown
from hostport.api.limits import MOST_NAMES, MOST_WORDS
from hostport.api.podspec import PortEntry
from hostport.api.ports import SPACE, Protocol
from hostport.api.words import split
from hostport.api.workload import Workload

# A port's name as the API server would take it: IANA_SVC_NAME of RFC 6335.
_NAME = r"(?=[-a-z0-9]{1,15}(?:/|$))(?=[-0-9]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*"
_WORD = re.compile(rf"(?:([a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?)/)?({_NAME})(?:/(TCP|UDP|SCTP))?")


def named_refs(workload: Workload) -> Iterator[tuple[str, Protocol]]:
    """The PORTs that `hostport/passthrough` names, as far as it can be read: `container/name`, and the protocol."""
    # What is past the limit is refused, and marks nothing as ours.
    for word in workload.annotations.get(names.PASSTHROUGH, "").split(",", MOST_WORDS)[:MOST_WORDS]:
        match = _WORD.fullmatch(word.strip())
        if match and workload.containers:
            yield f"{match[1] or workload.containers[0].name}/{match[2]}", Protocol(match[3] or "TCP")


def parse_passthrough(workload: Workload) -> tuple[PortEntry, ...]:
    """The ports that are passed through: entries of the template that are ours, or that are to be added to it.

    An entry that is not there yet has position -1. None of them has a containerPort of its own: each has a negative
    `number`, so that no two are taken for the protocols of one containerPort, and none is meant by a number.
    """
    text = workload.annotations.get(names.PASSTHROUGH)
    if text is None:
        return ()
    found: dict[str, PortEntry] = {}
    template = _Template.of(workload)
    for turn, word in enumerate(split(names.PASSTHROUGH, text)):
        entry = _parse(template, text, word)
        if entry.ref in found:
            raise InvalidAnnotation(names.PASSTHROUGH, text, f"{entry.ref} stands there twice")
        new = entry._replace(number=-SPACE - turn)
        found[entry.ref] = template.added.get((entry.ref, entry.protocol), new)
    return tuple(found.values())


class _Template(NamedTuple):
    """Which containers there are, which names of ports they declare, and the entries that are ours already."""

    containers: dict[str, int]
    declared: dict[str, PortEntry]
    added: dict[tuple[str, Protocol], PortEntry]

    @classmethod
    def of(cls, workload: Workload) -> _Template:
        containers: dict[str, int] = {}
        for position, container in enumerate(workload.containers):
            containers.setdefault(container.name, position)
        entries = workload.entries[::-1]
        declared = {e.name: e for e in entries if e.name and not e.passthrough}
        added = {(e.ref, e.protocol): e for e in entries if e.passthrough}
        return cls(containers, declared, added)


def _parse(template: _Template, text: str, word: str) -> PortEntry:
    match = _WORD.fullmatch(word)
    if match is None:
        problem = f'"{shown(word)}" must be a name of your choice, such as game, game/UDP or container/game/UDP'
        raise InvalidAnnotation(names.PASSTHROUGH, text, f"{problem} (at most 15 of a-z, 0-9 and -)")
    name, protocol = match[2], Protocol(match[3] or "TCP")
    container = match[1] or next(iter(template.containers))
    if container not in template.containers:
        known = ", ".join(list(template.containers)[:MOST_NAMES])
        raise InvalidAnnotation(names.PASSTHROUGH, text, f'no container "{shown(container)}"; the template has {known}')
    if name in template.declared:
        problem = f"{template.declared[name].ref} is a port that the template declares"
        way_out = "passthrough is for those it does not: take another name"
        raise InvalidAnnotation(names.PASSTHROUGH, text, f"{problem}; {way_out}")
    position = template.containers[container]
    return PortEntry(position, -1, container, name, 0, protocol, 0, f"{container}/{name}", {}, passthrough=True)
