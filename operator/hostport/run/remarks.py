"""What is told about a workload that is served all the same: each warning once per generation."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hostport.allocation.rollout import Remark
from hostport.api.workload import Workload
from hostport.run.office import Office

logger = logging.getLogger(__name__)


class Remarks:
    """Knows what it has said: the reasons told about the present generation of each workload."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._said: dict[str, tuple[str, int, frozenset[str]]] = {}

    def tell(self, workload: Workload, remarks: Iterable[Remark]) -> None:
        """Tell what is new. A text that differs only in its figures is not."""
        uid, generation, said = self._said.get(workload.key, ("", 0, frozenset[str]()))
        if (uid, generation) != (workload.uid, workload.generation):
            said = frozenset()
        for remark in remarks:
            if remark.reason not in said:
                said |= {remark.reason}
                self._tell(workload, remark)
        self._said[workload.key] = (workload.uid, workload.generation, said)

    def forget(self, key: str) -> None:
        """A workload is gone."""
        self._said.pop(key, None)

    def _tell(self, workload: Workload, remark: Remark) -> None:
        self._office.tell(workload, remark.reason, remark.text, warning=True)
        fields = {"workload": workload.key, "reason": remark.reason}
        logger.warning("%s %s: %s", workload.key, remark.reason, remark.text, extra=fields)
