"""The operator as a process: probes, metrics, logs, its end, and what it says when it can't begin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from controlplane.cluster import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

CONTRACT = [
    "hostport_pool_capacity_ports",
    "hostport_pool_allocated_ports",
    "hostport_pool_free_ports",
    "hostport_pool_cooling_ports",
    "hostport_pool_foreign_ports",
    "hostport_allocations_total",
    "hostport_releases_total",
    "hostport_allocation_duration_seconds",
    "hostport_ledger_commits_total",
    "hostport_ledger_commit_duration_seconds",
    "hostport_scheduling_conflicts_total",
    "hostport_pending_workloads",
    "hostport_events_dropped_total",
    "hostport_unreadable_objects",
    "hostport_build_info",
]


def hostport(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from hostport.cli.main import main; main()", *args]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False)


def test_the_metrics_of_the_contract_are_there_and_no_label_names_a_port_or_a_workload(scene: Scene) -> None:
    pool = scene.pool()
    scene.deployment("a-very-special-name", pool)
    (port,) = scene.served("a-very-special-name")

    text = scene.operator.metrics()

    assert not [name for name in CONTRACT if name.removesuffix("_total") not in text]
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert not [line for line in series if "a-very-special-name" in line or f'"{port}"' in line]


def test_probes_answer(operator: OperatorProcess) -> None:
    assert operator.probe("/healthz") == (200, "ok")
    assert operator.probe("/readyz") == (200, "ok")


def test_it_ends_soon_after_sigterm_and_with_code_0(installed: ControlPlane, tmp_path: Path) -> None:
    """It says so where it has used up its grace."""
    process = OperatorProcess(installed, tmp_path)
    process.start()

    code = process.stop()

    assert code == 0, process.log
    assert "not all could be written" not in process.log
    assert "Traceback" not in process.log
    assert "ERROR" not in process.log


def test_json_logs_carry_pool_port_and_workload(scene: Scene, tmp_path: Path) -> None:
    process = OperatorProcess(scene.plane, tmp_path, "--log-format", "json")
    scene.operator.kill()
    process.start()
    try:
        pool = scene.pool()
        scene.deployment("web", pool)
        scene.served("web")
    finally:
        process.stop()
        scene.operator.start()

    lines = [json.loads(line) for line in process.log.splitlines()]
    web = f"Deployment/{scene.name}/web"
    granted = next(line for line in lines if line.get("workload") == web and line.get("reason") == "PortsAssigned")
    assert granted["pool"] == pool
    assert "hostPort" in granted["port"]


def test_with_a_namespace_only_its_workloads_are_served(scene: Scene, tmp_path: Path) -> None:
    pool = scene.pool()
    process = OperatorProcess(scene.plane, tmp_path, "--namespace", "elsewhere")
    scene.operator.kill()
    process.start()
    try:
        scene.kubectl("create", "namespace", "elsewhere")
        scene.deployment("not-served", pool)
        there = deployment("served", annotations={"hostport/auto": "true", "hostport/pool": pool})
        scene.kubectl("-n", "elsewhere", "apply", "-f", "-", input=json.dumps(there))
        until(lambda: scene.leases(pool), "the one in the namespace is served", lambda: process.log)
        assert scene.host_ports("not-served") == [0]
        assert [lease["owner"] for lease in scene.leases(pool).values()] == ["Deployment/elsewhere/served"]
    finally:
        process.stop()
        scene.operator.start()
        scene.kubectl("delete", "namespace", "elsewhere", "--wait=false")

    assert scene.served("not-served")


def test_without_a_cluster_it_says_so_and_how_to_name_one(tmp_path: Path) -> None:
    done = hostport("run", KUBECONFIG=str(tmp_path / "nothing"), HOME=str(tmp_path))

    assert done.returncode == 2
    assert "set KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_crds_it_says_which_command_installs_them(control_plane: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane() as bare:
        done = hostport("run", "--metrics-port", "0", "--health-port", "0", KUBECONFIG=str(bare.kubeconfig))

    assert done.returncode == 2
    assert "kubectl apply -f crds/" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_range_that_makes_no_sense_is_a_usage_error() -> None:
    done = hostport("run", "--service-node-port-range", "9-1")

    assert done.returncode == 2
    assert "runs backwards" in done.stderr


def test_it_runs_with_the_flags_that_the_manifests_give_it(project: Path) -> None:
    documents = yaml.safe_load_all((project / "manifests" / "deployment.yaml").read_text())
    deployment = next(d for d in documents if d["kind"] == "Deployment")
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]

    shown = hostport(*args, "--help")

    assert shown.returncode == 0, shown.stderr
