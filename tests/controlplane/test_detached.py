"""`up`, `down` and `run`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from controlplane.detached import ClusterDir, down, up
from controlplane.errors import ControlPlaneError
from controlplane.provide import provide

REPOSITORY = Path(__file__).parents[2]


def controlplane(*args, **options):
    command = [sys.executable, "-m", "controlplane", *map(str, args)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_down_where_nothing_runs_ends_nothing(tmp_path):
    assert down(ClusterDir(tmp_path / "none")) is False


def test_down_leaves_files_alone_that_are_not_ours(tmp_path):
    (tmp_path / "precious").touch()
    down(ClusterDir(tmp_path))
    assert list(tmp_path.iterdir()) == [tmp_path / "precious"]


def test_a_pid_whose_process_is_gone_is_nobody(tmp_path):
    directory = ClusterDir(tmp_path)
    (tmp_path / "lock").write_text("1")
    assert directory.pid() is None


def test_only_one_runs_in_a_directory(tmp_path):
    with ClusterDir(tmp_path).held(), pytest.raises(ControlPlaneError, match="already running"):
        ClusterDir(tmp_path).held().__enter__()


@pytest.mark.cluster
def test_up_and_down_and_both_again(tmp_path):
    provide()
    directory = ClusterDir(tmp_path / ".cluster")
    assert up(directory, nodes=1) is True
    runner = psutil.Process(directory.pid())
    children = runner.children()
    assert up(directory, nodes=1) is False
    kubectl = [str(provide()["kubectl"]), f"--kubeconfig={directory.kubeconfig}", "get", "nodes", "-o", "name"]
    assert subprocess.check_output(kubectl, text=True) == "node/node-1\n"
    assert down(directory) is True
    assert down(directory) is False
    _, alive = psutil.wait_procs([runner, *children], timeout=60)
    assert alive == []
    assert not directory.path.exists()


@pytest.mark.cluster
def test_run_ends_on_ctrl_c_and_leaves_nothing(tmp_path):
    provide()
    with controlplane("run", "--nodes", 1, start_new_session=True) as process:
        assert process.stdout.readline().startswith("export KUBECONFIG=")
        children = psutil.Process(process.pid).children()
        assert len(children) == 5
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [child for child in children if child.is_running()] == []


@pytest.mark.cluster
def test_run_ends_with_an_error_when_a_component_dies(tmp_path):
    provide()
    with controlplane("run", "--dir", tmp_path / "dir") as process:
        assert process.stdout.readline().startswith("export KUBECONFIG=")
        scheduler = next(c for c in psutil.Process(process.pid).children() if "scheduler" in "".join(c.cmdline()[:1]))
        scheduler.kill()
        assert process.wait(60) == 1
        assert "kube-scheduler ended with code -9" in process.stderr.read()
