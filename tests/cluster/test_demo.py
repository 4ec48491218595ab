"""`make demo`, as a person runs it: it comes out, and where it does not it says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.wait import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("control_plane"),
]  # no control plane: skipped, not built here


def test_the_story_of_the_three_nginx_deployments_comes_out(project: Path) -> None:
    done = _play(project, "--patience", "120")
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
    done = _play(project, "--nodes", "2", "--patience", "20")
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
    rest = demo.communicate(timeout=120)[0]
    assert demo.returncode == 130, rest
    # What was being started just then is ended by the kernel when the demo has gone, a moment later.
    until(lambda: not any(map(_lives, children)), "nothing is left", lambda: list(filter(_lives, children)))


def _until_operator(demo: psutil.Process) -> list[psutil.Process]:
    """All that the demo has started, once the operator is among it."""

    def children() -> list[psutil.Process]:
        found = demo.children(recursive=True)
        return found if any("hostport-system" in " ".join(_words(child)) for child in found) else []

    return until(children, "the operator is there")


def _lives(process: psutil.Process) -> bool:
    """Not so one that nobody has asked for its exit code: an init in a container may never do."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _words(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.environ().get("KUBECONFIG", "")]
    except psutil.Error:
        return []


def _play(project: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*flags), cwd=project, capture_output=True, text=True, timeout=400, check=False, env=_environment()
    )


def _command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "demo", *flags]


def _environment() -> dict[str, str]:
    return {**os.environ, "DEMO": "kwok", "PYTHONUNBUFFERED": "1"}
