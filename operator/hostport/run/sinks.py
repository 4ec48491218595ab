"""Where mirrored objects go: into the state, and the keys they concern to the desk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from hostport.allocation.state import ForeignUse
from hostport.api.node import Node
from hostport.cluster.blocks import block_place, not_leases, stored
from hostport.cluster.client import Json
from hostport.cluster.foreign import pod_use, service_use
from hostport.cluster.stuck import is_ready
from hostport.run.conflicts import Conflicts
from hostport.run.desk import Desk
from hostport.run.office import Office


class _Unversioned:
    """Nothing depends on how old a version of these objects is known: the last one seen counts."""

    def version(self, key: str) -> int:
        """Not kept."""
        return 0


class Nodes(_Unversioned):
    """Nodes: which there are, their labels and taints."""

    def __init__(self, office: Office) -> None:
        self._state = office.state

    def key(self, raw: Json) -> str:
        """The node's name."""
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        """Note a node."""
        node = Node.parse(raw)
        self._state.see_nodes((node,))
        return node.name

    def gone(self, key: str) -> None:
        """Forget a node."""
        self._state.forget_node(key)

    def known(self) -> Iterable[str]:
        """All nodes."""
        return self._state.nodes


class Namespaces(_Unversioned):
    """Namespaces: their labels, for a pool's namespaceSelector."""

    def __init__(self, office: Office) -> None:
        self._state = office.state

    def key(self, raw: Json) -> str:
        """The namespace's name."""
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        """Note a namespace's labels."""
        name, labels = self.key(raw), dict(raw["metadata"].get("labels") or {})
        if self._state.namespaces.get(name) != labels:
            self._state.namespaces[name] = labels
            self._state.openings += 1
        return name

    def gone(self, key: str) -> None:
        """Forget a namespace."""
        self._state.namespaces.pop(key, None)

    def known(self) -> Iterable[str]:
        """All namespaces."""
        return self._state.namespaces


class _Claimants(_Unversioned, ABC):
    """Objects that occupy ports; of all others nothing is kept."""

    prefix: str

    def __init__(self, office: Office) -> None:
        self._state = office.state

    def key(self, raw: Json) -> str:
        """The object as it is named for people, which is as good a key as any."""
        return f"{self.prefix}{raw['metadata']['namespace']}/{raw['metadata']['name']}"

    def seen(self, raw: Json) -> str | None:
        """Note what it claims, or that it claims nothing any more."""
        key, use = self.key(raw), self._use(raw)
        if use is None:
            self._state.forget_use(key)
            return None
        self._state.see_use(key, use)
        return key

    def gone(self, key: str) -> None:
        """Forget an object."""
        self._state.forget_use(key)

    def known(self) -> Iterable[str]:
        """The objects that claim something."""
        return (key for key in self._state.uses() if key.startswith(self.prefix))

    @abstractmethod
    def _use(self, raw: Json) -> ForeignUse | None:
        """What an object of the kind claims."""


class Pods(_Claimants):
    """Pods that occupy ports, and those of them that can't be placed."""

    prefix = "Pod "

    def __init__(self, office: Office, desk: Desk, conflicts: Conflicts) -> None:
        super().__init__(office)
        self._workloads = office.workloads
        self._desk = desk
        self._conflicts = conflicts

    def seen(self, raw: Json) -> str | None:
        """Note what it claims, or that it claims nothing any more, and whether it is in a conflict."""
        key = super().seen(raw)
        if key is None:
            self._forget(self.key(raw))
        else:
            self._conflicts.see(key, raw)
            self._note_ready(key, raw)
        return key

    def _note_ready(self, key: str, raw: Json) -> None:
        """What a rollout has shown to run may have its strategy made safe."""
        use = self._state.use_of(key)
        if use is None or not is_ready(raw):
            self._state.ready.forget(key)
        elif self._state.ready.note(key, use.owner, use.claims) and use.owner in self._workloads:
            self._desk.touch(use.owner)

    def _forget(self, key: str) -> None:
        self._state.ready.forget(key)
        self._conflicts.forget(key)

    def gone(self, key: str) -> None:
        """Forget a Pod."""
        super().gone(key)
        self._forget(key)

    def _use(self, raw: Json) -> ForeignUse | None:
        return pod_use(raw)


class Services(_Claimants):
    """Services with nodePorts."""

    prefix = "Service "

    def _use(self, raw: Json) -> ForeignUse | None:
        return service_use(raw)


class Blocks(_Unversioned):
    """HostPortBlocks: what others have written into the ledger."""

    def __init__(self, office: Office, desk: Desk) -> None:
        self._office = office
        self._desk = desk
        self._seen: dict[str, Json] = {}

    def key(self, raw: Json) -> str:
        """The block's name."""
        return str(raw["metadata"]["name"])

    def seen(self, raw: Json) -> str:
        """Take in a block."""
        pool, span = block_place(raw)
        self._seen[self.key(raw)], found = {"spec": raw["spec"]}, stored(raw)
        self._office.cannot_read(f"HostPortBlock {self.key(raw)}", not_leases(raw, found.leases))
        for owner in self._office.ledger.saw(pool, span, home=False, stored=found):
            self._desk.touch(owner)
        return self.key(raw)

    def gone(self, key: str) -> None:
        """A block's object is gone: those who had leases there are planned anew."""
        self._office.unreadable.pop(f"HostPortBlock {key}", None)
        seen = self._seen.pop(key, None)  # one that never could be read has brought no leases
        for owner in self._office.ledger.lost(*block_place(seen)) if seen is not None else ():
            self._desk.touch(owner)

    def known(self) -> Iterable[str]:
        """All blocks."""
        return self._seen
