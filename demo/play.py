"""What a scene is made of: words, commands that are really typed, and looks at the cluster that must come out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from demo.errors import Surprise
from demo.stage import Stage
from demo.world import World

T = TypeVar("T")

_BETWEEN_LOOKS_SECONDS = 0.1


class Play:
    """The stage and the world behind it. `patience`: how many seconds a thing may take to come to be."""

    def __init__(self, stage: Stage, world: World, patience: float) -> None:
        self.stage = stage
        self.world = world
        self._patience = patience

    def show(self, command: str) -> str:
        """Type a command; show and return what it prints."""
        self.stage.command(command)
        printed = self.world.shell.run(command)
        self.stage.output(printed)
        return printed

    def expect(self, wanted: str, look: Callable[[], T], holds: Callable[[T], bool]) -> T:
        """Look until it holds, and return what was seen; raise `Surprise` when patience is at an end."""
        deadline = time.monotonic() + self._patience
        with self.stage.waiting(f"waiting for {wanted}"):
            while not holds(seen := look()):
                self.world.check()
                if time.monotonic() > deadline:
                    raise Surprise(f"{wanted}, within {self._patience:g} s", str(seen))
                time.sleep(_BETWEEN_LOOKS_SECONDS)
        return seen
