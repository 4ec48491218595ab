"""Those who ask and can't be served: told once, oldest first when something becomes free.

The oldest is who was refused first. An operator that starts, or takes over from another, does not know who that is: it
takes them in the order in which the workloads were created.
"""

from __future__ import annotations

import logging
from collections.abc import KeysView

from hostport.api.digest import users
from hostport.api.errors import Refusal
from hostport.api.workload import Workload
from hostport.run.office import Office

logger = logging.getLogger(__name__)


class Waiting:
    """Refused workloads in the order of their first refusal."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._said: dict[str, tuple[str, ...]] = {}
        self._wakes: dict[str, None] = {}

    def add(self, workload: Workload, refusal: Refusal, *, wakes: bool) -> None:
        """Note a refusal and tell it, unless that is what was said last."""
        key = workload.key
        if wakes:
            self._wakes.setdefault(key)
        else:
            self._wakes.pop(key, None)
        said = self._said.get(key)
        self._said[key] = _news(workload, refusal)
        self._office.metrics.pending.set(len(self._said))
        if said != self._said[key]:
            self._tell(workload, refusal)

    def forget(self, key: str) -> None:
        """A workload is served, or asks no more."""
        self._wakes.pop(key, None)
        if self._said.pop(key, None) is not None:
            self._office.metrics.pending.set(len(self._said))

    def forget_all(self) -> None:
        """Another replica tells them now."""
        self._wakes.clear()
        self._said.clear()
        self._office.metrics.pending.set(0)

    def due(self) -> KeysView[str]:
        """Those whom a change elsewhere may help, oldest first."""
        return self._wakes.keys()

    def _tell(self, workload: Workload, refusal: Refusal) -> None:
        self._office.tell(workload, refusal.reason, refusal.message, warning=True)
        pool = workload.annotations.get("hostport/pool", "")
        known = pool if pool in self._office.state.pools else ""
        self._office.metrics.allocations.labels(known, refusal.reason).inc()
        logger.warning(
            "%s not served: %s",
            workload.key,
            refusal.message,
            extra={"workload": workload.key, "reason": refusal.reason},
        )


def _news(workload: Workload, refusal: Refusal) -> tuple[str, ...]:
    """What makes a refusal worth telling again. The figures in its text change with every other workload."""
    return workload.uid, refusal.reason, *(f"{name}={value}" for name, value in users(workload.annotations))
