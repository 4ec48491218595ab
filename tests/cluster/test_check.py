"""`hostport check`: the ledger against the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def check(scene: Scene, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from hostport.cli.main import main; main()", "check", *flags]
    env = {**os.environ, "KUBECONFIG": str(scene.plane.kubeconfig)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def write_leases(scene: Scene, pool: str, leases: dict[str, object]) -> None:
    body = json.dumps({"status": {"leases": leases}})
    scene.kubectl("patch", "hostportpool", pool, "--subresource=status", "--type=merge", "-p", body)


def test_agreement_is_exit_code_0(scene: Scene) -> None:
    scene.deployment("web", scene.pool())
    scene.served("web")

    def agreement() -> bool:
        done = check(scene)
        return (done.returncode, done.stdout) == (0, "The ledger and the cluster agree.\n")

    until(agreement, "all agrees, what other tests have left too", lambda: check(scene))


def test_every_kind_of_disagreement_is_found(scene: Scene) -> None:
    first = scene.window()
    ranges = [f"{first}-{first + 49}"]
    pool = scene.pool(protocols=["TCP"], ranges=ranges)
    other = scene.pool(protocols=["TCP"], ranges=ranges, cooldownSeconds=0)
    for name in ("web", "bare"):
        scene.deployment(name, pool)
    (port,), (bare,) = scene.served("web"), scene.served("bare")
    until(lambda: scene.status(pool).get("allocated") == 2, "the figures stand", scene.operator_log)
    scene.operator.kill()
    stranger = {"owner": "Deployment/nowhere/nobody", "uid": "1"}
    write_leases(
        scene,
        other,
        {
            f"{port}/TCP@node-2": stranger,
            "nonsense": stranger,
            f"{first + 30}/TCP": stranger,
            f"{first + 31}/TCP": {"owner": "somebody"},
        },
    )
    asker = {"owner": f"Deployment/{scene.name}/web", "uid": scene.get("deployment", "web")["metadata"]["uid"]}
    write_leases(scene, pool, {f"{bare}/TCP": None, f"{first + 40}/TCP": asker})
    write_leases(scene, pool, {f"{first + 41}/TCP": {**asker, "grant": "abcde/2"}})

    done = check(scene, "-o", "json")

    found = {(row["kind"], row["subject"]) for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert {
        ("Overlap", f"{port}/TCP"),
        ("NoLease", f"Deployment/{scene.name}/bare"),
        ("NoWorkload", f"{other} {first + 30}/TCP"),
        ("Differs", f"{pool} {first + 40}/TCP"),
        ("HalfGrant", f"{pool} {first + 41}/TCP"),
        ("NoOwner", f"{other} {first + 31}/TCP"),
        ("Unreadable", f"HostPortPool {other}"),
        ("Counts", pool),
    } <= found
    write_leases(scene, other, {"nonsense": None, f"{first + 31}/TCP": None})
    scene.operator.start()


def test_no_cluster_is_exit_code_2_and_a_sentence(scene: Scene) -> None:
    command = [sys.executable, "-c", "from hostport.cli.main import main; main()", "check"]
    env = {**os.environ, "KUBECONFIG": "no-such-file"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert "set KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr
