"""The kubelet and kube-proxy: configuration and start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import yaml

from controlplane import kubeconfig
from controlplane.api import probe
from controlplane.cluster import ControlPlane
from controlplane.process import Process
from realnode.machine import Machine
from realnode.runtime import POD_RANGE, SOCKET, Backend

_HEALTH_PORT, _PROXY_HEALTH_PORT = 10248, 10256


def kubelet(machine: Machine, plane: ControlPlane, executable: Path, work: Path, logs: Path) -> Process:
    """The kubelet of the one node, not started yet."""
    config = work / "kubelet.yaml"
    config.write_text(yaml.safe_dump(_kubelet(machine, plane)))
    command = [
        *machine.within,
        str(executable),
        f"--config={config}",
        f"--kubeconfig={plane.kubeconfig_of(kubeconfig.KUBELET)}",
        f"--hostname-override={kubeconfig.REAL_NODE}",
        f"--node-ip={machine.address}",
    ]
    healthy = partial(probe, f"http://{machine.address}:{_HEALTH_PORT}/healthz")
    return Process("kubelet", command, logs / "kubelet.log", healthy)


def kube_proxy(
    machine: Machine, plane: ControlPlane, executable: Path, work: Path, logs: Path, backend: Backend
) -> Process:
    """What makes Services reachable on the node, not started yet."""
    config = work / "kube-proxy.yaml"
    config.write_text(yaml.safe_dump(_kube_proxy(machine, plane, backend)))
    command = [*machine.within, str(executable), f"--config={config}", f"--hostname-override={kubeconfig.REAL_NODE}"]
    healthy = partial(probe, f"http://{machine.address}:{_PROXY_HEALTH_PORT}/livez")
    return Process("kube-proxy", command, logs / "kube-proxy.log", healthy)


def _kubelet(machine: Machine, plane: ControlPlane) -> dict[str, object]:
    """No hierarchy of cgroups by quality of service and no eviction: the machine's disk and memory are shared."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": machine.address,
        "healthzBindAddress": machine.address,
        "healthzPort": _HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plane.ca_file)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": ["10.96.0.10"],  # nobody is there; without one every Pod gets a warning
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": machine.cgroup,
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "volumePluginDir": "/run/kubelet/plugins",
    }


def _kube_proxy(machine: Machine, plane: ControlPlane, backend: Backend) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": str(backend),
        "clusterCIDR": POD_RANGE,
        "clientConnection": {"kubeconfig": str(plane.kubeconfig_of(kubeconfig.KUBE_PROXY))},
        "healthzBindAddress": f"{machine.address}:{_PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        # The size of the connection table is the whole machine's; another network namespace may not set it.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
