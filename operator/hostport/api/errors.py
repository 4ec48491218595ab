"""What can be wrong with a request, as typed errors that carry their data.

::

    HostPortError
    ├── BadRange               a range or number that can't be parsed
    ├── OverlappingLease       a plan was about to lease what somebody else has: a mistake of ours, never an answer
    └── Refusal                a workload that can't be served now; its `reason` is the event's reason
        ├── InvalidAnnotation  the annotation must be changed
        ├── NoMatchingPool     no pool of that name, or none for this namespace, protocol or these nodes
        ├── PoolExhausted      every number is taken or resting
        ├── QuotaExceeded      the namespace holds its share already
        ├── RequestRefused     the exact number that was asked for is somebody else's
        ├── PodsForbidden      no Pod with a hostPort may exist there
        ├── PatchRefused       the API server or a policy has refused the template for an hour
        └── PatchReverted      another controller keeps taking out what is written
"""

from __future__ import annotations

from typing import ClassVar

_LONGEST_QUOTE = 80


def shown(text: str, most: int = _LONGEST_QUOTE) -> str:
    """A text of somebody's as it is quoted in a message: at most so many characters of it, and all in one line."""
    return escaped(text if len(text) <= most else text[: most - 3] + "...")


def escaped(text: str) -> str:
    """A text without characters that a terminal or a log obeys: line ends, controls, the direction of writing."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class HostPortError(Exception):
    """The root of everything this package raises on purpose."""


class BadRange(HostPortError, ValueError):
    """A range of ports that can't be read: `text` as it stood, and why."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text!r} is not a port or a range of ports: {why}")
        self.text = text
        self.why = why


class OverlappingLease(HostPortError):
    """A plan was about to lease `number` of `pool` to `owner`, and `other` has it on one of those nodes by `standing`.

    `number` and `standing` are keys of leases. Nothing of such a plan stands.
    """

    def __init__(self, pool: str, number: str, owner: str, standing: str, other: str) -> None:
        super().__init__(f"{number} of pool {pool} can't be leased to {owner}: {other} has {standing}")
        self.pool = pool
        self.number = number
        self.owner = owner
        self.standing = standing
        self.other = other


class Refusal(HostPortError):
    """A workload can't be served now. Nothing of it is granted: all or nothing."""

    reason: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidAnnotation(Refusal):
    """An annotation that says something impossible; `annotation` is its key."""

    reason = "InvalidAnnotation"

    def __init__(self, annotation: str, value: str, problem: str) -> None:
        super().__init__(f'{annotation}: "{shown(value)}": {problem}')
        self.annotation = annotation


class NoMatchingPool(Refusal):
    """No pool may serve this workload, whatever is free in it."""

    reason = "NoMatchingPool"


class PoolExhausted(Refusal):
    """Pools match, but no number in them is free for this workload."""

    reason = "PoolExhausted"


class QuotaExceeded(Refusal):
    """The namespace has as many numbers of the pool as the pool allows it."""

    reason = "QuotaExceeded"


class RequestRefused(Refusal):
    """The number asked for in `hostport/request` can't be had."""

    reason = "RequestRefused"


class PodsForbidden(Refusal):
    """Pods with a hostPort may not exist there: by the namespace's Pod Security level, or by what refuses the Pods."""

    reason = "PodsForbidden"


class PatchRefused(Refusal):
    """The API server or a policy refuses the template; the message has its own sentence."""

    reason = "PatchRefused"


class PatchReverted(Refusal):
    """Another controller keeps taking out what the operator writes."""

    reason = "PatchReverted"
