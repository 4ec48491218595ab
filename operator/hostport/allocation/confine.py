"""Templates whose numbers hold on only some of the nodes where their Pods could land: kept there by a node affinity.

It is said with the pool's own selectors, so that a node that joins or leaves changes no template. What stood there is
remembered on the object and put back at the end. Nobody is fought: set back, it is written once more for the same
revision of the template, and then left, with a warning.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hostport.allocation.rollout import Remark
from hostport.api.affinity import AffinityWas, Terms, manifest, required, said, with_required
from hostport.api.placement import Placement
from hostport.api.workload import Workload

_MOST_TIMES = 2


class Confinement(NamedTuple):
    """A new `affinity` for the template, what `hostport/affinity-was` says (empty: taken away), and it all in words.

    An empty affinity is taken out of the template; None leaves it as it is.
    """

    affinity: dict[str, Any] | None
    record: dict[str, Any]
    text: str


def confine(workload: Workload, placement: Placement, *, writes: bool) -> Confinement | None:
    """What becomes of the affinity of a workload whose numbers hold where `placement` lets its Pods run.

    `writes`: the template is to be written anyway. None where all is well, or where nothing more is to be done.
    """
    if placement == workload.placement:
        return None
    if placement == workload.home:
        return release(workload)
    record = workload.affinity_was()
    times = record.times if record is not None and record.revision == workload.revision else 0
    if placement.terms is None or not (writes or (record is not None and times < _MOST_TIMES)):
        return None
    return _confined(workload, placement.terms, 1 if writes else times + 1)


def _confined(workload: Workload, terms: Terms, times: int) -> Confinement:
    record = workload.affinity_was()
    stands = record is not None and workload.home != workload.placement
    was = record.was if record is not None and stands else required(workload.affinity)
    now = manifest(terms)
    return Confinement(
        with_required(workload.affinity, now),
        AffinityWas(was, now, workload.revision, times).manifest(),
        f"its Pods are kept by node affinity to the nodes where that holds: {said(terms)}",
    )


def unconfined(workload: Workload, placement: Placement) -> Remark:
    """The warning about Pods that could land where their numbers do not hold, and are not kept from it."""
    where = said(placement.terms or ())
    if workload.affinity_was() is None:
        mend = "the operator does not touch a running template for that; add it as a required node affinity"
    else:
        mend = "the operator had added that as a node affinity, somebody has taken it away, and it is left so; add it"
    return Remark(
        "NoMatchingPool",
        f"its numbers hold only on the nodes {where}, and its Pods may run on others: {mend},"
        " or let the pool hand the numbers out there as well",
    )


def release(workload: Workload) -> Confinement | None:
    """What was added is taken back where it still is what we wrote; None where nothing was added."""
    record = workload.affinity_was()
    if record is None:
        return None
    if workload.home == workload.placement:
        return Confinement(None, {}, "")
    text = f"the node affinity is as it was: {said(workload.home.terms or ()) or 'none'}"
    return Confinement(with_required(workload.affinity, record.was), {}, text)
