"""What a workload asks for: its annotations, read against its template. Nonsense is an `InvalidAnnotation`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hostport.api import names
from hostport.api.environment import variable_of
from hostport.api.errors import InvalidAnnotation, shown
from hostport.api.limits import MOST_NAMES, MOST_PORTS, MOST_VARIABLES
from hostport.api.passthrough import parse_passthrough
from hostport.api.podspec import PortEntry
from hostport.api.ports import LAST_PORT
from hostport.api.spellings import Spellings
from hostport.api.words import split
from hostport.api.workload import Workload

_POOL_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]{1,5}")
_LATER = (names.PER_POD,)


class _Ports(NamedTuple):
    """A workload whose ports can be looked up by what users call them."""

    workload: Workload
    declared: Spellings
    init: Spellings

    @classmethod
    def of(cls, workload: Workload) -> _Ports:
        return cls(workload, Spellings(workload.entries), Spellings(workload.init_entries))


@dataclass(frozen=True, slots=True)
class Request:
    """Ports wanted and how. `entries` may still contain numbers of the user's own: the plan tells them apart.

    `named` says that the user listed the ports; `exact` and `prefer` are by PORT; `pools` in order of preference,
    None for the default ones. `keeps_strategy`: the rollout strategy is not the operator's business. `env`: containers
    are told all of their numbers.
    """

    entries: tuple[PortEntry, ...]
    named: bool = False
    pools: tuple[str, ...] | None = None
    exact: dict[str, int] = field(default_factory=dict)
    prefer: dict[str, int] = field(default_factory=dict)
    contiguous: bool = False
    keeps_strategy: bool = False
    env: bool = False


def parse_request(workload: Workload) -> Request | None:
    """The workload's request, None if it makes none; raises `InvalidAnnotation`."""
    notes = workload.annotations
    if not _flag(notes, names.AUTO):
        return None
    _refuse_what_is_not_served(workload)
    workload = _with_passthrough(workload)
    env = _flag(notes, names.ENV)
    ports = _Ports.of(workload)
    entries, named = _wanted(ports)
    _refuse_too_many(notes, entries)
    exact = _numbers(ports, names.REQUEST, entries)
    prefer = _numbers(ports, names.PREFER, entries)
    for ref in exact.keys() & prefer.keys():
        raise InvalidAnnotation(
            names.PREFER, notes[names.PREFER], f"{ref} is in {names.REQUEST} already: keep one of the two"
        )
    contiguous = _flag(notes, names.CONTIGUOUS)
    if contiguous and exact and max(exact.values()) - min(exact.values()) >= len(entries):
        problem = f"these can't be in one run of {len(entries)} consecutive numbers ({names.CONTIGUOUS})"
        raise InvalidAnnotation(names.REQUEST, notes[names.REQUEST], problem)
    _refuse_unclear_variables(notes, entries, env=env)
    return Request(entries, named, _pools(notes), exact, prefer, contiguous, _keeps_strategy(notes), env)


def _with_passthrough(workload: Workload) -> Workload:
    """The workload with its declared ports and those passed through, there or not; nothing else may be meant."""
    added = parse_passthrough(workload)
    if not added and not any(entry.passthrough for entry in workload.entries):
        return workload
    return replace(workload, entries=(*(e for e in workload.entries if not e.passthrough), *added))


def _refuse_unclear_variables(notes: dict[str, str], entries: Iterable[PortEntry], *, env: bool) -> None:
    told: dict[tuple[str, str], PortEntry] = {}
    annotation = names.ENV if env else names.PASSTHROUGH
    some = [entry for entry in entries if env or entry.passthrough]
    if len(some) > MOST_VARIABLES:
        problem = f"{len(some)} ports to be told by variables, and {MOST_VARIABLES} at most are written"
        way_out = "take it away" if env else "name fewer"
        raise InvalidAnnotation(annotation, notes[annotation], f"{problem}: {way_out}, or split the workload")
    for entry in some:
        place = (entry.container_name, variable_of(entry))
        if told.setdefault(place, entry) is not entry:
            problem = f"{told[place].ref} and {entry.ref} would both be told by {place[1]}: rename one"
            raise InvalidAnnotation(annotation, notes[annotation], problem)


def _flag(notes: dict[str, str], annotation: str) -> bool:
    value = notes.get(annotation, "false")
    if value not in ("true", "false"):
        raise InvalidAnnotation(annotation, value, 'write "true" or "false"')
    return value == "true"


def _keeps_strategy(notes: dict[str, str]) -> bool:
    value = notes.get(names.ROLLOUT, "safe")
    if value not in ("safe", "keep"):
        raise InvalidAnnotation(names.ROLLOUT, value, 'write "safe" or "keep"')
    return value == "keep"


