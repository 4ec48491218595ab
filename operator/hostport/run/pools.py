"""Pools as kopf and our own lists show them: their spec to the state, the leases in their status to the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from hostport.api.pool import Pool
from hostport.cluster import paths
from hostport.cluster.blocks import home_span, not_leases, stored
from hostport.cluster.client import Json
from hostport.run.desk import Desk
from hostport.run.office import Office


class Pools:
    """Takes pools in; a sink for lists as well."""

    def __init__(self, office: Office, desk: Desk) -> None:
        self._office = office
        self._desk = desk

    def event(self, what: str | None, raw: Json) -> None:
        """One event of a watch."""
        unreadable = self._office.api.unreadable
        with unreadable.reading(paths.POOLS, raw):
            if what == "DELETED":
                self.gone(self.key(raw))
            else:
                self.seen(raw)
        if what == "DELETED":
            unreadable.forget(paths.POOLS, raw)

    def key(self, raw: Json) -> str:
        """The pool's name."""
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        """Take in a pool; raises where its spec can't be read, after what stands in its record has been taken in."""
        name, known = self.key(raw), self._office.state.pools.get(self.key(raw))
        try:
            pool = Pool.parse(raw)
        except Exception:
            if known is not None:
                self._take_leases(name, raw)
            raise
        if known is not None and known.uid != pool.uid:
            self.gone(name)
        elif known is not None and known.version > pool.version:
            return name
        if known is not None and known.status != pool.status:
            self._office.state.changes += 1  # our own figures, or somebody has changed them
        self._office.state.see_pool(pool)
        if pool.held:
            self._office.ledger.holds(name)
        self._take_leases(name, raw)
        self._office.news.set()
        return name

    def _take_leases(self, name: str, raw: Json) -> None:
        found = stored(raw)
        self._office.cannot_read(f"HostPortPool {name}", not_leases(raw, found.leases))
        span, home = home_span(raw), self._office.ledger.home(name)
        if span is None and home is not None:
            span = home.span  # somebody has emptied the status: the block is where it was, and has no leases
        if span is not None:
            for owner in self._office.ledger.saw(name, span, home=True, stored=found):
                self._desk.touch(owner)

    def gone(self, key: str) -> None:
        """A pool is no more: with its finalizer gone it has no leases, unless somebody tore it away by force."""
        owners = {lease.owner for lease in self._office.state.book.of_pool(key).values()}
        self._office.state.forget_pool(key)
        self._office.ledger.forget(key)
        self._office.unreadable.pop(f"HostPortPool {key}", None)
        for owner in owners:
            self._desk.touch(owner)

    def known(self) -> Iterable[str]:
        """All pools."""
        return tuple(self._office.state.pools)

    def version(self, key: str) -> int:
        """A pool's."""
        known = self._office.state.pools.get(key)
        return known.version if known is not None else 0
