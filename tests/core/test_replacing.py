"""Who does not replace his Pods by himself is told how it is done."""

from __future__ import annotations

from typing import Any

import pytest

from hostport.api.workload import KINDS
from tests.core import build

_CASES: list[tuple[str, dict[str, Any], str]] = [
    ("Deployment", {}, ""),
    ("Deployment", {"strategy": {"type": "Recreate"}}, ""),
    (
        "Deployment",
        {"paused": True},
        "which begins when it is resumed: kubectl -n default rollout resume deployment/web",
    ),
    ("DaemonSet", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}, ""),
    (
        "DaemonSet",
        {"updateStrategy": {"type": "OnDelete"}, "selector": {"matchLabels": {"b": "2", "a": "1"}}},
        "which updateStrategy OnDelete leaves to you: kubectl -n default delete pod -l a=1,b=2",
    ),
    ("StatefulSet", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}, ""),
    (
        "StatefulSet",
        {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
        "and those below ordinal 2 are not until updateStrategy.rollingUpdate.partition is lowered",
    ),
    (
        "StatefulSet",
        {"updateStrategy": {"type": "OnDelete"}},
        "which updateStrategy OnDelete leaves to you: delete its Pods"),
    (
        "ReplicaSet",
        {"selector": {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}},
        "which a ReplicaSet leaves to you: delete its Pods",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "said"), _CASES)
def test_how_pods_come_to_be_replaced(kind: str, spec: dict[str, Any], said: str) -> None:
    manifest = build.deployment("web")
    manifest["spec"] |= spec
    assert build.workload(manifest, kind=KINDS[kind]).left_to_you == said
