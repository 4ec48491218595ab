"""What a node has to reach the API server with."""

from __future__ import annotations

import os
from pathlib import Path

# The kubelet's own: kubeadm, then other installers, k3s, RKE2. It may list the Pods of its node.
_KUBELET = (
    "etc/kubernetes/kubelet.conf",
    "var/lib/kubelet/kubeconfig",
    "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
)


def kubeconfig_of_node(root: Path) -> str | None:
    """The kubelet's kubeconfig, where neither the environment nor the home directory names one."""
    if _has_own():
        return None
    return next((str(root / path) for path in _KUBELET if (root / path).exists()), None)


def has_credentials(root: Path) -> bool:
    """Whether there is anything to reach the API server with."""
    return _has_own() or kubeconfig_of_node(root) is not None


def _has_own() -> bool:
    named = any(os.environ.get(name) for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"))
    return named or (Path.home() / ".kube" / "config").exists()
