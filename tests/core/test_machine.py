"""A random life of a cluster, looked at after every step by somebody who only knows sets of nodes and numbers.

What is granted was free; what is refused was not to be had; what stands stays; and nobody is on anybody's number,
unless nodes or pools have been moved under those who were there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from hostport.allocation.summary import summarize
from hostport.api.affinity import required
from hostport.api.errors import (
    Refusal,
)
from hostport.api.lease import Lease
from hostport.api.placement import Placement
from hostport.api.ports import Protocol
from hostport.ledger.book import Place as Where
from tests.core.build import Json, deployment
from tests.core.drawn import MORE_NAMES, NAMES, NODES, NUMBERS, PLACES, SPECS, ZONES, Spec, manifests
from tests.core.judge import Judge, claims, container_of, ports_of
from tests.core.naive import ANY, LOCAL, Claim, Cluster, Node, Place, Pool
from tests.core.world import Unacceptable, World


class Life(RuleBasedStateMachine):
    """Users, administrators and strangers, each doing what they like."""

    strangers = Bundle("strangers")

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.places: dict[str, Place] = {}
        self.shapes: dict[str, list[set[str]]] = {}
        self.settled: set[str] = set()
        self.running: set[str] = set()
        self.now = 0
        self.resting_since: dict[Where, int] = {}
        self.turns = cycle(PLACES)

    @initialize(
        address=st.sampled_from([ANY, LOCAL]),
        p=SPECS,
        q=SPECS,
        zones=st.tuples(ZONES, ZONES, ZONES),
        most_views=st.sampled_from([64, 3, 4]),
    )
    def begin(self, address: str, p: Spec, q: Spec, zones: tuple[str, ...], most_views: int) -> None:
        self.world = World("n1", most_views=most_views)
        self.judge = Judge(self.world, self.cluster, self.places, self.shapes)
        for name, zone in zip(NODES, zones, strict=False):
            self.node(name, zone, tainted=name == "n3")
        self._set_pool(Pool("p", age=5, **p))
        self._set_pool(Pool("q", ip=address, **q))

    # Administrators

    @rule(name=st.sampled_from(NODES), zone=st.sampled_from("ab"), tainted=st.booleans())
    def node(self, name: str, zone: str, *, tainted: bool) -> None:
        """A node comes, or gets other labels or taints."""
        self.cluster.nodes[name] = Node(zone, tainted)
        self.world.node(name, *(["dedicated=x:NoSchedule"] if tainted else []), zone=zone)

    @rule(name=st.sampled_from(NODES))
    def drop_node(self, name: str) -> None:
        """A node goes."""
        if self.cluster.nodes.pop(name, None):
            self.world.drop_node(name)

    @rule(name=st.sampled_from("pq"), spec=SPECS)
    def change_pool(self, name: str, spec: Spec) -> None:
        """A pool grows, shrinks, or is for other nodes."""
        known = self.cluster.pools[name]
        self._set_pool(Pool(name, ip=known.ip, age=known.age, **spec))

    def _set_pool(self, pool: Pool) -> None:
        self.cluster.pools[pool.name] = pool
        self.world.pool(pool.name, *(str(n) for n in sorted(pool.numbers)), age=pool.age, **pool.spec())

    # Users

    @rule(name=st.sampled_from(NAMES), made=manifests())
    def deploy(self, name: str, made: tuple[Place, list[set[str]], Json]) -> None:
        """A user applies a manifest, new or changed."""
        place, groups, manifest = made
        manifest["metadata"]["name"] = name
        self._act(name, place, groups, lambda: self.world.apply(manifest))

    @rule(made=manifests())
    def deploy_another(self, made: tuple[Place, list[set[str]], Json]) -> None:
        """A user applies a manifest of a new name, so that pools get full."""
        self.deploy(next(self._new_names()), made)

    @rule(made=manifests(), count=st.integers(2, 4))
    def deploy_at_once(self, made: tuple[Place, list[set[str]], Json], count: int) -> None:
        """A user applies a manifest under several new names; none has its numbers before the last is planned for."""
        place, groups, manifest = made
        names = list(islice(self._new_names(), count))
        self.world.deploy_at_once(*({**manifest, "metadata": {**manifest["metadata"], "name": n}} for n in names))
        for name in names:
            self._act(name, place, groups, partial(self.world.reconcile, name))

    def _new_names(self) -> Iterator[str]:
        return (name for name in MORE_NAMES if name not in self.places)

    @rule(name=st.sampled_from(NAMES), number=NUMBERS, place=st.sampled_from(PLACES))
    def deploy_by_hand(self, name: str, number: int, place: Place) -> None:
        """A user writes a number himself, and lets us find the other one."""
        manifest = deployment(name, f"a:1={number} b:2", pod=place.spec())
        self._act(name, place, [], lambda: self.world.apply(manifest))

    @rule(
        name=st.sampled_from(NAMES),
        protocol=st.sampled_from(["TCP", "UDP"]),
        number=NUMBERS,
        place=st.sampled_from(PLACES),
        node=st.sampled_from((*NODES, "")),
        notes=st.sampled_from([{}, {}, {"contiguous": "true"}, {"env": "true"}, {"pool": "q,p"}]),
    )
    def forge(self, name: str, protocol: str, number: int, place: Place, node: str, notes: dict[str, str]) -> None:
        """A user writes a number and our mark himself, has a Pod run on it maybe, and then asks for numbers."""
        manifest = deployment(
            name,
            f"a:1/{protocol}={number} b:2",
            pod=place.spec(),
            auto="false",
            assigned=f'{{"app/a": {number}}}',
            **notes,
        )
        self._act(name, place, [], lambda: self.world.copy(manifest))
        if node in self.cluster.nodes and any(self.world.shown(name)):
            self._run(name, node)
        manifest = self.world.manifest(name)
        manifest["metadata"]["annotations"] |= {"hostport/auto": "true", "hostport/assigned": f'{{"app/a": {number}}}'}
        self._again(name, lambda: self.world.replace(manifest))

    @precondition(lambda self: self.world.ledger)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A lease is lost: somebody has taken it out, or the ledger is that of an old backup."""
        pool, key = data.draw(st.sampled_from(sorted(self.world.ledger)))
        self.judge.lose(self.world.ledger[pool, key].owner, key.port)
        self.world.plant(pool, str(key), None)
        self.resting_since.pop((pool, key), None)

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def look_again(self, data: st.DataObject) -> None:
        """The operator looks at a workload that nobody has touched."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        owner = f"Deployment/default/{name}"
        mine = [(key, lease) for (_, key), lease in self.world.ledger.items() if lease.owner == owner]
        ours = {(key.protocol, key.port) for key, lease in mine if not lease.released}
        before, settled = self.world.numbers(name), name in self.settled
        self._again(name, lambda: self.world.reconcile(owner))
        if settled and not self.places[name].pinned and not self._has_left_its_pool(name):
            moved = [was for was, now in zip(before, self.world.numbers(name), strict=True) if was != now]
            # Where one number of a run is lost for good, the others go with it.
            run = self.world.manifest(name)["metadata"]["annotations"].get("hostport/contiguous") == "true"
            assert not ours.intersection(moved) or (run and not ours.issuperset(moved))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        """A user replaces the object by his manifest, in which nothing of ours stands."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        manifest = self.world.manifest(name)
        ports_of(manifest)[:] = [port for port in ports_of(manifest) if port.get("name")]
        for port in ports_of(manifest):
            port.pop("hostPort", None)
            port.pop("hostIP", None)
        for note in ("assigned", "env-added", "affinity-was"):
            manifest["metadata"]["annotations"].pop(f"hostport/{note}", None)
        container_of(manifest).pop("env", None)
        manifest["spec"]["template"]["spec"].pop("affinity", None)
        manifest["spec"]["template"]["spec"].update(self.places[name].spec())
        self._again(name, lambda: self.world.replace(manifest))

    @precondition(lambda self: self.places)
    @rule(data=st.data(), other=st.sampled_from(NAMES))
    def clone(self, data: st.DataObject, other: str) -> None:
        """A user copies an object as it stands to another name."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        manifest = self.world.manifest(name)
        manifest["metadata"]["name"] = other
        self.judge.clone(other, manifest)
        self._act(other, self.places[name], self.shapes[name], lambda: self.world.copy(manifest))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def switch_off(self, data: st.DataObject) -> None:
        """A user asks for nothing any more."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        manifest = self.world.manifest(name)
        manifest["metadata"]["annotations"]["hostport/auto"] = "false"
        self._again(name, lambda: self.world.replace(manifest))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A user deletes a workload."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        self.world.delete(name)
        del self.places[name], self.cluster.foreign[name]
        self.settled.discard(name)

    # Pods, strangers, time

    @precondition(lambda self: self.places and self.cluster.nodes)
    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        """A Pod of a workload starts."""
        name = data.draw(st.sampled_from(sorted(self.places)))
        node = data.draw(st.sampled_from(sorted(self.cluster.nodes)))
        if any(self.world.shown(name)):
            self._run(name, node)

    def _run(self, name: str, node: str) -> None:
        self.world.run(name, on=node)
        manifest = self.world.manifest(name)
        self.running.add(f"{name}-{node}")
        self.cluster.foreign[f"{name}-{node}"] = claims(f"Deployment/default/{name}", manifest, frozenset({node}))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """A Pod of a workload ends."""
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(name)
        self.world.stop(name)
        self.cluster.foreign.pop(name)

    @rule(
        target=strangers,
        port=NUMBERS,
        protocol=st.sampled_from(["TCP", "UDP"]),
        ip=st.sampled_from([ANY, LOCAL, "10.0.0.1"]),
        where=st.one_of(st.sampled_from(NODES), st.sampled_from(PLACES)),
    )
    def stranger_comes(self, port: int, protocol: str, ip: str, where: str | Place) -> str:
        """Somebody's Pod with a hostPort, scheduled or not."""
        name = f"stranger-{port}-{protocol}"
        entry = f"x:1/{protocol}={ip + ':' if ip else ''}{port}"
        if isinstance(where, Place):
            self.world.pod(name, entry, **where.spec())
            nodes: frozenset[str] | Place = where
        else:
            self.world.pod(name, entry, on=where)
            nodes = frozenset({where})
        self.cluster.foreign[name] = [Claim(f"Pod/default/{name}", protocol, port, ip, nodes)]
        return name

    @rule(name=strangers)
    def stranger_goes(self, name: str) -> None:
        """Somebody's Pod ends."""
        self.world.stop(name)
        self.cluster.foreign.pop(name, None)

    @rule(port=NUMBERS, there=st.booleans())
    def node_port(self, port: int, *, there: bool) -> None:
        """A Service comes or goes."""
        if there:
            self.world.service(f"s{port}", port)
            self.cluster.foreign[f"s{port}"] = [Claim(f"Service/default/s{port}", "TCP", port)]
        else:
            self.world.drop_service(f"s{port}")
            self.cluster.foreign.pop(f"s{port}", None)

    @rule(seconds=st.sampled_from([0, 1, 59, 60]))
    def wait(self, seconds: int) -> None:
        """Time passes: what nobody uses rests, what has rested is free, what is used stays."""
        before = self.world.ledger.copy()
        used_before = {place: self._is_used(place, lease) for place, lease in before.items()}
        self.now += seconds
        self.world.wait(seconds)
        for place, lease in before.items():
            after = self.world.ledger.get(place)
            if lease.state == "active":
                assert after == lease
                continue
            used = self._is_used(place, lease)
            if used != used_before[place]:
                # A lease of the same number has ended in the same look: either may have been first.
                if after is not None and after.released:
                    self.resting_since.setdefault(place, self.now)
                continue
            rested = self.now - self.resting_since.get(place, self.now) >= self.cluster.pools[place[0]].cooldown
            if used:
                assert after is not None
                assert after.state == "releasing"
            elif lease.state == "released" or self.cluster.pools[place[0]].cooldown:
                assert (after is None) == (lease.state == "released" and rested)
            if lease.state == "releasing" and not used:
                self.resting_since[place] = self.now
        self.resting_since = {
            place: since for place, since in self.resting_since.items() if self._state_of(place) == "released"
        }

    def _state_of(self, place: Where) -> str:
        lease = self.world.ledger.get(place)
        return lease.state if lease is not None else ""

    def _is_used(self, place: Where, lease: Lease) -> bool:
        """Whether a Pod or template is on the number that has no lease of it itself."""
        pool, key = place
        nodes = {key.node} if key.node else self.cluster.nodes_of(self.cluster.pools[pool])
        lessees = {
            other.owner
            for (_, taken), other in self.world.ledger.items()
            if (taken.protocol, taken.port) == (key.protocol, key.port)
        }
        there = self.cluster.on(key.protocol, key.port, key.ip, nodes)
        users = {owner for owner in there if not owner.startswith("Service/")}
        return bool(users - (lessees - {lease.owner}))

    # What must be true at any time

    @invariant()
    def what_is_free_is_what_nobody_is_on(self) -> None:
        place = next(self.turns)
        for pool in self.cluster.pools.values():
            view = self.world.state.view(self.world.state.pools[pool.name], Placement.parse(place.spec())).view
            for protocol in pool.protocols:
                free = set(view.free[Protocol(protocol)].search(1))
                assert free == self.judge.ledger(self.world.ledger).free(pool, place, protocol)

    @invariant()
    def every_number_counts_once(self) -> None:
        for pool in self.cluster.pools.values():
            summary = summarize(self.world.state, self.world.state.pools[pool.name])
            for protocol, counts in summary.by_protocol.items():
                naive = self.judge.ledger(self.world.ledger).counts(pool, protocol)
                assert (counts.capacity, counts.allocated, counts.cooling, counts.foreign) == naive

    def _again(self, name: str, act: Callable[[], object]) -> None:
        self._act(name, self.places[name], self.shapes[name], act)

    # Judging what the operator has done

    def _act(self, name: str, place: Place, groups: list[set[str]], act: Callable[[], object]) -> None:
        """Let a user do something, and judge every plan that comes of it."""
        first = len(self.world.plans)
        try:
            act()
        except Unacceptable:
            return
        except Refusal:
            self.settled.discard(name)
        else:
            self.settled.add(name)
        self.places[name], self.shapes[name] = place, groups
        for plan, before in zip(self.world.plans[first:], self.world.before[first:], strict=True):
            self.judge.plan(name, plan, before)
        if name in self.settled:
            self.judge.service(name)
        manifest = self.world.manifest(name)
        stands = place.as_written(required(manifest["spec"]["template"]["spec"].get("affinity")))
        self.cluster.foreign[name] = claims(f"Deployment/default/{name}", manifest, stands)

    def _has_left_its_pool(self, name: str) -> bool:
        runs_on = self.cluster.runs_on(self.places[name])
        held = {pool for (pool, _), lease in self.world.ledger.items() if lease.owner == f"Deployment/default/{name}"}
        return any(not runs_on & self.cluster.nodes_of(self.cluster.pools[pool]) for pool in held)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=5 * settings.default.max_examples, stateful_step_count=40)
