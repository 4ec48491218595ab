"""Required node affinity: a pool's nodes said as node selector terms, and what the operator wrote of it.

Source: `v1.NodeSelector`: terms are alternatives, what stands in one term must all hold, an empty term matches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from hostport.api.pool import NodeRule, Pool
from hostport.api.selectors import NodeTerm, Requirement

Terms = tuple[NodeTerm, ...]
# What a term asks of a node's labels and fields, in whatever order and however often it says so.
_Asked = tuple[frozenset[Requirement], frozenset[Requirement]]

MOST_TERMS = 32
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NAME = "metadata.name"
_OPPOSITE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


def terms_of(pool: Pool, rules: frozenset[int]) -> Terms | None:
    """The nodes of a pool where one of these `spec.nodes` entries is in force (-1: none of them, its own ranges).

    None where it takes more than `MOST_TERMS` terms to say it, or none at all because it is every node.
    """
    found: list[NodeTerm] = []
    for rule in sorted(rules, key=lambda rule: (rule < 0, rule)):
        before = pool.rules if rule < 0 else pool.rules[:rule]
        others = [_unlike(other) for i, other in enumerate(before) if i not in rules]
        own = NodeTerm(pool.selector.requirements)
        if rule >= 0:
            own = _both(own, _like(pool.rules[rule]))
        met = _product(own, others)
        if met is None:
            return None
        found += met
    by_what_they_ask: dict[_Asked, NodeTerm] = {}
    for term in found:
        by_what_they_ask.setdefault((frozenset(term.labels), frozenset(term.fields)), term)
    terms = [term for asked, term in by_what_they_ask.items() if not _any_asks_for_less(by_what_they_ask, asked)]
    return tuple(terms) if len(terms) <= MOST_TERMS and NodeTerm() not in terms else None


def both(one: Terms | None, other: Terms) -> Terms:
    """The nodes that both mean; None means every node."""
    if one is None:
        return other
    pairs = product((term for term in one if term != NodeTerm()), other)
    met = (_plain(_both(a, b)) for a, b in pairs)
    return tuple(dict.fromkeys(term for term in met if term is not None))


def _product(own: NodeTerm, factors: list[list[NodeTerm]]) -> list[NodeTerm] | None:
    """Every way to meet `own` and one term of each factor; None where there are more than anybody would read."""
    made = [own]
    for factor in factors:
        pairs = (_plain(_both(one, other)) for one, other in product(made, factor))
        made = list(dict.fromkeys(term for term in pairs if term is not None))
        if len(made) > MOST_TERMS:
            return None
    return made


def _like(rule: NodeRule) -> NodeTerm:
    if rule.selector is not None:
        return NodeTerm(rule.selector.requirements)
    return NodeTerm(fields=(Requirement(_NAME, "In", (rule.name,)),))


def _unlike(rule: NodeRule) -> list[NodeTerm]:
    """The terms for every node that an entry is not about."""
    term = _like(rule)
    return [
        *(NodeTerm((_opposite(requirement),)) for requirement in term.labels),
        *(NodeTerm(fields=(_opposite(requirement),)) for requirement in term.fields),
    ]


def _opposite(requirement: Requirement) -> Requirement:
    return Requirement(requirement.key, _OPPOSITE[requirement.operator], requirement.values)


def _both(one: NodeTerm, other: NodeTerm) -> NodeTerm:
    return NodeTerm(tuple(dict.fromkeys(one.labels + other.labels)), tuple(dict.fromkeys(one.fields + other.fields)))


def _plain(term: NodeTerm) -> NodeTerm | None:
    """A term without what follows from the rest of it; None where no node can meet it."""
    everything = term.labels + term.fields
    if any(_contradict(one, other) for one in everything for other in everything):
        return None
    return NodeTerm(tuple(_telling(term.labels)), tuple(_telling(term.fields)))


def _telling(requirements: tuple[Requirement, ...]) -> Iterator[Requirement]:
    return (r for r in requirements if not any(r is not other and _implies(other, r) for other in requirements))


def _contradict(one: Requirement, other: Requirement) -> bool:
    if one.key != other.key:
        return False
    match one.operator, other.operator:
        case "In", "In":
            return not set(one.values) & set(other.values)
        case "In", "NotIn":
            return set(one.values) <= set(other.values)
        case (("In" | "Exists"), "DoesNotExist"):
            return True
    return False


def _implies(one: Requirement, other: Requirement) -> bool:
    """Whether whoever meets `one` meets `other`; of two that mean the same the first does."""
    if one.key != other.key:
        return False
    match one.operator, other.operator:
        case "In", "NotIn":
            return not set(one.values) & set(other.values)
        case ("In", "Exists") | ("DoesNotExist", "NotIn"):
            return True
    return False


def _any_asks_for_less(others: Iterable[_Asked], asked: _Asked) -> bool:
    """Whether a term that asks for this adds nothing to one of the others."""
    return any(other != asked and other[0] <= asked[0] and other[1] <= asked[1] for other in others)


# As it stands in manifests


def manifest(terms: Iterable[NodeTerm]) -> list[dict[str, Any]]:
    """Terms as `nodeSelectorTerms` has them."""
    return [{name: [_raw(r) for r in part] for name, part in _parts(term) if part} for term in terms]


def _parts(term: NodeTerm) -> tuple[tuple[str, tuple[Requirement, ...]], ...]:
    return ("matchExpressions", term.labels), ("matchFields", term.fields)


def _raw(requirement: Requirement) -> dict[str, Any]:
    raw: dict[str, Any] = {"key": requirement.key, "operator": requirement.operator}
    return raw | {"values": list(requirement.values)} if requirement.values else raw


def said(terms: Iterable[NodeTerm]) -> str:
    """Terms in words, as kubectl writes selectors."""
    return " or ".join(" and ".join(map(_words, term.labels + term.fields)) for term in terms)


def _words(requirement: Requirement) -> str:
    values = ", ".join(requirement.values)
    match requirement.operator:
        case "Exists":
            return requirement.key
        case "DoesNotExist":
            return f"!{requirement.key}"
        case "In" if len(requirement.values) == 1:
            return f"{requirement.key}={values}"
        case "NotIn" if len(requirement.values) == 1:
            return f"{requirement.key}!={values}"
    return f"{requirement.key} {requirement.operator.lower()} ({values})"


def required(affinity: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """The `nodeSelectorTerms` of a pod spec's `affinity`; None where there is no required node affinity."""
    node = (affinity or {}).get("nodeAffinity") or {}
    return list(node[REQUIRED].get("nodeSelectorTerms") or ()) if node.get(REQUIRED) else None


