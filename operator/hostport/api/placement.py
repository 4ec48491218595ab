"""Where the Pods of a template may run, as the template says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hostport.api.affinity import Terms, both, required
from hostport.api.node import Node
from hostport.api.selectors import NodeTerm, Requirement, Toleration, tolerated

MOST_PINNED_NODES = 8


@dataclass(frozen=True, slots=True)
class Placement:
    """nodeName, nodeSelector, required node affinity and tolerations. The empty one keeps off tainted nodes alone."""

    node_name: str = ""
    labels: tuple[Requirement, ...] = ()
    terms: tuple[NodeTerm, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> Placement:
        """The placement of a pod spec as it stands in a manifest."""
        raw_terms = required(spec.get("affinity"))
        terms = tuple(map(NodeTerm.parse, raw_terms)) if raw_terms is not None else None
        selector = spec.get("nodeSelector") or {}
        if not selector and terms is None and not spec.get("tolerations") and not spec.get("nodeName"):
            return ANYWHERE
        return cls(
            spec.get("nodeName") or "",
            tuple(Requirement(k, "In", (v,)) for k, v in sorted(selector.items())),
            terms,
            tuple(Toleration.parse(t) for t in spec.get("tolerations") or ()),
        )

    def admits(self, node: Node) -> bool:
        """Whether the scheduler may put such a Pod on `node`; a Pod with a nodeName never meets the scheduler."""
        if self.node_name:
            return self.node_name == node.name
        if not all(r.matches(node.labels) for r in self.labels):
            return False
        if self.terms is not None and not any(t.matches(node.name, node.labels) for t in self.terms):
            return False
        return not node.taints or tolerated(node.taints, self.tolerations)

    def narrowed(self, terms: Terms) -> Placement:
        """The same on those nodes alone that `terms` mean."""
        return replace(self, terms=both(self.terms, terms))

    def __str__(self) -> str:
        """What the template says about its nodes, for people; empty where it says nothing."""
        if self.node_name:
            return f"nodeName {self.node_name}"
        labels = ", ".join(f"{label.key}={label.values[0]}" for label in self.labels)
        said = (f"nodeSelector {labels}" if labels else "", "required node affinity" if self.terms is not None else "")
        return " and ".join(filter(None, said))

    def pinned(self) -> frozenset[str] | None:
        """The at most 8 nodes (names or hostnames) the template itself is pinned to, or None."""
        named = self._named()
        return named if named is not None and 1 <= len(named) <= MOST_PINNED_NODES else None

    def _named(self) -> frozenset[str] | None:
        if self.node_name:
            return frozenset((self.node_name,))
        selector = NodeTerm(self.labels).names()
        if selector is not None or self.terms is None:
            return selector
        per_term = [term.names() for term in self.terms]
        if not per_term or any(names is None for names in per_term):
            return None
        return frozenset[str]().union(*(names for names in per_term if names is not None))


ANYWHERE = Placement()
