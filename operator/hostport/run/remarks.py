"""What is told about a workload that is served all the same: each warning once, and again where its cause had gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hostport.allocation.rollout import Remark
from hostport.api.workload import Workload
from hostport.run.office import Office

logger = logging.getLogger(__name__)


class Remarks:
    """Knows what it has said about the present generation of each workload."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._said: dict[str, tuple[str, int, frozenset[str]]] = {}

    def tell(self, workload: Workload, remarks: Iterable[Remark]) -> None:
        """Tell what is new: all that there is to tell at present."""
        uid, generation, said = self._said.pop(workload.key, ("", 0, frozenset[str]()))
        news = {_topic(remark): remark for remark in remarks}
        if (uid, generation) != (workload.uid, workload.generation):
            said = frozenset(topic for topic in said & news.keys() if news[topic].lasting and uid == workload.uid)
        for topic, remark in news.items():
            if topic not in said:
                self._tell(workload, remark)
        if news:
            self._said[workload.key] = (workload.uid, workload.generation, frozenset(news))

    def __contains__(self, key: str) -> bool:
        return key in self._said

    def forget(self, key: str) -> None:
        """A workload is gone."""
        self._said.pop(key, None)

    def _tell(self, workload: Workload, remark: Remark) -> None:
        self._office.tell(workload, remark.reason, remark.text, warning=True)
        fields = {"workload": workload.key, "reason": remark.reason}
        logger.warning("%s %s: %s", workload.key, remark.reason, remark.text, extra=fields)


def _topic(remark: Remark) -> str:
    """What makes a remark another one. Figures in the text do not, unless it lasts from generation to generation."""
    return f"{remark.reason}: {remark.text}" if remark.lasting else remark.reason
