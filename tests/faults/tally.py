"""What is counted, and where it is kept: the figures of README's reliability table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.faults.sight import Sight

RESULTS = Path(__file__).with_name("results.json")


@dataclass
class Tally:
    """Figures of one run of the harness. Times are in seconds."""

    seed: int
    histories: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    served: int = 0
    duplicates: int = 0
    moved: int = 0
    leases_lost: int = 0
    leaks: int = 0
    findings: int = 0
    restarts: list[float] = field(default_factory=list)
    take_overs: list[float] = field(default_factory=list)
    hand_overs: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All kills."""
        return sum(self.kills.values())

    @property
    def progress(self) -> str:
        """One line while it runs: a wrong figure is seen when it comes, not half an hour later."""
        wrong = {"twice": self.duplicates, "moved": self.moved, "lost": self.leases_lost, "leaked": self.leaks}
        said = ", ".join(f"{count} {what}" for what, count in wrong.items())
        return f"history {self.histories}: {self.total} kills so far, {self.served} numbers looked at; {said}"

    def add(self, sight: Sight) -> None:
        """Count what a look has shown at the end of a history."""
        self.served += len(sight.shown)
        self.duplicates += len(sight.duplicates())
        self.leases_lost += len(sight.lost())
        self.leaks += len(sight.leaked())
        self.findings += len(sight.findings)

    def write(self, path: Path) -> None:
        """As JSON."""
        times = ("restarts", "take_overs", "hand_overs")
        rounded = {name: [round(s, 1) for s in getattr(self, name)] for name in times}
        path.write_text(json.dumps({**vars(self), **rounded}, indent=2, sort_keys=True) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """From JSON."""
        raw = json.loads(path.read_text())
        return cls(**{**raw, "kills": Counter(raw["kills"])})
