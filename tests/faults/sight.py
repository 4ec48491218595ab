"""One look at everything, when users and operator are at rest."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.support.scene import Scene

Json = dict[str, Any]


@dataclass(frozen=True)
class Sight:
    """`numbers`: the hostPort of every Deployment by name, 0 for none; `wanted`: who is to have one.

    `leases`: owner's name and state by key; `pools`: those that stand, `expected`: that are to; `findings`: what
    `hostport check` says.
    """

    numbers: dict[str, int]
    wanted: set[str]
    leases: dict[str, tuple[str, str]]
    pools: set[str]
    expected: set[str]
    findings: list[str]

    @property
    def shown(self) -> dict[str, str]:
        """The numbers in templates as lease keys, with whose they are."""
        return {f"{port}/TCP": name for name, port in self.numbers.items() if port}

    def duplicates(self) -> list[str]:
        """Numbers that stand in more than one template."""
        counts = Counter(port for port in self.numbers.values() if port)
        return [f"{port} is given {times} times" for port, times in counts.items() if times > 1]

    def lost(self) -> list[str]:
        """Numbers without a lease of their Deployment's."""
        return [f"{key} of {name} has no lease" for key, name in self.shown.items() if self._holder(key) != name]

    def leaked(self) -> list[str]:
        """Leases that nobody's template shows any more."""
        return [f"{key} stays leased: {lease}" for key, lease in self.leases.items() if key not in self.shown]

    def wrong(self) -> list[str]:
        """All that is not as it should be."""
        unserved = [f"{name} is not served" for name in self.wanted if not self.numbers.get(name)]
        overserved = [
            f"{name} still has {port}" for name, port in self.numbers.items() if port and name not in self.wanted
        ]
        pools = [f"pool {name} is still there" for name in self.pools - self.expected]
        return [*self.duplicates(), *self.lost(), *self.leaked(), *unserved, *overserved, *pools, *self.findings]

    def _holder(self, key: str) -> str:
        name, state = self.leases.get(key, ("", ""))
        return name if state == "active" else ""


def look(scene: Scene, wanted: set[str], pools: set[str]) -> Sight:
    """How things stand with what is the scene's own."""
    items = json.loads(scene.kubectl("-n", scene.name, "get", "deployments,hpp,hpb", "-o", "json"))["items"]
    items = [item for item in items if item["kind"] == "Deployment" or item["metadata"]["name"].startswith(scene.name)]
    kinds = {
        kind: [item for item in items if item["kind"] == kind]
        for kind in ("Deployment", "HostPortPool", "HostPortBlock")
    }
    leases = {
        key: (lease["owner"].rpartition("/")[2], _state(lease))
        for item in (*kinds["HostPortPool"], *kinds["HostPortBlock"])
        for key, lease in ((item.get("status") or {}).get("leases") or {}).items()
    }
    return Sight(
        numbers={item["metadata"]["name"]: _number(item) for item in kinds["Deployment"]},
        wanted=wanted,
        leases=leases,
        pools={item["metadata"]["name"] for item in kinds["HostPortPool"]},
        expected=pools,
        findings=[f"{found.kind} {found.subject}: {found.text}" for found in scene.findings()],
    )


def _state(lease: Json) -> str:
    return next((state for state in ("released", "releasing") if lease.get(state)), "active")


def _number(item: Json) -> int:
    return int(item["spec"]["template"]["spec"]["containers"][0]["ports"][0].get("hostPort", 0))
