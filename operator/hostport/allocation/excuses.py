"""Why a pool could not serve: said so that a person knows what to do."""

from __future__ import annotations

from collections.abc import Sequence

from hostport.allocation.occupancy import View
from hostport.allocation.state import State
from hostport.api.errors import NoMatchingPool, PoolExhausted, QuotaExceeded, Refusal, RequestRefused
from hostport.api.podspec import PortEntry
from hostport.api.pool import Pool
from hostport.api.ports import PortSet
from hostport.api.workload import Workload


class Excuses:
    """Collects one excuse per pool, and makes the refusal of them. The worst that waiting can mend names it."""

    def __init__(self, state: State, workload: Workload) -> None:
        self._state = state
        self._workload = workload
        self._said: dict[str, tuple[type[Refusal], str]] = {}

    def none(self, pool: Pool, entries: Sequence[PortEntry]) -> bool:
        """Whether the pool may give the workload these ports, as far as protocols and quota go."""
        missing = {str(e.protocol) for e in entries if e.protocol not in pool.protocols}
        if missing:
            protocols = ", ".join(sorted(missing))
            self._said[pool.name] = (NoMatchingPool, f"pool {pool.name} hands out no {protocols} (its protocols)")
            return False
        if pool.quota is not None:
            return self._within_quota(pool, len(entries))
        return True

    def _within_quota(self, pool: Pool, more: int) -> bool:
        namespace = self._workload.namespace
        held = self._state.book.held(pool.name, namespace)
        if pool.quota is None or held + more <= pool.quota:
            return True
        text = f"namespace {namespace} holds {held} of the {pool.quota} numbers that pool {pool.name} allows it"
        self._said[pool.name] = (QuotaExceeded, f"{text}, and {more} more are asked for")
        return False

    def exhausted(self, pool: Pool, entries: Sequence[PortEntry]) -> None:
        """No number is free for all of the entries at once."""
        if pool.name not in self._said:
            self._said[pool.name] = (PoolExhausted, f"pool {pool.name}: {self._counts(pool, entries)}")

    def no_run(self, pool: Pool, entries: Sequence[PortEntry], length: int) -> None:
        """No run of that many consecutive numbers is free."""
        if pool.name not in self._said:
            text = f"pool {pool.name} has no {length} consecutive free numbers: {self._counts(pool, entries)}"
            self._said[pool.name] = (PoolExhausted, text)

    def refusal(self) -> Refusal:
        """The refusal that says it all."""
        kinds = [kind for kind, _ in self._said.values()]
        worst = next(kind for kind in (PoolExhausted, QuotaExceeded, NoMatchingPool) if kind in kinds)
        return worst("; ".join(text for _, text in self._said.values()))

    def _counts(self, pool: Pool, entries: Sequence[PortEntry]) -> str:
        view = self._state.view(pool, self._workload.placement).view
        protocols = sorted({entry.protocol for entry in entries})
        valid, free = view.valid[protocols[0]].count(), view.free_for(protocols).count()
        resting = sum(1 for lease in self._state.book.of_pool(pool.name).values() if lease.released)
        said = f"{free} of {valid} {'+'.join(protocols)} numbers free"
        rest = f", {resting} resting for up to {pool.cooldown} s" if resting else ""
        return f"{said}{rest}; enlarge spec.ranges or wait until a number comes back"


def refuse_exact(
    state: State, workload: Workload, entry: PortEntry, port: int, pools: Sequence[Pool]
) -> RequestRefused:
    """The refusal of one number: who has it, and which is the nearest that is free."""
    for pool in pools:
        view = state.view(pool, workload.placement).view
        if entry.protocol in view.valid and view.valid[entry.protocol][port]:
            holders = sorted(
                {taker.by for taker in state.occupancy.in_the_way(view, entry.protocol, port, workload.key)}
            )
            by = ", ".join(holders[:3]) or "nobody, but the quota is used up"
            return RequestRefused(
                f"{port}/{entry.protocol} for {entry.ref} is held by {by}{_nearest(view, entry, port)}"
            )
    served = "; ".join(f"{pool.name} has {pool.all_ports}" for pool in pools)
    return RequestRefused(
        f"{port}/{entry.protocol} for {entry.ref} is outside of every pool that may serve it: {served}"
    )


def _nearest(view: View, entry: PortEntry, port: int) -> str:
    nearest = PortSet(view.free[entry.protocol]).nearest(port)
    return f"; the nearest free number is {nearest}" if nearest else "; no other number is free"
