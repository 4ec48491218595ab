"""Numbers that are leased twice on one node, because nodes or pools have been moved under those who had them.

Nothing is mended here, and nothing is moved: such a number goes to nobody else, and that is said.
"""

from __future__ import annotations

from typing import NamedTuple

from hostport.allocation.state import State
from hostport.api.lease import LeaseKey
from hostport.api.pool import Pool


class Double(NamedTuple):
    """A lease, its owner, and somebody else who leases the same number on a node of it."""

    key: LeaseKey
    owner: str
    other: str


def doubles(state: State, pool: Pool) -> list[Double]:
    """The leases of a pool that meet those of another on a node, by number."""
    if not state.withheld[pool.name] and all(pool.name not in elders for elders in state.withheld.values()):
        return []
    found = []
    for key, lease in state.book.of_pool(pool.name).items():
        nodes = state.nodes_of((pool.name, key))
        there = state.occupancy.on(key.protocol, key.port, key.ip, nodes)
        found += [Double(key, lease.owner, t.owner) for t in there if t.lease and t.owner != lease.owner]
    return sorted(found, key=lambda double: (double.key.port, double.owner, double.other))
