"""Workloads as kopf and our own lists show them."""

from __future__ import annotations

from collections.abc import Iterable

from hostport.api.workload import Kind
from hostport.cluster import paths
from hostport.cluster.client import Json
from hostport.run.desk import Desk
from hostport.run.office import Office


class Workloads:
    """Takes events of any kind of workload to the desk."""

    def __init__(self, office: Office, desk: Desk) -> None:
        self._office = office
        self._desk = desk

    def event(self, kind: Kind, what: str | None, raw: Json) -> None:
        """One event of a watch."""
        path, unreadable = paths.workloads(kind.name), self._office.api.unreadable
        with unreadable.reading(path, raw):
            if what == "DELETED":
                self._desk.gone(_key(kind, raw))
            else:
                self._desk.see(kind, raw)
        if what == "DELETED":
            unreadable.forget(path, raw)


class Listed:
    """One kind of workload as a sink for lists: kopf reports no deletion that its watch has missed, a list does."""

    def __init__(self, office: Office, desk: Desk, kind: Kind) -> None:
        self._office = office
        self._desk = desk
        self._kind = kind

    def key(self, raw: Json) -> str:
        """Kind/namespace/name."""
        return _key(self._kind, raw)

    def seen(self, raw: Json) -> str | None:
        """Take a workload to the desk."""
        self._desk.see(self._kind, raw)
        return self.key(raw)

    def gone(self, key: str) -> None:
        """A workload that the list does not have."""
        self._desk.gone(key)

    def known(self) -> Iterable[str]:
        """The workloads of the kind that are kept or whose template claims a port."""
        prefix = f"{self._kind.name}/"
        kept = {*self._office.workloads, *self._office.state.uses()}
        return (key for key in kept if key.startswith(prefix))

    def version(self, key: str) -> int:
        """Of those that are kept."""
        known = self._office.workloads.get(key)
        return known.version if known is not None else 0


class Lone(Listed):
    """A kind whose objects mostly belong to another workload: only those that stand alone are workloads.

    A Deployment's annotations are copied to its ReplicaSets (pkg/controller/deployment/util), `hostport/auto` too.
    """

    def seen(self, raw: Json) -> str | None:
        """Take a workload that nobody controls to the desk."""
        if any(owner.get("controller") for owner in raw["metadata"].get("ownerReferences") or ()):
            return None
        return super().seen(raw)

    def gone(self, key: str) -> None:
        """An object of the kind is no more; most were none of ours."""
        if key in self._office.workloads or self._office.state.claims_of(key):
            super().gone(key)


def _key(kind: Kind, raw: Json) -> str:
    return f"{kind.name}/{raw['metadata']['namespace']}/{raw['metadata']['name']}"
