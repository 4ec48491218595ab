"""Judges what the operator has done in a random life: with sets of nodes and numbers, and nothing cleverer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hostport.allocation.plan import Plan
from hostport.api.affinity import required
from hostport.api.errors import (
    InvalidAnnotation,
    NoMatchingPool,
    PoolExhausted,
    QuotaExceeded,
    Refusal,
    RequestRefused,
)
from hostport.api.podspec import PortEntry
from hostport.ledger.book import Change
from tests.core import truths
from tests.core.build import Json
from tests.core.naive import ANY, Claim, Cluster, Held, Ledger, Place, can_be_served, has_run
from tests.core.world import World


class Judge:
    """Sees the world as it is, and where the Pods of each workload may run, by what its user has written.

    `shapes` are the groups of protocols that need a number each.
    """

    def __init__(
        self, world: World, cluster: Cluster, places: dict[str, Place], shapes: dict[str, list[set[str]]]
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._places = places
        self._shapes = shapes
        self._granted: set[str] = set()
        self._found: set[str] = set()
        self._brought: dict[str, set[int]] = {}

    def clone(self, name: str, manifest: Json) -> None:
        """What a manifest that takes `name` has brought along, of what was passed through elsewhere."""
        self._brought[name] = {port["containerPort"] for port in _unnamed(manifest)}

    def lose(self, owner: str, number: int) -> None:
        """A lease is lost, and nothing says any more that an entry which shows its number is not the user's."""
        self._brought.setdefault(owner.rpartition("/")[2], set()).add(number)

    def plan(self, name: str, plan: Plan, before: truths.Leases) -> None:
        """What a plan does to the leases that there were."""
        owner = f"Deployment/default/{name}"
        ledger = self.ledger(before)
        after = self.ledger(_after(plan, before))
        if plan.adopted:
            self._found.add(plan.workload.uid)
        if any(change.lease is not None and change.lease.state == "active" for change in plan.changes):
            self._granted.add(plan.workload.uid)
        # What stands in the template as the plan is made is its own, not somebody's in the way.
        for change in plan.changes:
            known = before.get((change.pool, change.key))
            inherits = known is not None and known.owner != owner
            if known is not None and inherits:
                now = self._world.uid_of(known.owner)
                assert now != known.uid, "the lease of somebody who is there has gone to another"
                assert known.state == "releasing" or not now, "the next of that name would have inherited it"
                assert known.state != "released"
            if change.lease is None:
                assert change.key.node or inherits, "only a lease for the whole pool takes the place of others"
                continue
            assert change.lease.owner == owner
            if change.lease.state == "active" and (known is None or inherits or known.state == "released"):
                self._grant(name, plan, change, after)
        self._quota(plan, before)
        self._moves(name, plan, before, ledger)
        own = any(lease.owner == owner for lease in before.values())
        if plan.refusal is not None and not own and not plan.workload.claims:
            self._refusal(name, plan.refusal, ledger)

    def _grant(self, name: str, plan: Plan, change: Change, ledger: Ledger) -> None:
        """What is granted was valid and free wherever the Pods may run from then on."""
        pool, key = self._cluster.pools[change.pool], change.key
        place = self._places[name].as_written(required(_affinity(plan)))
        runs_on = self._cluster.runs_on(place)
        assert runs_on <= self._cluster.runs_on(self._places[name])
        assert key.protocol in pool.protocols
        assert key.ip == pool.ip
        assert self._cluster.fits(pool, place)
        assert key.port in self._cluster.valid(pool, place)
        # A later port may have led to fewer nodes: what that leaves over goes back with the next plan.
        assert not key.node or key.node in self._cluster.runs_on(self._places[name])
        nodes = {key.node} if key.node else self._cluster.nodes_of(pool)
        owner = f"Deployment/default/{name}"
        assert ledger.holders(key.protocol, key.port, pool.ip, nodes) <= {owner}
        assert self._cluster.on(key.protocol, key.port, pool.ip, runs_on) <= {owner}

    def _runs(self, name: str, protocol: str, port: int) -> bool:
        """Whether a Pod of a workload has a number already."""
        pods = (claims for user, claims in self._cluster.foreign.items() if user.startswith(f"{name}-"))
        return any((claim.protocol, claim.port) == (protocol, port) for claims in pods for claim in claims)

    def _moves(self, name: str, plan: Plan, before: truths.Leases, ledger: Ledger) -> None:
        """No number is moved on which a Pod runs, unless its user asks for that, or it is a copy of somebody else's."""
        notes = plan.workload.annotations
        own = {(k.protocol, k.port) for (_, k), lease in before.items() if lease.owner == plan.workload.key}
        for entry, port, _ in plan.ports:
            number = (entry.protocol, entry.host_port)
            if port in (0, entry.host_port) or number in own or not self._runs(name, *number):
                continue
            asked = f"{entry.name}={port}" in notes.get("hostport/request", "").split(",")
            if asked or notes.get("hostport/contiguous") == "true":
                continue
            assert plan.workload.assigned().get(entry.ref) == entry.host_port, "it does not look like ours"
            runs_on = self._cluster.runs_on(self._places[name].as_written(required(plan.workload.affinity)))
            assert ledger.holders(*number, entry.raw.get("hostIP", ANY), runs_on), "it is leased to nobody"

    def _quota(self, plan: Plan, before: truths.Leases) -> None:
        """No plan takes a namespace above its quota, or further above it."""
        after = _after(plan, before)
        for pool in self._cluster.pools.values():
            if pool.quota is not None:
                assert _held(after, pool.name) <= max(pool.quota, _held(before, pool.name))

    def service(self, name: str) -> None:
        """Who is not refused has a number for every port that is asked for, leased wherever his Pods may run."""
        manifest = self._world.manifest(name)
        self._additions(name, manifest, self._world.plans[-1])
        if manifest["metadata"]["annotations"]["hostport/auto"] != "true":
            return
        assert all(self._world.shown(name))
        plan = self._world.plans[-1]
        held = [(pool, key) for (pool, key), lease in self._world.ledger.items() if lease.owner == plan.workload.key]
        passed = set(_passed(manifest["metadata"]["annotations"]))
        for entry in plan.workload.entries:
            port = plan.assigned.get(entry.ref)
            if port is None:
                continue  # written by hand
            if entry.passthrough and (entry.ref, entry.protocol) not in passed:
                # Of an earlier `hostport/passthrough`: it went with its lease, unless that was lost before.
                assert entry.host_port in self._brought[name]
                continue
            keys = [(pool, k) for pool, k in held if (k.protocol, k.port) == (entry.protocol, port)]
            stands = self._places[name].as_written(required(plan.workload.affinity))
            if not keys:
                self._found.add(plan.workload.uid)
                self._without_lease(name, plan, entry, stands)
                continue
            self._cover(stands, port, [(pool, key.node) for pool, key in keys])
        notes = manifest["metadata"]["annotations"]
        asked = dict(word.split("=") for word in notes.get("hostport/request", "").split(",") if word)
        assert all(plan.assigned.get(f"app/{ref}", int(port)) == int(port) for ref, port in asked.items())
        found = plan.workload.uid in self._found  # what a Pod ran on stays, whatever a run would ask for
        if (
            notes.get("hostport/contiguous") == "true"
            and len(plan.assigned) == len(plan.workload.entries)
            and not found
        ):
            numbers = set(plan.assigned.values())
            assert max(numbers) - min(numbers) + 1 == len(numbers)

    def _without_lease(self, name: str, plan: Plan, entry: PortEntry, place: Place) -> None:
        """A number without a lease stays where a Pod runs on it and no pool may lease it, and that is told."""
        port, key = entry.host_port, plan.workload.key
        assert self._runs(name, entry.protocol, port), f"{entry.ref} has no lease"
        assert any(f"{entry.ref} keeps hostPort {port}/{entry.protocol}" in remark.text for remark in plan.remarks)
        named = plan.workload.annotations.get("hostport/pool")
        ledger, runs_on = self.ledger(self._world.ledger), self._cluster.runs_on(place)
        for pool in self._cluster.pools.values():
            serves = pool.name in named.split(",") if named else pool.default
            if not serves or pool.quota is not None or entry.protocol not in pool.protocols or entry.passthrough:
                continue
            leased_on = runs_on if place.pinned else self._cluster.nodes_of(pool)
            others = ledger.holders(entry.protocol, port, pool.ip, leased_on)
            others |= self._cluster.on(entry.protocol, port, pool.ip, runs_on)
            valid = self._cluster.fits(pool, place) and port in self._cluster.valid(pool, place)
            assert not valid or others - {key}, f"{pool.name} could have leased {entry.ref}"

    def _additions(self, name: str, manifest: Json, plan: Plan) -> None:
        """Containers are told what is asked for and nothing else; what is passed through has entries, nothing else."""
        notes = manifest["metadata"]["annotations"]
        asks = notes["hostport/auto"] == "true"
        words = [word.strip() for word in notes.get("hostport/passthrough", "").split(",") if word]
        passed = [word.partition("/")[0] for word in words] if asks else []
        told = {ref.partition("/")[2]: port for ref, port in plan.assigned.items()}
        if notes.get("hostport/env") != "true":
            told = {ref: told[ref] for ref in passed}
        env = {variable["name"]: variable["value"] for variable in container_of(manifest).get("env", ())}
        assert env == {f"HOSTPORT_{ref.upper().replace('/', '_')}": str(port) for ref, port in told.items()}
        if not asks and plan.workload.uid not in self._granted:
            return  # what a clone has brought along, and never got, is its user's
        added = [(port["containerPort"], port["hostPort"]) for port in _unnamed(manifest)]
        ours = {(told[ref], told[ref]) for ref in passed}
        assert ours <= set(added)
        assert {number for number, _ in set(added) - ours} <= self._brought.get(name, set())

    def _cover(self, place: Place, port: int, leased: list[tuple[str, str]]) -> None:
        runs_on = self._cluster.runs_on(place)
        if any(not node for _, node in leased):
            return
        assert place.pinned
        pools = {pool for pool, _ in leased}
        # A node that has come with other numbers is told of: a template that runs is not kept off it afterwards.
        inside = {
            name for pool in pools for name in runs_on & self._cluster.nodes_with(self._cluster.pools[pool], port)
        }
        assert inside <= {node for _, node in leased}

    def _refusal(self, name: str, refusal: Refusal, ledger: Ledger) -> None:
        """A newcomer is only refused what he could not have had."""
        notes = self._world.manifest(name)["metadata"]["annotations"]
        named = notes.get("hostport/pool")
        pools = [p for p in self._cluster.pools.values() if (p.name in named.split(",") if named else p.default)]
        quota = any(pool.quota is not None for pool in pools)
        for place, leading in self._cluster.choices(self._places[name], pools):
            # A run is of one pool, which must say itself on which nodes it is.
            serving = leading if notes.get("hostport/contiguous") == "true" else pools
            choices = {
                pool.name: {protocol: ledger.free(pool, place, protocol) for protocol in ("TCP", "UDP")}
                for pool in serving
                if self._cluster.fits(pool, place)
            }
            if isinstance(refusal, RequestRefused):
                self._refused_number(name, [free for pool, free in choices.items() if self._has_room(name, pool)])
            else:
                self._excuse(refusal, notes, self._shapes[name], list(choices.values()), quota=quota)

    def _has_room(self, name: str, pool: str) -> bool:
        """Whether the quota of a pool leaves room for all the ports of a newcomer."""
        quota = self._cluster.pools[pool].quota
        needed = sum(map(len, self._shapes[name]))
        return quota is None or _held(self._world.ledger, pool) + needed <= quota

    def _refused_number(self, name: str, choices: list[dict[str, set[int]]]) -> None:
        """Somebody is on one of the numbers that are asked for, wherever there is room for them."""
        notes = self._world.manifest(name)["metadata"]["annotations"]
        numbers = {int(word.partition("=")[2]) for word in notes["hostport/request"].split(",")}
        if choices:
            assert any(not all(n in free for free in choice.values()) for n in numbers for choice in choices)

    def _excuse(
        self,
        refusal: Refusal,
        notes: dict[str, str],
        groups: list[set[str]],
        choices: list[dict[str, set[int]]],
        *,
        quota: bool,
    ) -> None:
        match refusal:
            case InvalidAnnotation():
                pass
            case QuotaExceeded():
                assert quota
            case PoolExhausted() | NoMatchingPool() if not quota and "hostport/request" not in notes:
                if notes.get("hostport/contiguous") == "true":
                    assert not any(has_run(groups, choice) for choice in choices)
                elif groups:
                    assert not can_be_served(groups, choices)

    def ledger(self, leases: truths.Leases) -> Ledger:
        """Leases as the naive cluster knows them."""
        held = [
            Held(pool, key.port, key.protocol, key.node, key.ip, lease.owner, lease.state)
            for (pool, key), lease in leases.items()
        ]
        return Ledger(self._cluster, held)


