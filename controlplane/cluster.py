"""A real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Self

from controlplane import components, kubeconfig, nodes, pki
from controlplane.api import Api
from controlplane.binaries import APISERVER, CONTROLLER_MANAGER, ETCD, KUBECTL, KWOK, SCHEDULER
from controlplane.components import Ports, Setting, Site
from controlplane.errors import ComponentError, ControlPlaneError, KubectlError
from controlplane.ports import free_ports
from controlplane.process import START_TIMEOUT, Process
from controlplane.provide import provide
from controlplane.workdir import WorkDir

_DEFAULT_SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
_CLIENTS = (KWOK, SCHEDULER, CONTROLLER_MANAGER)
_TOKEN_SECONDS = 24 * 3600


class ControlPlane:
    """Started by `start()` or `with`, and nothing of it is left after `stop()`."""

    def __init__(
        self,
        *,
        binaries: Mapping[str, Path] | None = None,
        service_node_port_range: str | None = None,
        apiserver_flags: Sequence[str] = (),
        log_dir: Path | None = None,
        site: Site | None = None,
    ) -> None:
        self._binaries = binaries
        self._site = site or Site()
        self._service_node_port_range = service_node_port_range
        self._apiserver_flags = tuple(apiserver_flags)
        self._log_dir = log_dir
        self._stack = contextlib.ExitStack()
        self._processes: dict[str, Process] = {}

    def start(self) -> Self:
        """Return when every component is healthy and Pods can be created."""
        if self._processes:
            raise ControlPlaneError("this control plane is already running")
        with contextlib.ExitStack() as stack:
            self._setting = self._prepare(stack)
            self.log_dir = self._log_dir or self._setting.work / "log"
            self.log_dir.mkdir(parents=True, exist_ok=True)
            self._processes = components.processes(self._setting, self.log_dir)
            stack.callback(self._end)
            self._bring_up()
            self._stack = stack.pop_all()
        return self

    def stop(self) -> None:
        """End every component, kubelet before API server before etcd, and remove the files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def processes(self) -> Mapping[str, Process]:
        """The components by name, in the order they are started."""
        return self._processes

    def process(self, name: str) -> Process:
        """One component: `process("etcd").kill()`, `process("etcd").restart()`."""
        return self._processes[name]

    def kill_apiserver(self) -> None:
        """As a crash would."""
        self.process(APISERVER).kill()

    def start_apiserver(self) -> None:
        """On the same port; return when it is ready."""
        self.process(APISERVER).restart()
        self._wake_kwok()

    def kill_etcd(self) -> None:
        """As a crash would."""
        self.process(ETCD).kill()

    def start_etcd(self) -> None:
        """On the same data; return when the API server is ready again."""
        self.process(ETCD).restart()
        self.process(APISERVER).wait_healthy()
        self._wake_kwok()

    def add_nodes(
        self,
        wanted: int | Sequence[str],
        *,
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
        capacity: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Nodes by number (node-1, node-2, …) or by name; return when the scheduler may use them."""
        names = nodes.free_names(self.api, wanted) if isinstance(wanted, int) else list(wanted)
        room = nodes.CAPACITY | dict(capacity or {})
        for name, number in zip(names, nodes.free_numbers(self.api), strict=False):
            self.api.post("/api/v1/nodes", nodes.node(name, number, labels or {}, taints, room))
        nodes.wait_ready(self.api, names)
        return names

    def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with which to act as this (existing) service account."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        answer = self.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body)
        token = answer["status"]["token"]
        return kubeconfig.write(
            self._setting.work / f"{namespace}.{name}.kubeconfig", self.url, self.ca_file, name, token, namespace
        )

    def kubectl(self, *args: str, input: str | None = None) -> str:
        """What kubectl prints, as admin; raise KubectlError with its stderr if it fails."""
        command = [str(self._setting.binaries[KUBECTL]), *args]
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, check=False, env=self._kubectl_environment()
        )
        if done.returncode:
            raise KubectlError(args, done.returncode, done.stderr)
        return done.stdout

    def check(self) -> None:
        """Raise if a component has ended."""
        for process in self._processes.values():
            process.check()

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self._setting.url

    @property
    def etcd_url(self) -> str:
        """Where etcd is: its own API, as JSON over HTTP."""
        return f"http://{self._setting.site.host}:{self._setting.ports.etcd}"

    @property
    def etcd_data(self) -> Path:
        """Where etcd keeps its data."""
        return self._setting.data

    @property
    def ca_file(self) -> Path:
        """What verifies its certificate."""
        return self._setting.pki.ca

    @property
    def admin_token(self) -> str:
        """The bearer token of a member of system:masters."""
        return self._setting.identities.tokens[kubeconfig.ADMIN]

    @property
    def kubeconfig(self) -> Path:
        """The admin's, the CA and the token inside."""
        return self._setting.identities.kubeconfigs[kubeconfig.ADMIN]

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of one of the users in `controlplane.kubeconfig`."""
        return self._setting.identities.kubeconfigs[user]

    @property
    def api(self) -> Api:
        """Plain requests as admin."""
        return Api(self.url, self.admin_token, self.ca_file)

    def _kubectl_environment(self) -> dict[str, str]:
        # A cache of its own: the user's may remember the API of an earlier cluster on the same port.
        own = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self._setting.work / "kubectl")}
        return dict(os.environ) | own

    def _prepare(self, stack: contextlib.ExitStack) -> Setting:
        binaries = self._binaries or provide()
        work, data = WorkDir.on_disk(), WorkDir.in_memory()
        stack.callback(work.remove)
        stack.callback(data.remove)
        site = self._site
        ports = site.ports or Ports(*free_ports(len(fields(Ports))))
        keys = pki.make(work.path, site.host)
        return Setting(
            binaries=binaries,
            site=site,
            ports=ports,
            pki=keys,
            identities=kubeconfig.issue(work.path, f"https://{site.host}:{ports.apiserver}", keys.ca),
            work=work.path,
            data=data.path / "etcd",
            service_node_port_range=self._service_node_port_range,
            apiserver_flags=self._apiserver_flags,
        )

    def _bring_up(self) -> None:
        for name in (ETCD, APISERVER):
            self.process(name).start()
            self.process(name).wait_healthy()
        clients = [process for name, process in self._processes.items() if name in _CLIENTS]
        for process in clients:
            process.start()
        for process in clients:
            process.wait_healthy()
        self._wait_for_default_service_account()

    def _wake_kwok(self) -> None:
        # kwok forgets a Pod when its patch is cut off or answered with 500; it looks at all of them when it starts.
        if KWOK in self._processes:
            self.process(KWOK).restart()

    def _wait_for_default_service_account(self) -> None:
        # Until the controller manager has made it, Pods in this namespace are refused.
        deadline = time.monotonic() + START_TIMEOUT
        while not self.api.exists(_DEFAULT_SERVICE_ACCOUNT):
            self.check()
            if time.monotonic() > deadline:
                raise ComponentError(
                    CONTROLLER_MANAGER, "made no default service account", self.process(CONTROLLER_MANAGER).log
                )
            time.sleep(0.05)

    def _end(self) -> None:
        for group in (_CLIENTS, (APISERVER,), (ETCD,)):
            running = [process for name, process in self._processes.items() if name in group]
            for process in running:
                process.terminate()
            for process in running:
                process.stop()
        self._processes = {}
