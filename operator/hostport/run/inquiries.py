"""Questions to the API server about owners in whose names leases stand where a workload of another name runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from hostport.run.delivery import Delivery


class Inquiries:
    """Has workloads wait until their questions are answered; `again` is called for who can be planned then."""

    def __init__(self, delivery: Delivery, again: Callable[[str], None]) -> None:
        self._delivery = delivery
        self._again = again
        self._open: dict[str, set[str]] = {}
        self._answers: dict[str, dict[str, str]] = {}

    def ask(self, key: str, owners: Iterable[str], known: Collection[str]) -> None:
        """Ask for a workload who has the names of owners. Of those who are `known` the answer has settled nothing."""
        for owner in owners:
            self._open.setdefault(key, set()).add(owner)
            self._delivery.ask(owner, self._answered, again=owner in known)

    def answers(self, key: str) -> Mapping[str, str]:
        """Owner and uid ("" where there is nobody), as answered for a workload; good for one plan, once all are."""
        return self._answers.get(key, {}) if key in self._open else self._answers.pop(key, {})

    def forget(self, key: str) -> None:
        """A workload is gone."""
        self._open.pop(key, None)
        self._answers.pop(key, None)

    def forget_all(self) -> None:
        """Another process may have worked meanwhile."""
        self._open.clear()
        self._answers.clear()

    def _answered(self, owner: str, uid: str | None) -> None:
        for key in [key for key, owners in self._open.items() if owner in owners]:
            if uid is not None:
                self._answers.setdefault(key, {})[owner] = uid
            self._open[key].discard(owner)
            if not self._open[key]:
                del self._open[key]
                self._again(key)
