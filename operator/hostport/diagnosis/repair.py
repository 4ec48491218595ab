"""What the operator does about what does not agree: a difference, and nothing is given back at first sight.

Most of it the operator mends by itself when it looks at the workload again, so that is what repair asks for. As in
Kubernetes' port allocators (portallocator/controller/repair.go) a leak must be seen twice: a lease stands before its
workload is seen to use it, and what is under way at one look is done at the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hostport.diagnosis.check import Finding

# Not to be mended by looking at a workload again: somebody else's record, or nothing that a workload has to do with.
_BY_HAND = frozenset({"Overlap", "NoOwner", "Unreadable"})
# Mended by the next look anyway (a summary), or by nobody (a quota that is overrun is what was granted).
_LEFT_ALONE = frozenset({"Counts", "Quota"})


@dataclass(frozen=True, slots=True)
class Repairs:
    """`again`: workloads to be planned anew; `leaks`: leases whose owner is to be asked for live and, if the API server
    says that it is gone, given back; `by_hand`: what only a person can mend; `fresh`: what must be seen once more.
    """

    again: tuple[Finding, ...] = ()
    leaks: tuple[Finding, ...] = ()
    by_hand: tuple[Finding, ...] = ()
    fresh: frozenset[Finding] = frozenset()


def repairs(found: Iterable[Finding], before: Collection[Finding], *, begins: bool = False) -> Repairs:
    """What to do about findings, given those of the look before. When work `begins`, nothing is under way here: what is
    half done was left so by a crash, and is finished at first sight; a leak never is.
    """
    concerned = [finding for finding in found if finding.kind not in _LEFT_ALONE]
    twice = [finding for finding in concerned if finding in before]
    mendable = [finding for finding in (concerned if begins else twice) if finding.kind not in _BY_HAND]
    return Repairs(
        again=tuple(finding for finding in mendable if not finding.absent),
        leaks=tuple(finding for finding in twice if finding.absent),
        by_hand=tuple(finding for finding in twice if finding.kind in _BY_HAND),
        fresh=frozenset(concerned).difference(before),
    )
