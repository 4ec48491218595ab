"""The Pods that are ready and claim ports: a rollout that has one of them has shown that its Pods can be."""

from __future__ import annotations

from collections.abc import Iterable

from hostport.api.podspec import Claim
from hostport.api.ports import Protocol


class ReadyPods:
    """By owner and Pod, both as they are named for people, what each claims."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._claims: dict[str, dict[str, frozenset[Claim]]] = {}

    def note(self, pod: str, owner: str, claims: frozenset[Claim]) -> bool:
        """Note a ready Pod; tells whether that is new."""
        if self._claims.get(owner, {}).get(pod) == claims:
            return False
        self.forget(pod)
        self._owners[pod] = owner
        self._claims.setdefault(owner, {})[pod] = claims
        return True

    def forget(self, pod: str) -> None:
        """A Pod is gone, or not ready any more."""
        owner = self._owners.pop(pod, None)
        if owner is not None:
            del self._claims[owner][pod]
            if not self._claims[owner]:
                del self._claims[owner]

    def any_on(self, owner: str, numbers: Iterable[tuple[Protocol, int]]) -> bool:
        """Whether a ready Pod of an owner has one of these numbers."""
        claimed = {(claim.protocol, claim.port) for claims in self._claims.get(owner, {}).values() for claim in claims}
        return not claimed.isdisjoint(numbers)
