"""How far the build is: jobs that the builder moves on and a display reads."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from controlplane.recipe import Target

LINKING = 8.0  # seconds of a binary's build that follow its last package
_TRUSTED_AFTER = 20.0


class Stage(StrEnum):
    """What happens to a binary."""

    WAITING = "waits"
    READING = "reading the sources"
    COMPILING = "compiling"
    LINKING = "linking"
    DONE = "done"


@dataclass
class Job:
    """One binary on its way."""

    target: Target
    stage: Stage = Stage.WAITING
    downloaded: int = 0
    compiled: int = 0
    packages: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """What it should cost, knowing how many of its packages Go has built before."""
        if self.stage in (Stage.WAITING, Stage.READING):
            return self.target.seconds
        share = self.packages / self.target.packages
        return LINKING + max(0.0, self.target.seconds - LINKING) * share

    @property
    def fraction(self) -> float:
        """How much of it is done, by cost."""
        if self.stage is Stage.DONE:
            return 1.0
        if self.stage not in (Stage.COMPILING, Stage.LINKING) or not self.packages:
            return 0.0
        return (1 - LINKING / self.seconds) * min(1.0, self.compiled / self.packages)

    @property
    def note(self) -> str:
        """What is being done to it now."""
        if self.stage is Stage.READING and self.downloaded:
            return f"downloading modules: {self.downloaded}"
        if self.stage is Stage.COMPILING:
            return f"compiling: {self.compiled} of {self.packages} packages"
        return str(self.stage)


def remaining(jobs: Iterable[Job], elapsed: float) -> float:
    """Seconds that are left, at the pace seen so far once there is one to see."""
    jobs = list(jobs)
    done = sum(job.seconds * job.fraction for job in jobs)
    left = sum(job.seconds * (1 - job.fraction) for job in jobs)
    pace = elapsed / done if done > _TRUSTED_AFTER else 1.0
    return left * min(5.0, max(0.2, pace))
