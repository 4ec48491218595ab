"""What an administrator does to a control plane's etcd: compaction, a backup, a restore."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

from controlplane.binaries import APISERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER
from controlplane.cluster import ControlPlane

_KEY = base64.b64encode(b"a-key-of-the-tests").decode()


def _call(plane: ControlPlane, path: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(f"{plane.etcd_url}/v3/{path}", json.dumps(body).encode())  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        return dict(json.loads(answer.read()))


def revision(plane: ControlPlane) -> int:
    """The present revision of the store, which is every object's resourceVersion."""
    return int(_call(plane, "kv/range", key=_KEY)["header"]["revision"])


def compact(plane: ControlPlane) -> None:
    """Forget everything but the present."""
    _call(plane, "kv/compaction", revision=str(revision(plane)), physical=True)


def advance(plane: ControlPlane, to: int) -> None:
    """Write until the revision is `to`, as a restore with `--bump-revision` makes it."""
    while revision(plane) < to:
        for _ in range(100):
            _call(plane, "kv/put", key=_KEY, value=_KEY)


def back_up(plane: ControlPlane, folder: Path) -> None:
    """Copy etcd's data as it is now, etcd being stopped for that moment."""
    plane.kill_etcd()
    shutil.copytree(plane.etcd_data, folder)
    plane.start_etcd()


def restore(plane: ControlPlane, folder: Path, *, ahead: bool = False) -> None:
    """Put a backup in the place of etcd's data, and restart everything, as Kubernetes' documentation asks.

    `ahead`: let the revision go on from where it was, and forget the past, so that no watch can miss it.
    """
    last = revision(plane)
    for name in (KWOK, SCHEDULER, CONTROLLER_MANAGER, APISERVER, ETCD):
        plane.process(name).kill()
    shutil.rmtree(plane.etcd_data)
    shutil.copytree(folder, plane.etcd_data)
    plane.process(ETCD).restart()
    if ahead:
        advance(plane, last + 1000)
        compact(plane)
    for name in (APISERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK):
        plane.process(name).restart()
