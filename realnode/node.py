"""A cluster of one real node: control plane, containerd, kubelet and kube-proxy on a machine of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from controlplane import nodes, recipe
from controlplane.binaries import ETCD, KUBECTL, TRIO
from controlplane.build import build
from controlplane.cluster import ControlPlane
from controlplane.components import Ports, Site
from controlplane.golang import Say
from controlplane.kubeconfig import REAL_NODE
from controlplane.process import Process
from controlplane.provide import cni_plugins, provide
from controlplane.recipe import KUBERNETES
from controlplane.workdir import WorkDir
from realnode import busybox
from realnode.kubelet import kube_proxy, kubelet
from realnode.machine import Machine
from realnode.requirements import require_node
from realnode.runtime import Backend, Runtime

# Where everybody expects them; nothing else listens in a network of its own.
_PORTS = Ports(etcd=2379, etcd_peer=2380, apiserver=6443, controller_manager=10257, scheduler=10259, kwok=10247)
_KUBELET, _KUBE_PROXY = "kubelet", "kube-proxy"


class RealNode:
    """Started by `start()` or `with`; nothing of it is left after `stop()`. `say` hears what is installed or built."""

    def __init__(self, say: Say, backend: Backend = Backend.IPTABLES, log_dir: Path | None = None) -> None:
        self.backend = backend
        self._say = say
        self._log_dir = log_dir
        self._stack = contextlib.ExitStack()
        self._processes: list[Process] = []

    def start(self) -> Self:
        """Return when the node is Ready; raise `ImpossibleError` where this machine can't have one."""
        binaries, plugins = provide_all(self._say)
        with contextlib.ExitStack() as stack:
            work = WorkDir.on_disk()
            stack.callback(work.remove)
            logs = self._log_dir or work.path / "log"
            logs.mkdir(parents=True, exist_ok=True)
            self.machine = Machine(work.path)
            stack.callback(self.machine.stop)
            self.machine.start()
            self._bring_up(stack, binaries, plugins, work.path, logs)
            self._stack = stack.pop_all()
        return self

    def stop(self) -> None:
        """End everything: with its first process the whole machine goes."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where the node is reached from outside."""
        return self.machine.address

    def run(self, *command: str) -> str:
        """What a command prints that runs on the node, as root."""
        return self.machine.run(*command)

    def load(self, archive: Path) -> None:
        """Give the node the images in an archive (docker save)."""
        self._runtime.load(archive)

    def check(self) -> None:
        """Raise if something has ended that should not have."""
        self.machine.check()
        self.plane.check()
        for process in self._processes:
            process.check()

    def _end_clients(self) -> None:
        for process in self._processes:
            process.kill()

    def _bring_up(
        self, stack: contextlib.ExitStack, binaries: Mapping[str, Path], plugins: Path, work: Path, logs: Path
    ) -> None:
        machine = self.machine
        _bypass_proxies(machine.address)
        archive = work / "busybox.tar"
        busybox.write(archive)
        self._runtime = Runtime(machine, work, logs, plugins, self.backend)
        self._runtime.process.start()
        site = Site(machine.address, machine.in_its_network, _PORTS, kwok=False)
        self.plane = stack.enter_context(ControlPlane(binaries=binaries, log_dir=logs, site=site))
        proxy = kube_proxy(machine, self.plane, binaries[_KUBE_PROXY], work, logs, self.backend)
        self._processes = [self._runtime.process, kubelet(machine, self.plane, binaries[_KUBELET], work, logs), proxy]
        self._runtime.start([archive])
        # Before the API server ends: it would wait for them.
        stack.callback(self._end_clients)
        for process in self._processes:
            process.start()
        for process in self._processes:
            process.wait_healthy()
        nodes.wait_ready(self.plane.api, [REAL_NODE])


def provide_all(say: Say) -> tuple[dict[str, Path], Path]:
    """Install and build what is missing: the binaries, and the folder of CNI's plugins."""
    require_node(say)
    return _binaries(say), cni_plugins(say)


def _binaries(say: Say) -> dict[str, Path]:
    """All built from one module: a kubelet must not be newer than its API server, wherever that one may come from."""
    names = [ETCD, *TRIO, _KUBELET, _KUBE_PROXY]
    root = recipe.cache_root()
    build(names, root, say)
    return {name: KUBERNETES.cache_in(root) / name for name in names} | provide([KUBECTL])


def _bypass_proxies(address: str) -> None:
    # The node is at the other end of a cable of our own; a proxy for the world outside knows no way to it.
    for name in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(name, "localhost,127.0.0.1")
        os.environ[name] = ",".join([*known.split(","), address])