def _refuse_what_is_not_served(workload: Workload) -> None:
    for annotation in _LATER:
        if annotation in workload.annotations and workload.annotations[annotation] != "false":
            raise InvalidAnnotation(
                annotation, workload.annotations[annotation], "this version can't do it yet: take it away"
            )
    if workload.kind == "Job":
        problem = (
            "the Pod template of a Job can't be changed once it is there; annotate its CronJob, or use a Deployment"
        )
        raise InvalidAnnotation(names.AUTO, workload.annotations[names.AUTO], problem)
    if workload.host_network and names.PASSTHROUGH not in workload.annotations:
        problem = "the template has hostNetwork: true, where every containerPort already is the node's port"
        problem += f"; name ports that it does not declare in {names.PASSTHROUGH}"
        raise InvalidAnnotation(names.AUTO, workload.annotations[names.AUTO], problem)


def _refuse_too_many(notes: dict[str, str], entries: Sequence[PortEntry]) -> None:
    if len(entries) > MOST_PORTS:
        annotation = next(a for a in (names.PORTS, names.PASSTHROUGH, names.AUTO) if a in notes)
        problem = f"{len(entries)} ports, and one workload is given {MOST_PORTS} at most"
        way_out = f"name those in {names.PORTS} that need a number, or split the workload"
        raise InvalidAnnotation(annotation, notes[annotation], f"{problem}: {way_out}")


def _wanted(ports: _Ports) -> tuple[tuple[PortEntry, ...], bool]:
    workload = ports.workload
    text = workload.annotations.get(names.PORTS)
    if text is None:
        first: dict[str, PortEntry] = {}
        for entry in workload.entries:
            if entry.passthrough or not workload.host_network:
                first.setdefault(entry.ref, entry)
        if not first:
            raise InvalidAnnotation(names.AUTO, "true", "no container of the template declares a port")
        return tuple(first.values()), False
    chosen = [_resolve(ports, names.PORTS, text, word) for word in _words(names.PORTS, text)]
    _refuse_twice(names.PORTS, text, (entry.ref for entry in chosen))
    for entry in chosen:
        if workload.host_network and not entry.passthrough:
            problem = f"the template has hostNetwork: true, where {entry.ref} already is the node's port"
            raise InvalidAnnotation(names.PORTS, text, problem)
    refs = {entry.ref for entry in chosen}
    return (*chosen, *(e for e in workload.entries if e.passthrough and e.ref not in refs)), True


def _pools(notes: dict[str, str]) -> tuple[str, ...] | None:
    text = notes.get(names.POOL)
    if text is None:
        return None
    pools = tuple(_words(names.POOL, text))
    for name in pools:
        if not _POOL_NAME.fullmatch(name):
            raise InvalidAnnotation(names.POOL, text, f'"{shown(name)}" can\'t be the name of a HostPortPool')
    _refuse_twice(names.POOL, text, pools)
    return pools


def _numbers(ports: _Ports, annotation: str, wanted: tuple[PortEntry, ...]) -> dict[str, int]:
    text = ports.workload.annotations.get(annotation)
    if text is None:
        return {}
    pairs = [_pair(ports, annotation, text, word) for word in _words(annotation, text)]
    _refuse_twice(annotation, text, (entry.ref for entry, _ in pairs))
    _refuse_twice(annotation, text, (f"{number}/{entry.protocol}" for entry, number in pairs))
    refs = {entry.ref for entry in wanted}
    for entry, _ in pairs:
        if entry.ref not in refs:
            raise InvalidAnnotation(annotation, text, f"{entry.ref} is not among the ports of {names.PORTS}")
    return {entry.ref: number for entry, number in pairs}


def _pair(ports: _Ports, annotation: str, text: str, word: str) -> tuple[PortEntry, int]:
    ref, equals, number = (part.strip() for part in word.partition("="))
    if not equals or not _NUMBER.fullmatch(number) or not 1 <= int(number) <= LAST_PORT:
        raise InvalidAnnotation(
            annotation, text, f'"{shown(word)}" must be PORT=NUMBER, such as http=10012 (1 to {LAST_PORT})'
        )
    return _resolve(ports, annotation, text, ref), int(number)


def _words(annotation: str, text: str) -> Iterator[str]:
    for word in split(annotation, text):
        if not word:
            raise InvalidAnnotation(annotation, text, "an empty entry: separate by single commas")
        yield word


def _refuse_twice(annotation: str, text: str, words: Iterable[str]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise InvalidAnnotation(annotation, text, f"{shown(word)} stands there twice")
        seen.add(word)


def _resolve(ports: _Ports, annotation: str, text: str, word: str) -> PortEntry:
    matches = ports.declared.meant(word)
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        raise InvalidAnnotation(annotation, text, f'"{shown(word)}" could be {_either(sorted(matches))}')
    if ports.init.meant(word):
        raise InvalidAnnotation(
            annotation, text, f'"{shown(word)}" is a port of an init container, and the kubelet maps none of those'
        )
    known = ", ".join(sorted({entry.ref for entry in ports.workload.entries})[:MOST_NAMES]) or "none"
    raise InvalidAnnotation(annotation, text, f'no port "{shown(word)}"; the template has {known}')


def _either(words: list[str]) -> str:
    if len(words) > MOST_NAMES:
        return f"{', '.join(words[:MOST_NAMES])} or {len(words) - MOST_NAMES} more"
    return ", ".join(words[:-1]) + " or " + words[-1]
