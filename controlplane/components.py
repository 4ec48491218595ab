"""The command line of each component."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from controlplane import kubeconfig
from controlplane.api import probe
from controlplane.binaries import APISERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER
from controlplane.kubeconfig import Identities
from controlplane.pki import Pki
from controlplane.process import Process

HOST = "127.0.0.1"
STAGES = Path(__file__).with_name("stages.yaml")
ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Ports:
    """One port for each listener."""

    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kwok: int


@dataclass(frozen=True)
class Site:
    """Where the components run: by default on this machine's loopback, with nodes that kwok plays.

    `within` stands before every command line, `host` is an address that is theirs there, and `ports` are chosen where
    there are none.
    """

    host: str = HOST
    within: Sequence[str] = ()
    ports: Ports | None = None
    kwok: bool = True


@dataclass(frozen=True)
class Setting:
    """What the command lines are made from."""

    binaries: Mapping[str, Path]
    site: Site
    ports: Ports
    pki: Pki
    identities: Identities
    work: Path
    data: Path
    service_node_port_range: str | None
    apiserver_flags: Sequence[str]

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"https://{self.site.host}:{self.ports.apiserver}"

    @property
    def serving(self) -> list[str]:
        """How each of the Kubernetes components serves."""
        return [
            f"--bind-address={self.site.host}",
            f"--tls-cert-file={self.pki.serving_cert}",
            f"--tls-private-key-file={self.pki.serving_key}",
            "--profiling=false",
        ]


def etcd(setting: Setting) -> list[str]:
    """Throw-away data: nothing is synced to disk."""
    client, peer = (f"http://{setting.site.host}:{port}" for port in (setting.ports.etcd, setting.ports.etcd_peer))
    return [
        str(setting.binaries[ETCD]),
        f"--data-dir={setting.data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync=true",
        f"--quota-backend-bytes={8 << 30}",
        "--log-level=warn",
    ]


def apiserver(setting: Setting) -> list[str]:
    """RBAC is on. A loopback address is never published: it would be refused as an endpoint."""
    key, host = setting.pki.service_account_key, setting.site.host
    node_ports = setting.service_node_port_range
    return [
        str(setting.binaries[APISERVER]),
        f"--etcd-servers=http://{host}:{setting.ports.etcd}",
        *setting.serving,
        f"--secure-port={setting.ports.apiserver}",
        f"--advertise-address={host}",
        *(["--endpoint-reconciler-type=none"] if host == HOST else []),
        "--authorization-mode=Node,RBAC",
        f"--token-auth-file={setting.identities.token_file}",
        f"--client-ca-file={setting.pki.ca}",
        f"--kubelet-client-certificate={setting.pki.kubelet_client_cert}",
        f"--kubelet-client-key={setting.pki.kubelet_client_key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        f"--service-account-issuer={ISSUER}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
        *([f"--service-node-port-range={node_ports}"] if node_ports else []),
        *setting.apiserver_flags,
    ]


def controller_manager(setting: Setting) -> list[str]:
    """All controllers but the one that would hand out Pod networks; each acts as its own service account.

    A node stays Ready without a heartbeat: a machine that is too busy to beat in time must not fail a test.
    """
    return [
        str(setting.binaries[CONTROLLER_MANAGER]),
        *setting.serving,
        f"--secure-port={setting.ports.controller_manager}",
        f"--kubeconfig={setting.identities.kubeconfigs[kubeconfig.CONTROLLER_MANAGER]}",
        "--controllers=*,-nodeipam",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={setting.pki.service_account_key}",
        f"--root-ca-file={setting.pki.ca}",
        "--leader-elect=false",
        "--node-monitor-grace-period=24h",
        "--kube-api-qps=2000",
        "--kube-api-burst=4000",
        "--concurrent-deployment-syncs=20",
        "--concurrent-replicaset-syncs=20",
        "--concurrent-statefulset-syncs=20",
        "--concurrent-gc-syncs=40",
    ]


def scheduler(setting: Setting) -> list[str]:
    """The default profile with a client that is not held back."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {
            "kubeconfig": str(setting.identities.kubeconfigs[kubeconfig.SCHEDULER]),
            "qps": 2000,
            "burst": 4000,
        },
        "enableProfiling": False,
    }
    path = setting.work / "scheduler.yaml"
    path.write_text(yaml.safe_dump(config))
    return [
        str(setting.binaries[SCHEDULER]),
        *setting.serving[:-1],
        f"--secure-port={setting.ports.scheduler}",
        f"--config={path}",
    ]


def kwok(setting: Setting) -> list[str]:
    """The kubelet of every node.

    It renews no node leases: after a restart, it would touch no node before the lease of its former life has run out.
    """
    config = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "podPlayStageParallelism": 32,
            "nodePlayStageParallelism": 16,
            "podsOnNodeSyncParallelism": 8,
            "enableDebuggingHandlers": False,
        },
    }
    path = setting.work / "kwok.yaml"
    path.write_text(yaml.safe_dump(config))
    return [
        str(setting.binaries[KWOK]),
        f"--kubeconfig={setting.identities.kubeconfigs[kubeconfig.KWOK]}",
        f"--config={path},{STAGES}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=0",
        f"--node-ip={HOST}",
        f"--server-address={HOST}:{setting.ports.kwok}",
    ]


def processes(setting: Setting, log_dir: Path) -> dict[str, Process]:
    """All of them, in the order in which they are started; none is started yet."""
    tls = ssl.create_default_context(cafile=str(setting.pki.ca))
    admin = {"Authorization": f"Bearer {setting.identities.tokens[kubeconfig.ADMIN]}"}
    ports, host, within = setting.ports, setting.site.host, setting.site.within
    return {
        name: Process(name, [*within, *command(setting)], log_dir / f"{name}.log", partial(probe, url, tls, headers))
        for name, command, url, headers in (
            (ETCD, etcd, f"http://{host}:{ports.etcd}/readyz", {}),
            (APISERVER, apiserver, f"{setting.url}/readyz", admin),
            (CONTROLLER_MANAGER, controller_manager, f"https://{host}:{ports.controller_manager}/healthz", {}),
            (SCHEDULER, scheduler, f"https://{host}:{ports.scheduler}/readyz", {}),
            (KWOK, kwok, f"http://{host}:{ports.kwok}/healthz", {}),
        )
        if name != KWOK or setting.site.kwok
    }
