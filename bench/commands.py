"""How long the commands take in a large cluster, and how much memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import DEPLOYMENTS, Json, Load, deployment, load
from controlplane.binaries import CONTROLLER_MANAGER, KWOK, SCHEDULER
from controlplane.cluster import ControlPlane
from controlplane.nodes import CAPACITY, node
from hostport.api.lease import Lease, LeaseKey
from hostport.api.ports import Protocol
from hostport.cluster.blocks import KubernetesBlocks
from hostport.cluster.client import Api
from hostport.ledger.book import Book, Change
from hostport.ledger.ledger import Ledger

_PODS = "/api/v1/namespaces/default/pods"
_REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
_POOL = "default"
_PER_COMMIT = 16
_FIRST = 20000
_HASH = "5d4f9c7b8"
# An everyday Pod is 3 to 5 kB; the status that nobody writes here is made up for by this.
_FILLING = {"example.com/filling": "x" * 1500}

# Between us and the command: a process begins with the peak of the one that it was forked from.
_STOPWATCH = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
took, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(took, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""

COMMANDS = (
    ("--version",),
    ("who", str(_FIRST)),
    ("explain", "deploy/web-7"),
    ("free",),
    ("pools",),
    ("map",),
    ("check",),
)


@dataclass(frozen=True)
class Run:
    """One command: seconds from its start to its end, those of them on a processor, MiB resident at its peak."""

    words: tuple[str, ...]
    seconds: float
    busy: float
    peak_mb: float


def crowd(plane: ControlPlane, nodes: int, pods: int, workloads: int) -> None:
    """Nodes, and Pods bound to them; `workloads` Deployments have a lease, a ReplicaSet and a Pod of these each.

    Nothing of it runs: those who would run it, or clean it up, are ended first.
    """
    for name in (KWOK, SCHEDULER, CONTROLLER_MANAGER):
        plane.process(name).stop()
    asyncio.run(_build(plane, nodes, pods, workloads))


async def _build(plane: ControlPlane, nodes: int, pods: int, workloads: int) -> None:
    async with load(plane) as client:
        await client.each(range(1, nodes + 1), lambda i: _post(client, "/api/v1/nodes", _node(i)))
        uids: dict[int, str] = {}
        await client.each(range(workloads), lambda i: _workload(client, i, uids))
        await client.each(range(pods), lambda i: _post(client, _PODS, _pod(i, nodes, workloads)))
    await _lease(plane, uids)


async def _post(client: Load, path: str, raw: Json) -> Json:
    return await client.call("POST", path, raw)


def _node(number: int) -> Json:
    return node(f"node-{number}", number, {"zone": str(number % 3)}, (), CAPACITY)


async def _workload(client: Load, i: int, uids: dict[int, str]) -> None:
    raw = deployment(f"web-{i}")
    template = raw["spec"]["template"]
    template["spec"]["containers"][0]["ports"][0]["hostPort"] = _FIRST + i
    made = await _post(client, DEPLOYMENTS.format("default"), raw)
    uids[i] = made["metadata"]["uid"]
    labels = {"app": f"web-{i}", "pod-template-hash": _HASH}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"web-{i}", "uid": uids[i]}
    metadata = {"name": f"web-{i}-{_HASH}", "labels": labels, "ownerReferences": [{**owner, "controller": True}]}
    template = {**template, "metadata": {"labels": labels}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    head = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata}
    await _post(client, _REPLICA_SETS, {**head, "spec": spec})


def _pod(i: int, nodes: int, workloads: int) -> Json:
    """A workload's, or of a DaemonSet on the host network, or with no hostPort at all."""
    port: Json = {"name": "http", "containerPort": 80}
    owner: Json = {"apiVersion": "apps/v1", "uid": "8d7e0000-0000-4000-8000-000000000000", "controller": True}
    labels = {"app": "web", "pod-template-hash": _HASH}
    more: Json = {}
    if i < workloads:
        port["hostPort"] = _FIRST + i
        owner |= {"kind": "ReplicaSet", "name": f"web-{i}-{_HASH}"}
    elif i < workloads + nodes:
        port, more = {"name": "metrics", "containerPort": 9100, "hostPort": 9100}, {"hostNetwork": True}
        owner |= {"kind": "DaemonSet", "name": "exporter"}
    else:
        owner |= {"kind": "ReplicaSet", "name": f"api-{i // 10}-{_HASH}"}
    metadata = {"name": f"pod-{i}", "labels": labels, "annotations": _FILLING, "ownerReferences": [owner]}
    container = {"name": "app", "image": "app", "ports": [port], "env": [{"name": "PLACE", "value": "here"}]}
    spec = {"nodeName": f"node-{i % nodes + 1}", "containers": [container], **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def _lease(plane: ControlPlane, uids: dict[int, str]) -> None:
    """Leases as the operator's own ledger writes them."""
    api = await Api.connect(str(plane.kubeconfig))
    try:
        book = Book()
        ledger = Ledger(KubernetesBlocks(api), book, book.set, lambda *_: None)
        changes = [_granted(i, uid) for i, uid in uids.items()]
        for at in range(0, len(changes), _PER_COMMIT):
            some = changes[at : at + _PER_COMMIT]
            for change in some:
                book.set(change)
            if await ledger.commit(some):
                raise AssertionError("a commit failed")
    finally:
        await api.close()


def _granted(i: int, uid: str) -> Change:
    lease = Lease(f"Deployment/default/web-{i}", uid, "nginx/http", "2026-11-23T05:00:00Z", "k3v9q/1")
    return Change(_POOL, LeaseKey(_FIRST + i, Protocol.TCP), lease)


def runs(plane: ControlPlane, times: int = 5) -> Iterator[Run]:
    """Every command, the best of some tries; raises where one does not do its work."""
    for words in COMMANDS:
        yield min((_run(plane, words) for _ in range(times)), key=lambda run: run.seconds)


def _run(plane: ControlPlane, words: tuple[str, ...]) -> Run:
    command = [sys.executable, "-c", _STOPWATCH, str(Path(sys.executable).parent / "hostport"), *words]
    env = {**os.environ, "KUBECONFIG": str(plane.kubeconfig)}
    out = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, busy, kilobytes = out.split()
    return Run(words, float(seconds), float(busy), int(kilobytes) / 1024)
