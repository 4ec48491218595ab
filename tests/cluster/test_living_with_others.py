"""Others write to the same objects: the number stays, nobody fights, and nobody writes without end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controlplane.errors import ControlPlaneError
from controlplane.provide import helm as build_helm
from tests.support.scene import Scene, deployment
from tests.support.wait import until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

DNS = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "http", "containerPort": 80}]


def asking(pool: str, ports: list[Json] | None = None, **fields: Any) -> Json:
    """The manifest of `web`, as its owner has it in his repository: no number in it."""
    notes = {"hostport/auto": "true", "hostport/pool": pool}
    return deployment("web", ports, annotations=notes, **fields)


def write(scene: Scene, *command: str, manifest: Json | None = None) -> None:
    given = None if manifest is None else json.dumps(manifest)
    scene.kubectl("-n", scene.name, *command, *(["-f", "-"] if manifest else []), input=given)


def generation(scene: Scene) -> int:
    """One more with each write of the spec or an annotation (pkg/registry/apps/deployment/strategy.go)."""
    return int(scene.get("deployment", "web")["metadata"]["generation"])


def patches(scene: Scene) -> float:
    """How many templates the operator has written since it started."""
    return scene.operator.metric("hostport_allocation_duration_seconds_count")


def all_is_quiet(scene: Scene, pool: str, generations: int) -> None:
    """Two others come and are served, and nobody has written to `web` meanwhile."""
    until(lambda: generation(scene) >= generations, f"generation {generations}", scene.operator_log)
    scene.bystander_is_served(pool)
    written = patches(scene)
    scene.bystander_is_served(pool)
    assert patches(scene) == written + 1, "the bystander's, and no other"
    assert generation(scene) == generations


def served(scene: Scene, manifest: Json) -> list[int]:
    scene.apply(manifest)
    return scene.served("web")


def test_the_same_manifest_applied_again_and_again_changes_nothing(scene: Scene) -> None:
    pool = scene.pool()
    manifest = asking(pool, DNS)
    numbers = served(scene, manifest)

    for _ in range(3):
        scene.apply(manifest)

    all_is_quiet(scene, pool, generations=2)
    assert scene.host_ports("web") == numbers


def test_a_new_image_applied_keeps_the_number_in_one_write(scene: Scene) -> None:
    pool = scene.pool()
    manifest = asking(pool)
    numbers = served(scene, manifest)

    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    scene.apply(manifest)

    all_is_quiet(scene, pool, generations=3)
    assert scene.host_ports("web") == numbers


def test_each_replace_is_mended_once(scene: Scene) -> None:
    pool = scene.pool()
    manifest = asking(pool, DNS)
    numbers = served(scene, manifest)

    for already in (2, 4, 6):
        scene.replace(manifest)
        assert scene.served("web") == numbers
        all_is_quiet(scene, pool, generations=already + 2)

    assert sum(lease["owner"].endswith("/web") for lease in scene.leases(pool).values()) == 2


def test_rollout_undo_to_before_the_number_is_mended_once(scene: Scene) -> None:
    pool = scene.pool()
    numbers = served(scene, asking(pool))
    scene.running("web")

    write(scene, "rollout", "undo", "deployment/web", "--to-revision=1")

    assert scene.served("web") == numbers
    all_is_quiet(scene, pool, generations=4)
    scene.running("web")


def test_a_gitops_tool_that_applies_by_force_takes_nothing_away(scene: Scene) -> None:
    """Server-side apply with a field manager of its own, of a manifest that says nothing of hostPorts."""
    pool = scene.pool()
    sync = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd")
    manifest = asking(pool, DNS)
    write(scene, *sync, manifest=manifest)
    numbers = scene.served("web")

    for _ in range(3):
        write(scene, *sync, manifest=manifest)
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    write(scene, *sync, manifest=manifest)

    all_is_quiet(scene, pool, generations=3)
    assert scene.host_ports("web") == numbers


def test_a_gitops_tool_that_drops_a_port_takes_its_number_away_with_it(scene: Scene) -> None:
    pool = scene.pool()
    sync = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd")
    write(scene, *sync, manifest=asking(pool, DNS))
    dns, http = scene.served("web")

    write(scene, *sync, manifest=asking(pool, DNS[1:]))

    until(lambda: scene.host_ports("web") == [http], "dns is out of the template", scene.operator_log)
    until(lambda: "released" in scene.leases(pool)[f"{dns}/UDP"], "its number rests", scene.operator_log)
    all_is_quiet(scene, pool, generations=4)


def test_an_autoscaler_scales_by_the_subresource(scene: Scene) -> None:
    pool = scene.pool()
    numbers = served(scene, asking(pool))
    scene.running("web")

    for replicas in (2, 1, 2):
        patch = json.dumps({"spec": {"replicas": replicas}})
        write(scene, "patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", patch)
        assert len(scene.running("web")) == replicas

    all_is_quiet(scene, pool, generations=5)
    assert scene.host_ports("web") == numbers


def test_scaled_to_zero_and_back_a_workload_keeps_its_number(scene: Scene) -> None:
    pool = scene.pool(1, protocols=["TCP"], cooldownSeconds=0)
    numbers = served(scene, asking(pool))
    scene.running("web")

    write(scene, "scale", "deployment", "web", "--replicas=0")
    write(scene, "wait", "--for=delete", "pod", "-l", "app=web", "--timeout=120s")
    scene.deployment("greedy", pool)
    scene.event("greedy", "PoolExhausted")
    write(scene, "scale", "deployment", "web", "--replicas=1")

    (pod,) = scene.running("web")
    assert pod["spec"]["containers"][0]["ports"][0]["hostPort"] == numbers[0]
    assert generation(scene) == 4
    write(scene, "delete", "deployment", "greedy")


def test_a_paused_deployment_is_served_and_runs_on_its_number_when_it_is_resumed(scene: Scene) -> None:
    pool = scene.pool()
    manifest = asking(pool)
    manifest["spec"]["paused"] = True

    numbers = served(scene, manifest)

    all_is_quiet(scene, pool, generations=2)
    write(scene, "rollout", "resume", "deployment/web")
    (pod,) = scene.running("web")
    assert [port["hostPort"] for port in pod["spec"]["containers"][0]["ports"]] == numbers


def test_what_a_user_writes_by_hand_wins_and_is_told(scene: Scene) -> None:
    pool = scene.pool()
    (port,) = served(scene, asking(pool))
    scene.running("web")
    mine = scene.first + 50

    scene.deployment("web", pool, [{"name": "http", "containerPort": 80, "hostPort": mine}])

    text = scene.event("web", "PortsReleased")
    assert f"app/http: hostPort {port}/TCP goes back to pool {pool}" in text
    assert f"the template has hostPort {mine} there, written by hand: it stays" in text
    all_is_quiet(scene, pool, generations=4)
    assert scene.host_ports("web") == [mine]
    assert f"{mine}/TCP" not in scene.leases(pool)
    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the old number rests", scene.operator_log)


def test_taken_back_by_hand_the_number_comes_from_the_pool_again(scene: Scene) -> None:
    """The user's own number stands until he takes it away; then his workload has what it had before."""
    pool = scene.pool()
    (port,) = served(scene, asking(pool))
    mine = {"name": "http", "containerPort": 80, "hostPort": scene.first + 50}
    scene.deployment("web", pool, [mine])
    scene.event("web", "PortsReleased")

    scene.deployment("web", pool)

    until(lambda: scene.host_ports("web") == [port], "it has its number again", scene.operator_log)
    all_is_quiet(scene, pool, generations=6)


