"""The commands as a user runs them: a process, its streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.wait import until


@dataclass(frozen=True)
class Done:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str


class Terminal:
    """`hostport …` with a kubeconfig. Wide enough that nothing is broken into lines, and without colours."""

    def __init__(self, kubeconfig: Path | str) -> None:
        self._env = {**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "200"}

    def run(self, *words: str, typed: str = "", **env: str) -> Done:
        """Run a command; `typed` is what stands on its standard input."""
        command = [str(Path(sys.executable).parent / "hostport"), *words]
        done = subprocess.run(
            command, env={**self._env, **env}, input=typed, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def table(self, *words: str) -> str:
        """What it prints for people; it must succeed."""
        done = self.run(*words)
        assert done.code == 0, done
        return done.out

    def data(self, *words: str) -> Any:
        """What it prints for programs, which is the same in JSON and in YAML, unless the cluster changes in between."""
        said: list[Any] = []

        def alike() -> bool:
            said[:] = json.loads(self.table(*words, "-o", "json")), yaml.safe_load(self.table(*words, "-o", "yaml"))
            return bool(said[0] == said[1])

        until(alike, "JSON and YAML say the same", lambda: "\nis not\n".join(map(str, said)))
        return said[0]
