"""`make demo`, as a person runs it: it comes out, and where it does not it says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("control_plane"),
]  # no control plane: skipped, not built here


def test_the_story_of_the_three_nginx_deployments_comes_out(project: Path) -> None:
    done = _play(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✘" not in done.stdout
    for wanted in (
        r"FailedScheduling .* didn't have free ports for the requested pod ports",
        r"default +nginx-deployment3-\S+ +<none> +Pending +10012",
        r'edge +\["10012-10031"\] +20 +0 +19 +True +\S+ +0 +1 +RoundRobin +1',
        r"PortsAssigned .*hostport.dev/operator .*10013",
        r"default +nginx-deployment3-\S+ +node-1 +Running +10013",
        r'RolloutAdjusted .*hostport.dev/operator .*need 2 nodes where there is 1, .*maxSurge "25%" → 0\.',
        r'(?s)\{"maxSurge":0,"maxUnavailable":"25%"\}.*successfully rolled out.*\{"maxSurge":"25%",',
        r"✔ The rollout has finished: the old Pod left first",
        r"owner: Deployment/default/nginx-deployment3",
        r'hostport_pool_allocated_ports\{pool="edge",protocol="TCP"\} 1\.0',
        r"PortsReleased .*10013",
        r"✔ Asked again it gets 10013 again",
        r"Played in \d+ s; everything came out",
        r"kubectl apply -k manifests/",
    ):
        assert re.search(wanted, done.stdout), f"no line {wanted!r} in:\n{done.stdout}"


def test_a_step_that_does_not_come_out_fails_loudly(project: Path) -> None:
    """With a second node nginx-deployment3 has where to go, so it does not hang as the story says."""
    done = _play(project, "--nodes", "2", "--patience", "15")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✘ This scene did not come out: 2  The third picks the same number" in done.stdout
    expected, came = done.stdout.split("Expected:")[1].split("Came:")
    assert "a Pod of nginx-deployment3 in Pending" in expected
    assert re.search(r"nginx-deployment3-\S+ phase='Running'", came)


def test_ctrl_c_takes_everything_down(project: Path) -> None:
    demo = subprocess.Popen(_command(), cwd=project, stdout=subprocess.PIPE, text=True, env=_environment())
    assert demo.stdout is not None
    assert any("hostport run" in line for line in demo.stdout), "the operator is never started"
    children = _until_operator(psutil.Process(demo.pid))
    demo.send_signal(signal.SIGINT)
    rest = demo.communicate(timeout=60)[0]
    assert demo.returncode == 130, rest
    assert not [child for child in children if child.is_running()]


def _until_operator(demo: psutil.Process) -> list[psutil.Process]:
    """All that the demo has started, once the operator is among it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = demo.children(recursive=True)
        if any("hostport-system" in " ".join(_words(child)) for child in children):
            return children
        time.sleep(0.02)
    raise AssertionError("the operator is not there")


def _words(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.environ().get("KUBECONFIG", "")]
    except psutil.Error:
        return []


def _play(project: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*flags), cwd=project, capture_output=True, text=True, timeout=240, check=False, env=_environment()
    )


def _command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "demo", *flags]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
