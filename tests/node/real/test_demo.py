"""`make demo` on a real node: the numbers of the story answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.node


@pytest.mark.usefixtures("provided")
def test_the_story_comes_out_on_a_real_node(project: Path) -> None:
    command = [sys.executable, "-m", "demo", "--on", "node", "--patience", "180"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=500, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for wanted in (
        r"The node is a real one",
        r"(?m)^\$ on-node ss -Htuln 'sport = :10012' \| wc -l\n +0$",
        r"(?m)^\$ curl -s 198\.18\.\d+\.2:10012\n +nginx-deployment2-\S+$",
        r"10012 +TCP +\S+ +hostPort of Pod default/nginx-deployment2-\S+ of Deployment default/nginx-deployment2 ",
        r"(?m)^\$ curl -s 198\.18\.\d+\.2:10013\n +nginx-deployment3-\S+$",
        r"✔ The rollout has finished: the old Pod left first",
        r"Played in \d+ s; everything came out",
    ):
        assert re.search(wanted, done.stdout), f"no line {wanted!r} in:\n{done.stdout}"
