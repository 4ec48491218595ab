"""What is left of a real node when it ends: nothing, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.wait import until

pytestmark = pytest.mark.node


@pytest.mark.usefixtures("provided")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_nothing_is_left_of_a_node(project: Path, how: signal.Signals) -> None:
    before = devices()
    with subprocess.Popen(
        [sys.executable, "-m", "realnode", "run"], cwd=project, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert "KUBECONFIG" in program.stdout.readline(), "the node has not come up"
        processes = psutil.Process(program.pid).children(recursive=True)
        ours = devices() - before
        assert len(processes) > 6
        assert ours
        program.send_signal(how)
        program.wait(60)
    until(lambda: not any(map(lives, processes)), "no process is left", lambda: list(filter(lives, processes)))
    if how is signal.SIGINT:  # what nobody was left to take away, the next node does
        assert not devices() & ours
        machines = {process.pid for process in processes}
        assert not [path for path in cgroups() if int(path.name.rpartition("-")[2]) in machines]


def devices() -> set[str]:
    """The ends of cables to nodes that are on this machine."""
    return {path.name for path in Path("/sys/class/net").glob("hostport*")}


def cgroups() -> list[Path]:
    return [*Path("/sys/fs/cgroup").glob("hostport-node-*"), *Path("/sys/fs/cgroup").glob("*/hostport-node-*")]


def lives(process: psutil.Process) -> bool:
    """Not so one that nobody has asked for its exit code: an init in a container may never do."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
