"""How often the operator writes the same into one object that others change back: five times, and then it lets go.

A workload may be part of something that another controller keeps as it wants it, and each write starts a rollout. What
counts is the user's request (`Workload.digest`): a deployment pipeline that replaces its object a few times a day
costs nothing, for what a write stood is regained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hostport.allocation.let_go import LetGo
from hostport.allocation.plan import Plan
from hostport.api.workload import Workload

MOST_REVERTED = 5
_REGAINED_SECONDS = 600.0
# Before the next write, by how many have been reverted: `kubectl replace` is mended at once.
_PAUSES = (0.0, 0.0, 2.0, 6.0, 18.0)
# A template that is refused is tried again after these, and for so long; then its numbers go back.
_FIRST_REFUSED_SECONDS, _LONGEST_REFUSED_SECONDS = 5.0, 300.0
_GIVE_UP_SECONDS = 3600.0
# Just after its start an API server may forbid what it allows a moment later.
_TRANSIENT_TRIES = 3

Facts = frozenset[Hashable]


class Verdict(NamedTuple):
    """Write now, or after `wait` seconds, or never (`let_go`)."""

    wait: float = 0.0
    let_go: LetGo | None = None


@dataclass(slots=True)
class _Refused:
    since: float
    sentence: str
    tries: int = 1
    told: bool = False


@dataclass(slots=True)
class _Account:
    """What has been written for one request: what each write said and when. `spent`: the writes that were reverted."""

    uid: str
    digest: str
    writes: list[tuple[Facts, float]] = field(default_factory=list)
    spent: float = 0.0
    not_before: float = 0.0
    refused: _Refused | None = None


class Budget:
    """Knows what was written into each workload. `monotonic` is in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._accounts: dict[str, _Account] = {}

    def verdict(self, plan: Plan) -> Verdict:
        """Whether a plan may be written now. What it says once more has been reverted."""
        account, now = self._account(plan.workload), self._monotonic()
        refused = account.refused
        if refused is not None and now - refused.since >= _GIVE_UP_SECONDS and refused.told:
            text = f"the API server has refused the template with its hostPorts for an hour: {refused.sentence}"
            return Verdict(let_go=LetGo("PatchRefused", account.digest, text))
        if self._count_reverted(account, facts(plan), now):
            if account.spent > MOST_REVERTED - 0.5:  # what each of them stood has been regained
                return Verdict(let_go=LetGo("PatchReverted", account.digest, _reverted(plan)))
            account.not_before = max(account.not_before, now + _PAUSES[round(account.spent)])
        return Verdict(wait=max(0.0, account.not_before - now))

    def wrote(self, plan: Plan) -> None:
        """A plan has been written."""
        account = self._account(plan.workload)
        account.refused, account.not_before = None, 0.0
        if said := facts(plan):
            account.writes.append((said, self._monotonic()))

    def refused(self, workload: Workload, sentence: str, *, transient: bool) -> bool:
        """The API server has refused a template; tells whether that is to be told: once. `transient`: it may pass."""
        account, now = self._account(workload), self._monotonic()
        if account.refused is None:
            account.refused = _Refused(now, sentence)
        else:
            account.refused.tries += 1
            account.refused.sentence = sentence
        refused = account.refused
        pause = _FIRST_REFUSED_SECONDS * 2 ** min(refused.tries - 1, 10)
        account.not_before = now + min(_LONGEST_REFUSED_SECONDS, pause)
        fresh = not refused.told and (not transient or refused.tries >= _TRANSIENT_TRIES)
        refused.told |= fresh
        return fresh

    def forget(self, key: str) -> None:
        """A workload is gone, or another one begins anew."""
        self._accounts.pop(key, None)

    def _account(self, workload: Workload) -> _Account:
        known = self._accounts.get(workload.key)
        if known is None or (known.uid, known.digest) != (workload.uid, workload.digest):
            known = self._accounts[workload.key] = _Account(workload.uid, workload.digest)
        return known

    @staticmethod
    def _count_reverted(account: _Account, said: Facts, now: float) -> bool:
        reverted = [write for write in account.writes if write[0] & said]
        for write in reverted:
            account.writes.remove(write)
            account.spent = max(0.0, account.spent + 1 - (now - write[1]) / _REGAINED_SECONDS)
        return bool(reverted)


def facts(plan: Plan) -> Facts:
    """What a plan puts into the object, each piece by itself; what it takes out of it is nothing to fight about."""
    return frozenset(_facts(plan))


def _facts(plan: Plan) -> Iterator[Hashable]:
    for entry, port, ip in plan.ports:
        if port:
            yield entry.ref, entry.protocol, port, ip
    if plan.environment is not None:
        yield from ((s.container, s.name, s.value) for s in plan.environment.settings if s.value)
    if plan.rollout is not None and plan.rollout.was:
        yield tuple(plan.rollout.amounts.items())
    if plan.confinement is not None and plan.confinement.record:
        yield json.dumps(plan.confinement.record["is"], sort_keys=True)


def _reverted(plan: Plan) -> str:
    workload = plan.workload
    ports = ", ".join(f"{entry.ref}={port}" for entry, port, _ in plan.ports[:10] if port)
    parts = (
        f"hostPorts ({ports})" if ports else "",
        "environment" if plan.environment is not None and any(s.value for s in plan.environment.settings) else "",
        "rollout strategy" if plan.rollout is not None else "",
        "node affinity" if plan.confinement is not None else "",
    )
    by = f"; the field manager that wrote to it last is {workload.manager}" if workload.manager else ""
    back = ", and the numbers go back" if ports else ""
    return (
        f"another controller has taken out what the operator wrote {MOST_REVERTED} times"
        f" ({', '.join(filter(None, parts))}{by}): nothing more is written{back}. Ask for hostPorts where that"
        " controller gets its template from"
    )
