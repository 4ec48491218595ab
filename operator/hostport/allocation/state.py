"""All that is known of the cluster's ports: nodes, pools, leases, and who else is on a port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hostport.allocation.let_go import LetGo
from hostport.allocation.occupancy import Nodes, Occupancy, Taker, View
from hostport.allocation.policy import Cursors
from hostport.allocation.ready_pods import ReadyPods
from hostport.allocation.rollout import Room
from hostport.allocation.scope import eligible, make_view, nodes_of, ways, withheld
from hostport.api.errors import OverlappingLease
from hostport.api.lease import Lease, LeaseKey
from hostport.api.node import Node
from hostport.api.placement import Placement
from hostport.api.podspec import Claim
from hostport.api.pool import Pool
from hostport.api.ports import PortSet, Protocol
from hostport.ledger.book import BLOCK_SIZE, MOST_LEASES, Book, Change, Place


@dataclass(frozen=True, slots=True)
class ForeignUse:
    """What an object claims. `nodes` None is every node, a Placement wherever it admits."""

    owner: str
    by: str
    claims: frozenset[Claim]
    nodes: Nodes | Placement | None = None


@dataclass(slots=True)
class PoolView:
    """A view of a pool for one placement.

    `pinned`: leases are for the few nodes of the view's scope, one each, and not for the whole pool.
    """

    view: View
    placement: Placement
    pinned: bool = False


class State:
    """The state that plans are made against. `put` and `write` alone change leases, `see_*` and `forget_*` the rest.

    `openings` grows when a number may have become free, `changes` with everything that a pool's counts depend on,
    `moves` when nodes come, go or are other than they were. About `most_views` views are kept true at a time.
    `let_go`: by workload, what nothing more is written for. `exempt`: namespaces that Pod Security does not look at.
    """

    def __init__(self, most_views: int = 64) -> None:
        self._most_views = most_views
        self.nodes: dict[str, Node] = {}
        self.pools: dict[str, Pool] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.ephemeral: dict[str, tuple[int, int]] = {}
        self.exempt: frozenset[str] = frozenset()
        self.let_go: dict[str, LetGo] = {}
        self.ready = ReadyPods()
        self._closed: set[str] = set()
        self._scopes: dict[str, set[str]] = {}
        self._withheld: dict[str, dict[str, PortSet]] = {}
        self._full: dict[str, set[int]] = {}
        self._stale = False
        self.book = Book()
        self.occupancy = Occupancy()
        self.cursors = Cursors()
        self.openings = 0
        self.changes = 0
        self.moves = 0
        self._leases: dict[tuple[str, LeaseKey], Taker] = {}
        self._foreign: dict[str, tuple[ForeignUse, list[tuple[Claim, Taker]]]] = {}
        self._views: dict[tuple[str, Placement], PoolView] = {}
        self._ways: dict[tuple[str, Placement], tuple[PoolView, ...]] = {}
        self._eligible: dict[Placement, set[str]] = {}

    # Leases

    def put(self, change: Change) -> Lease | None:
        """Set or take out a lease; returns the one that stood there."""
        self.changes += 1
        before = self.book.set(change)
        place = (change.pool, change.key)
        if change.lease is not None and before is not None and before.owner == change.lease.owner:
            # What rests does not count in its namespace's quota any more.
            self.openings += bool(change.lease.released and not before.released)
            return before
        if before is not None:
            self.openings += self.occupancy.give_back(change.key.protocol, change.key.port, self._leases.pop(place))
        if (before is None) != (change.lease is None):
            self._watch_block(change.pool, change.key.port // BLOCK_SIZE)
        if change.lease is not None:
            taker = self._lease_taker(change.pool, change.key, change.lease)
            self._leases[place] = taker
            self.occupancy.take(change.key.protocol, change.key.port, taker)
        return before

    def write(self, change: Change) -> None:
        """Set or take out a lease for a plan; raises `OverlappingLease` where somebody else has the number there.

        What the API server shows is put in as it is. What its owner has already may overlap: nodes and pools are moved
        under those who are there. What rests is taken like a new number.
        """
        pool, key, lease = change
        before = self.book.get(pool, key)
        if lease is not None and (before is None or before.owner != lease.owner or before.released):
            for place, other in self.leases_on(key.protocol, key.port, key.ip, self.nodes_of((pool, key))):
                if other.owner != lease.owner:
                    raise OverlappingLease(pool, str(key), lease.owner, f"{place[1]} of pool {place[0]}", other.owner)
        self.put(change)

    def leases_on(self, protocol: Protocol, port: int, ip: str, nodes: Nodes) -> Iterator[tuple[Place, Lease]]:
        """The leases of a number at an address on one of these nodes, whichever pool they are of."""
        owners = {taker.owner for taker in self.occupancy.on(protocol, port, ip, nodes) if taker.lease}
        for owner in owners:
            for place, lease in self.book.of_owner(owner).items():
                same = (place[1].protocol, place[1].port) == (protocol, port)
                if same and self._leases[place].meets(ip, nodes):
                    yield place, lease

    def _watch_block(self, pool: str, block: int) -> None:
        full = self._full.setdefault(pool, set())
        if (block in full) != (self.book.in_block(pool, block) >= MOST_LEASES):
            full ^= {block}
            self._redraw()

    def _lease_taker(self, pool: str, key: LeaseKey, lease: Lease) -> Taker:
        return Taker(lease.owner, lease.owner, self.nodes_of((pool, key)), key.ip, lease=True)

    def nodes_of(self, place: Place) -> Nodes:
        """The nodes that a lease is for: one and the same set for all that are for a whole pool."""
        pool, key = place
        return frozenset((key.node,)) if key.node else self.scopes.setdefault(pool, set())

    # Pools and nodes

    def see_pool(self, pool: Pool) -> bool:
        """Note a pool; tells whether that changed what it hands out."""
        known = self.pools.get(pool.name)
        self.pools[pool.name] = pool
        if known is not None and (known.uid, known.generation, known.terminating) == (
            pool.uid,
            pool.generation,
            pool.terminating,
        ):
            return False
        self._redraw()
        return True

    def forget_pool(self, name: str) -> None:
        """A pool is gone, and its leases with it."""
        if self.pools.pop(name, None) is None:
            return
        for key in list(self.book.of_pool(name)):
            self.put(Change(name, key, None))
        self.book.drop_pool(name)
        self.cursors.forget(name)
        self._redraw()

    def see_nodes(self, nodes: Iterable[Node]) -> bool:
        """Note nodes; tells whether something about them that matters is new."""
        seen = {node.name: node for node in nodes}
        self._note_closed(seen.values())
        fresh = {name: node for name, node in seen.items() if self.nodes.get(name) != node}
        if fresh:
            self.nodes.update(fresh)
            self.moves += 1
            self._redraw()
        return bool(fresh)

    def _note_closed(self, nodes: Iterable[Node]) -> None:
        """A node that is cordoned, or takes Pods again, is no other node: what is free there stays free."""
        for node in nodes:
            if node.takes_pods == (node.name in self._closed):
                self._closed ^= {node.name}
                self.moves += 1

    def room(self, placement: Placement) -> Room:
        """The nodes that a placement admits: how many take new Pods now, and how many do not."""
        nodes = self.eligible(placement)
        closed = len(self._closed & nodes)
        return Room(len(nodes) - closed, closed)

    def forget_node(self, name: str) -> None:
        """A node is gone."""
        self._closed.discard(name)
        if self.nodes.pop(name, None) is not None:
            self.moves += 1
            self._redraw()

    @property
    def scopes(self) -> dict[str, set[str]]:
        """The nodes of each pool."""
        self._refresh()
        return self._scopes

    @property
    def withheld(self) -> dict[str, dict[str, PortSet]]:
        """By pool and elder, the numbers that an older pool hands out on a shared node."""
        self._refresh()
        return self._withheld

    def full_blocks(self, pool: str) -> PortSet:
        """The numbers whose blocks hold as many leases as one object should."""
        made = PortSet()
        for block in self._full.get(pool, ()):
            made |= PortSet.span(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE - 1)
        return made

    def _redraw(self) -> None:
        """What is known of nodes or ranges is out of date; a thousand nodes that arrive are one refresh."""
        self._stale = True
        self.changes += 1
        self.openings += 1
        self._views.clear()
        self._ways.clear()
        self.occupancy.forget_views()

    def _refresh(self) -> None:
        """Every set of nodes anew, in place: takers hold these very sets."""
        if not self._stale:
            return
        self._stale = False
        for name, pool in self.pools.items():
            _replace(self._scopes.setdefault(name, set()), nodes_of(pool, self.nodes))
        for placement, names in self._eligible.items():
            _replace(names, eligible(placement, self.nodes))
        by_age = sorted(self.pools.values(), key=lambda pool: pool.age)
        self._withheld = {p.name: withheld(p, by_age[:i], self._scopes, self.nodes) for i, p in enumerate(by_age)}

    # Foreign use

    def see_use(self, key: str, use: ForeignUse) -> None:
        """Note what an object (`Pod/ns/name`, `Service/ns/name`, a workload's key) claims, in place of what it did."""
        known = self._foreign.get(key)
        if known is not None and known[0] == use:
            return
        self.forget_use(key)
        self.changes += 1
        if use.claims:
            takers = [(claim, self._taker(use, claim)) for claim in use.claims]
            self._foreign[key] = (use, takers)
            for claim, taker in takers:
                self.occupancy.take(claim.protocol, claim.port, taker)

    def forget_use(self, key: str) -> frozenset[Claim]:
        """An object claims nothing any more; returns what it did."""
        use, takers = self._foreign.pop(key, (None, []))
        self.changes += bool(takers)
        for claim, taker in takers:
            self.openings += self.occupancy.give_back(claim.protocol, claim.port, taker)
        return use.claims if use is not None else frozenset()

    @contextmanager
    def supposing(self, uses: Mapping[str, ForeignUse]) -> Iterator[None]:
        """As if these uses were known as well, those that are not; nothing must change meanwhile."""
        counters = self.changes, self.openings
        unknown = uses.keys() - self._foreign.keys()
        for key in unknown:
            self.see_use(key, uses[key])
        try:
            yield
        finally:
            for key in unknown:
                self.forget_use(key)
            self.changes, self.openings = counters

    def claims_of(self, key: str) -> frozenset[Claim]:
        """What an object claims."""
        known = self._foreign.get(key)
        return known[0].claims if known is not None else frozenset()

    def use_of(self, key: str) -> ForeignUse | None:
        """What is known of an object that claims ports."""
        known = self._foreign.get(key)
        return known[0] if known is not None else None

    def uses(self) -> Iterator[str]:
        """The keys of everything that claims a port."""
        return iter(tuple(self._foreign))

    def _taker(self, use: ForeignUse, claim: Claim) -> Taker:
        nodes = self.eligible(use.nodes) if isinstance(use.nodes, Placement) else use.nodes
        return Taker(use.owner, use.by, nodes, claim.ip)

    def eligible(self, placement: Placement) -> Nodes:
        """The nodes a placement admits: one set per placement, kept true."""
        self._refresh()
        found = self._eligible.get(placement)
        if found is None:
            found = self._eligible[placement] = eligible(placement, self.nodes)
        return found

    def see_ephemeral(self, node: str, span: tuple[int, int] | None) -> None:
        """Note from which numbers a node's outgoing connections get their ports; None where nobody says so."""
        if self.ephemeral.get(node) == span:
            return
        self.changes += 1
        if span is None:
            del self.ephemeral[node]
        else:
            self.ephemeral[node] = span

    # Views

    def ways(self, pool: Pool, placement: Placement) -> tuple[PoolView, ...]:
        """What a template may get from a pool with the placement it has, or with narrower ones; the best first."""
        found = self._ways.get((pool.name, placement))
        if found is None:
            self._make_room()
            narrowed = ways(pool, placement, self.scopes[pool.name], self.nodes)
            found = tuple([self._view(pool, way) for way in narrowed])
            self._ways[pool.name, placement] = found
        return found

    def view(self, pool: Pool, placement: Placement) -> PoolView:
        """What a template of that placement may get from a pool."""
        if (pool.name, placement) not in self._views:
            self._make_room()
        return self._view(pool, placement)

    def _make_room(self) -> None:
        """Forget the oldest views; never between two ways of one template, which must all be kept true."""
        if len(self._views) >= self._most_views:
            self._ways.clear()
        while len(self._views) >= self._most_views:
            oldest = next(iter(self._views))
            self.occupancy.forget(self._views.pop(oldest).view)

    def _view(self, pool: Pool, placement: Placement) -> PoolView:
        found = self._views.get((pool.name, placement))
        if found is None:
            found = self._views[pool.name, placement] = self._make_view(pool, placement)
        return found

    def _make_view(self, pool: Pool, placement: Placement) -> PoolView:
        kept_back = (*self.withheld[pool.name].values(), self.full_blocks(pool.name))
        view = make_view(pool, placement, self.scopes[pool.name], kept_back, self.nodes)
        return PoolView(self.occupancy.watch(view), placement, placement.pinned() is not None)


def _replace(target: set[str], names: Mapping[str, object] | set[str]) -> None:
    target.clear()
    target.update(names)