def _after(plan: Plan, before: truths.Leases) -> truths.Leases:
    """The leases as a plan leaves them."""
    after = dict(before)
    for pool, key, lease in plan.changes:
        if lease is None:
            after.pop((pool, key), None)
        else:
            after[pool, key] = lease
    return after


def container_of(manifest: Json) -> Json:
    found: Json = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def _affinity(plan: Plan) -> Json | None:
    """What stands in the template when a plan is carried out."""
    confinement = plan.confinement
    written = confinement is not None and confinement.affinity is not None
    return confinement.affinity if confinement is not None and written else plan.workload.affinity


def ports_of(manifest: Json) -> list[Json]:
    found: list[Json] = container_of(manifest)["ports"]
    return found


def _unnamed(manifest: Json) -> list[Json]:
    return [port for port in ports_of(manifest) if not port.get("name")]


def _passed(notes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The PORTs that are passed through, each with its protocol."""
    for word in notes.get("hostport/passthrough", "").split(","):
        name, _, protocol = word.strip().partition("/")
        yield f"app/{name}", protocol or "TCP"


def claims(owner: str, manifest: Json, nodes: frozenset[str] | Place) -> list[Claim]:
    return [
        Claim(owner, port["protocol"], port["hostPort"], port.get("hostIP", ANY), nodes)
        for port in ports_of(manifest)
        if port.get("hostPort")
    ]


def _held(leases: truths.Leases, pool: str) -> int:
    return len(
        {(key.port, key.protocol) for (name, key), lease in leases.items() if name == pool and not lease.released}
    )
