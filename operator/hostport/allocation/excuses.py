"""Why a pool could not serve: said so that a person knows what to do."""

from __future__ import annotations

from collections.abc import Sequence

from hostport.allocation.added import beside_declared, declared_numbers
from hostport.allocation.occupancy import Taker, View
from hostport.allocation.state import State
from hostport.api.errors import NoMatchingPool, PoolExhausted, QuotaExceeded, Refusal, RequestRefused
from hostport.api.placement import Placement
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import PortSet, Protocol
from hostport.api.workload import Workload


class Excuses:
    """Collects one excuse per pool, and makes the refusal of them. The worst that waiting can mend names it."""

    def __init__(self, state: State, workload: Workload, placement: Placement) -> None:
        self._state = state
        self._workload = workload
        self._placement = placement
        self._said: dict[str, tuple[type[Refusal], str]] = {}

    def none(self, pool: Pool, entries: Sequence[PortEntry], port: int = 0) -> bool:
        """Whether the pool may give the workload these ports, as far as protocols and quota go.

        `port`: the number in question, which may be the namespace's already.
        """
        missing = [entry.protocol for entry in entries if entry.protocol not in pool.protocols]
        if missing:
            protocols = ", ".join(sorted(set(missing)))
            self._said[pool.name] = (NoMatchingPool, f"pool {pool.name} hands out no {protocols} (its protocols)")
            return False
        if pool.quota is not None:
            return self._within_quota(pool, entries, port)
        return True

    def _within_quota(self, pool: Pool, entries: Sequence[PortEntry], port: int) -> bool:
        namespace, book = self._workload.namespace, self._state.book
        held = book.held(pool.name, namespace)
        more = sum(not book.holds(pool.name, namespace, port, entry.protocol) for entry in entries)
        if pool.quota is None or not more or held + more <= pool.quota:
            return True
        text = f"namespace {namespace} holds {held} of the {pool.quota} numbers that pool {pool.name} allows it"
        self._said[pool.name] = (QuotaExceeded, f"{text}, and {more} more are asked for")
        return False

    def exhausted(self, pool: Pool, entries: Sequence[PortEntry]) -> None:
        """Not enough numbers are free for all of the entries."""
        wanted = f" and {len(entries)} ports to be served" if len(entries) > 1 else ""
        self._said[pool.name] = (PoolExhausted, f"pool {pool.name}: {self._counts(pool, entries, wanted)}")

    def no_run(self, pool: Pool, entries: Sequence[PortEntry], length: int) -> None:
        """No run of that many consecutive numbers is free."""
        if pool.name not in self._said:
            text = f"pool {pool.name} has no {length} consecutive free numbers: {self._counts(pool, entries)}"
            self._said[pool.name] = (PoolExhausted, text)

    def __bool__(self) -> bool:
        return bool(self._said)

    def of(self, pools: Sequence[Pool]) -> str:
        """The excuses of some of the pools, to be put behind a sentence."""
        return "".join(f"; {self._said[pool.name][1]}" for pool in pools if pool.name in self._said)

    def refusal(self) -> Refusal:
        """The refusal that says it all."""
        kinds = [kind for kind, _ in self._said.values()]
        worst = next(kind for kind in (PoolExhausted, QuotaExceeded, NoMatchingPool) if kind in kinds)
        return worst("; ".join(text for _, text in self._said.values()))

    def _counts(self, pool: Pool, entries: Sequence[PortEntry], wanted: str = "") -> str:
        protocols = sorted({entry.protocol for entry in entries})
        valid, free = self._numbers(pool, protocols)
        resting = sum(
            1 for place, lease in self._state.book.leaving.items() if place[0] == pool.name and lease.released
        )
        said = f"{free} of {valid} {'+'.join(protocols)} numbers free{wanted}"
        rest = f", {resting} resting for up to {pool.cooldown} s" if resting else ""
        return f"{said}{rest}; enlarge spec.ranges or wait until a number comes back"

    def _numbers(self, pool: Pool, protocols: Sequence[Protocol]) -> tuple[int, int]:
        """How many numbers are valid on some of the nodes, and how many of them free."""
        valid, free = PortSet(), PortSet()
        for seen in self._state.ways(pool, self._placement):
            valid |= PortSet(seen.view.valid[protocols[0]])
            free |= PortSet(seen.view.free_for(protocols))
        return len(valid), len(free)


def refuse_exact(
    state: State,
    workload: Workload,
    placement: Placement,
    group: Sequence[PortEntry],
    port: int,
    pools: Sequence[Pool],
) -> Refusal:
    """The refusal of one number: who has it, and which is the nearest that is free."""
    excuses = Excuses(state, workload, placement)
    asked = f"{port}/{'+'.join(entry.protocol for entry in group)} for {', '.join(entry.ref for entry in group)}"
    serving = [pool for pool in pools if excuses.none(pool, group, port)]
    views = (seen.view for pool in serving for seen in state.ways(pool, placement))
    view = next((view for view in views if all(view.valid[entry.protocol][port] for entry in group)), None)
    if view is not None:
        bits = view.free_for([entry.protocol for entry in group])
        own = group[0].passthrough and port in declared_numbers(workload)
        free = PortSet(beside_declared(bits, workload) if group[0].passthrough else bits).nearest(port)
        nearest = f"the nearest free number is {free}" if free else "no other number is free"
        why = (
            "is a containerPort of the template"
            if own
            else f"is held by {_holders(state, workload, group, port, view)}"
        )
        others = excuses.of([pool for pool in pools if port in pool.all_ports])
        return RequestRefused(f"{asked} {why}; {nearest}{others}")
    if excuses:
        return excuses.refusal()
    served = "; ".join(f"{pool.name} has {pool.all_ports}" for pool in pools)
    return RequestRefused(f"{asked} is outside of every pool that may serve it: {served}")


def _holders(state: State, workload: Workload, group: Sequence[PortEntry], port: int, view: View) -> str:
    """Those on a number, for people: at most three of them, this workload itself only where it is nobody else."""
    takers = {(t.by, e.protocol): t for e in group for t in state.occupancy.in_the_way(view, e.protocol, port)}
    others = {by: taker for by, taker in takers.items() if taker.owner != workload.key}
    said = {_named(state, taker, protocol, port) for (_, protocol), taker in (others or takers).items()}
    return ", ".join(sorted(said)[:3]) or "another port of this workload"


def _named(state: State, taker: Taker, protocol: Protocol, port: int) -> str:
    if not taker.lease:
        return taker.by
    for (name, key), lease in state.book.of_owner(taker.owner).items():
        if (key.protocol, key.port) == (protocol, port):
            rest = f"; it rests for {state.pools[name].cooldown} s from {lease.released} on" if lease.released else ""
            return f"{taker.by} ({lease.port}{rest})"
    return taker.by