# Helm

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "templates/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    hostport/auto: "true"
    hostport/pool: {{ .Values.pool }}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: app:{{ .Values.tag }}
          ports:
            - {name: http, containerPort: 80}
            {{- if .Values.admin }}
            - {name: admin, containerPort: 9000}
            {{- end }}
""",
}


@pytest.fixture
def helm(scene: Scene, tmp_path: Path) -> Callable[..., None]:
    """Helm 3, at work in the scene's namespace on a chart of one Deployment."""
    try:
        binary = build_helm()
    except ControlPlaneError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"NO HELM: {error}")
    for name, text in CHART.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    homes = {f"HELM_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    env = {**os.environ, **homes, "KUBECONFIG": str(scene.plane.kubeconfig)}

    def run(*args: str) -> None:
        command = [str(binary), "-n", scene.name, *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    return run


def test_helm_upgrade_and_rollback_keep_the_number(scene: Scene, helm: Callable[..., None]) -> None:
    pool = scene.pool()
    values = ("web", ".", "--set", f"pool={pool}", "--set")
    helm("install", *values, "tag=1")
    numbers = scene.served("web")

    helm("upgrade", *values, "tag=2")
    helm("upgrade", *values, "tag=3,replicas=2")
    helm("rollback", "web", "1")

    all_is_quiet(scene, pool, generations=5)
    assert scene.host_ports("web") == numbers
    assert len(scene.running("web")) == 1


def test_helm_upgrade_by_force_is_mended_once(scene: Scene, helm: Callable[..., None]) -> None:
    """`--force` replaces the object: what the chart does not say is gone."""
    pool = scene.pool()
    values = ("web", ".", "--set", f"pool={pool}", "--set")
    helm("install", *values, "tag=1")
    numbers = scene.served("web")

    helm("upgrade", *values, "tag=2", "--force")

    assert scene.served("web") == numbers
    all_is_quiet(scene, pool, generations=4)


def test_a_port_that_comes_and_goes_with_helm_has_a_number_while_it_is_there(
    scene: Scene, helm: Callable[..., None]
) -> None:
    pool = scene.pool()
    values = ("web", ".", "--set", f"pool={pool}", "--set")
    helm("install", *values, "tag=1")
    (http,) = scene.served("web")

    helm("upgrade", *values, "tag=1,admin=true")
    until(lambda: len(scene.host_ports("web")) == 2 and all(scene.host_ports("web")), "admin has a number")
    _, admin = scene.host_ports("web")
    helm("upgrade", *values, "tag=1")

    until(lambda: "released" in scene.leases(pool)[f"{admin}/TCP"], "admin's number rests", scene.operator_log)
    assert scene.host_ports("web") == [http]
    all_is_quiet(scene, pool, generations=6)


def test_helm_uninstall_gives_the_number_back(scene: Scene, helm: Callable[..., None]) -> None:
    pool = scene.pool()
    helm("install", "web", ".", "--set", f"pool={pool},tag=1")
    (port,) = scene.served("web")

    helm("uninstall", "web", "--wait")

    until(lambda: "released" in scene.leases(pool)[f"{port}/TCP"], "the number rests", scene.operator_log)
