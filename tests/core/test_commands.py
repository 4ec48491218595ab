"""The commands as a shell sees them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["hostport", "kubectl-hostport"])
def test_both_commands_are_installed_and_know_their_version(command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command), "--version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"hostport {version('hostport-operator')}\n")


def test_the_command_line_does_not_load_kopf_before_it_is_needed() -> None:
    code = "import sys, hostport.cli.main; print('kopf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