def with_required(affinity: Mapping[str, Any] | None, terms: list[dict[str, Any]] | None) -> dict[str, Any]:
    """A copy of `affinity` with other required terms; what is empty without them is left out."""
    node = {k: v for k, v in ((affinity or {}).get("nodeAffinity") or {}).items() if k != REQUIRED}
    if terms is not None:
        node[REQUIRED] = {"nodeSelectorTerms": terms}
    made = {k: v for k, v in (affinity or {}).items() if k != "nodeAffinity"}
    return made | {"nodeAffinity": node} if node else made


# What the operator remembers on the object


def _are_terms(raw: object) -> bool:
    """Whether it is a list of node selector terms; anybody can write the annotation."""
    return isinstance(raw, list) and all(
        isinstance(term, dict) and all(map(_are_requirements, (term.get("matchExpressions"), term.get("matchFields"))))
        for term in raw
    )


def _are_requirements(raw: object) -> bool:
    return raw is None or (isinstance(raw, list) and all(map(_is_requirement, raw)))


def _is_requirement(raw: object) -> bool:
    if not isinstance(raw, dict) or not isinstance(raw.get("values") or [], list):
        return False
    words = [raw.get("key"), raw.get("operator"), *(raw.get("values") or [])]
    return all(isinstance(word, str) for word in words)


@dataclass(frozen=True, slots=True)
class AffinityWas:
    """`hostport/affinity-was`: the terms that stood there before, and those the operator wrote.

    `revision` and `times` are for operators of version 0.1, which count there how often they wrote.
    """

    was: list[dict[str, Any]] | None
    now: list[dict[str, Any]]
    revision: str
    times: int = 1

    @classmethod
    def parse(cls, text: str) -> AffinityWas | None:
        """The annotation's value; None where it is not what the operator writes."""
        try:
            raw = json.loads(text)
            made = cls(raw["was"], raw["is"], raw["revision"], raw["times"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        terms = (made.was is None or _are_terms(made.was)) and made.now and _are_terms(made.now)
        return made if terms and isinstance(made.times, int) else None

    def manifest(self) -> dict[str, Any]:
        """As it stands in the annotation."""
        return {"was": self.was, "is": self.now, "revision": self.revision, "times": self.times}
