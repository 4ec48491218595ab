"""How a workload replaces its Pods: the rolling update of a Deployment or a DaemonSet."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NamedTuple

Amount = int | str
Amounts = dict[str, Amount]

MAX_SURGE = "maxSurge"
MAX_UNAVAILABLE = "maxUnavailable"

_PERCENT = re.compile(r"[0-9]{1,9}%")


class Strategy(NamedTuple):
    """`spec.<field>.rollingUpdate`, its two amounts as they are written. `exclusive`: just one of them may be set."""

    field: str
    max_surge: Amount
    max_unavailable: Amount
    exclusive: bool = False

    @classmethod
    def parse(cls, field: str, spec: dict[str, Any]) -> Strategy | None:
        """The rolling update in a workload's spec; None where Pods are replaced in another way."""
        raw = spec.get(field) or {}
        rolling = raw.get("rollingUpdate")
        if raw.get("type") != "RollingUpdate" or not rolling:
            return None
        # A DaemonSet is refused with both (ValidateRollingUpdateDaemonSet), a Deployment only without either.
        return cls(field, rolling.get(MAX_SURGE, 0), rolling.get(MAX_UNAVAILABLE, 0), field == "updateStrategy")

    @property
    def amounts(self) -> Amounts:
        """Both amounts by their names."""
        return {MAX_SURGE: self.max_surge, MAX_UNAVAILABLE: self.max_unavailable}

    @property
    def is_valid(self) -> bool:
        """Whether the API server would take it."""
        surge, unavailable = not is_zero(self.max_surge), not is_zero(self.max_unavailable)
        return surge != unavailable if self.exclusive else surge or unavailable

    def changed(self, amounts: Amounts) -> Strategy:
        """The same with other amounts."""
        return self._replace(
            max_surge=amounts.get(MAX_SURGE, self.max_surge),
            max_unavailable=amounts.get(MAX_UNAVAILABLE, self.max_unavailable),
        )

    def surge(self, replicas: int) -> int:
        """How many Pods there may be on top of `replicas`.

        Source: `ResolveFenceposts` in pkg/controller/deployment/util: a surge is rounded up, unavailability down, and
        where both come out at 0 one Pod may be unavailable.
        """
        share = self.max_surge
        return share if isinstance(share, int) else -(-int(share[:-1]) * replicas // 100)

    def unavailable(self, replicas: int) -> int:
        """How many of `replicas` may be missing meanwhile."""
        share = self.max_unavailable
        missing = share if isinstance(share, int) else int(share[:-1]) * replicas // 100
        return missing or int(not self.surge(replicas))


def peak(strategy: Strategy | None, replicas: int | None) -> int:
    """The most Pods there may be at a time. Of a DaemonSet that surges there are always more than nodes."""
    if strategy is None:
        return replicas or 0
    if replicas is None:
        return 0 if is_zero(strategy.max_surge) else sys.maxsize
    return replicas + strategy.surge(replicas)


def is_zero(amount: Amount) -> bool:
    """Whether the API server takes it for 0."""
    return int(str(amount).rstrip("%")) == 0


def parse_amounts(text: str) -> Amounts:
    """What `hostport/rollout-was` says; nothing where it is not what the operator writes."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(raw, dict) or not raw.keys() <= {MAX_SURGE, MAX_UNAVAILABLE}:
        return {}
    return raw if all(map(_is_amount, raw.values())) else {}


def _is_amount(value: object) -> bool:
    if isinstance(value, str):
        return bool(_PERCENT.fullmatch(value))
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
