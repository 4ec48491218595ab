"""Workloads into which nothing more is written: why, and for which of their templates and annotations.

It stands in their leases as well, so that a restart does not begin anew. A template or an annotation that is another
one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hostport.api.errors import PatchRefused, PatchReverted, PodsForbidden, Refusal
from hostport.api.lease import Lease
from hostport.api.names import AUTO
from hostport.api.workload import Workload

_KINDS: dict[str, type[Refusal]] = {kind.reason: kind for kind in (PatchRefused, PatchReverted, PodsForbidden)}
_AGAIN = f"To try again, change the template or an annotation, or take {AUTO} away and put it back"
# What is known when only the lease is there to tell it, after a restart.
_TEXTS = {
    "PatchReverted": "another controller kept taking out what the operator wrote, and nothing more is written",
    "PatchRefused": "the API server or a policy refused the template with its hostPorts for an hour",
    "PodsForbidden": "Pods with its hostPorts were refused here, and its template has got back what it had",
}


class LetGo(NamedTuple):
    """`reason` is an event's; `digest` the `Workload.digest` that it is about."""

    reason: str
    digest: str
    text: str

    @property
    def mark(self) -> str:
        """As it stands in a lease."""
        return f"{self.reason}/{self.digest}"

    @property
    def gives_back(self) -> bool:
        """Whether the template gets back what it had: its Pods can't be made."""
        return self.reason == PodsForbidden.reason

    def refusal(self) -> Refusal:
        """What the workload is told."""
        return _KINDS[self.reason](f"{self.text}. {_AGAIN}")


def let_go_in(leases: Iterable[Lease], workload: Workload) -> LetGo | None:
    """What the leases of a workload say of its present template and annotations."""
    for lease in leases:
        reason, _, digest = lease.abandoned.partition("/")
        if digest == workload.digest and reason in _KINDS:
            return LetGo(reason, digest, _TEXTS[reason])
    return None
