"""Label selectors, node selector terms, taints and tolerations, as Kubernetes reads them.

Sources: `metav1.LabelSelector`; `nodeaffinity.NodeSelector` in k8s.io/component-helpers; KEP-382 taint tolerations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]

_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Requirement:
    """`key operator values`. In a node's matchFields the key is `metadata.name`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Requirement:
        """One entry of matchExpressions or matchFields."""
        return cls(raw["key"], raw["operator"], tuple(raw.get("values") or ()))

    def matches(self, labels: Labels) -> bool:
        """Whether `labels` meet it; an operator nobody knows matches nothing."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
        return False

    def _compares(self, value: str | None) -> bool:
        have, want = _int64(value or ""), _int64(self.values[0] if self.values else "")
        if have is None or want is None:
            return False
        return have > want if self.operator == "Gt" else have < want


def _int64(text: str) -> int | None:
    """As `strconv.ParseInt(text, 10, 64)` reads it, None where it gives an error."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    number = int(match[1] + match[2])
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A `metav1.LabelSelector`. The empty one matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any] | None) -> LabelSelector:
        """A selector as it stands in a manifest."""
        raw = raw or {}
        labels = tuple(Requirement(k, "In", (v,)) for k, v in sorted((raw.get("matchLabels") or {}).items()))
        return cls(labels + tuple(Requirement.parse(e) for e in raw.get("matchExpressions") or ()))

    def matches(self, labels: Labels) -> bool:
        """Whether every requirement is met."""
        return all(requirement.matches(labels) for requirement in self.requirements)


EVERYTHING = LabelSelector()


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One term of a required node affinity; terms are alternatives, what stands in one must all hold."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> NodeTerm:
        """One entry of nodeSelectorTerms."""
        return cls(
            tuple(Requirement.parse(e) for e in raw.get("matchExpressions") or ()),
            tuple(Requirement.parse(e) for e in raw.get("matchFields") or ()),
        )

    def matches(self, name: str, labels: Labels) -> bool:
        """Whether a node of that name and those labels fits; an empty term fits none."""
        if not self.labels and not self.fields:
            return False
        return all(r.matches(labels) for r in self.labels) and all(
            r.matches({"metadata.name": name}) for r in self.fields
        )

    def names(self) -> frozenset[str] | None:
        """The only node names or hostnames this term can match, or None where it names none."""
        pinned: frozenset[str] | None = None
        for requirement in self.labels + self.fields:
            if requirement.operator == "In" and requirement.key in ("kubernetes.io/hostname", "metadata.name"):
                named = frozenset(requirement.values)
                pinned = named if pinned is None else pinned & named
        return pinned


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str

    @property
    def repels(self) -> bool:
        """Whether it keeps new Pods away (PreferNoSchedule only discourages)."""
        return self.effect in ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a pod template."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Toleration:
        """One entry of tolerations."""
        return cls(
            raw.get("key") or "", raw.get("operator") or "Equal", raw.get("value") or "", raw.get("effect") or ""
        )

    def tolerates(self, taint: Taint) -> bool:
        """As `ToleratesTaint` in k8s.io/component-helpers."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or (self.operator == "Equal" and self.value == taint.value)


def tolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> bool:
    """Whether Pods with these tolerations may be scheduled in spite of these taints."""
    return all(any(t.tolerates(taint) for t in tolerations) for taint in taints if taint.repels)
