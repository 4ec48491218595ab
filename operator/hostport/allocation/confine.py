"""Templates whose numbers hold on only some of the nodes where their Pods could land: kept there by a node affinity.

It is said with the pool's own selectors, so that a node that joins or leaves changes no template. What stood there is
remembered on the object and put back at the end. Set back by others it is written again, as often as the workload's
budget allows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hostport.allocation.rollout import Remark
from hostport.api.affinity import AffinityWas, Terms, manifest, required, said, with_required
from hostport.api.placement import Placement
from hostport.api.workload import Workload


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
    if placement.terms is None or not (writes or workload.affinity_was() is not None):
        return None
    return _confined(workload, placement.terms)


def _confined(workload: Workload, terms: Terms) -> Confinement:
    record = workload.affinity_was()
    stands = record is not None and workload.home != workload.placement
    was = record.was if record is not None and stands else required(workload.affinity)
    now = manifest(terms)
    return Confinement(
        with_required(workload.affinity, now),
        AffinityWas(was, now, workload.digest).manifest(),
        f"its Pods are kept by node affinity to the nodes where that holds: {said(terms)}",
    )


def unconfined(placement: Placement) -> Remark:
    """The warning about Pods that could land where their numbers do not hold, and are not kept from it."""
    return Remark(
        "NoMatchingPool",
        f"its numbers hold only on the nodes {said(placement.terms or ())}, and its Pods may run on others: the"
        " operator does not touch a running template for that; add it as a required node affinity,"
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
