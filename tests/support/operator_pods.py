"""The operator as its users install it: two Pods by the project's manifests, from the image of its Dockerfile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from controlplane.cluster import ControlPlane
from tests.support.wait import until

Json = dict[str, Any]

NAMESPACE = "hostport-system"
MANIFESTS = Path(__file__).parent.parent.parent / "manifests"
_ME = ("-l", "app.kubernetes.io/name=hostport-operator")


class OperatorPods:
    """The Deployment hostport-operator."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def install(self) -> None:
        """`kubectl apply -k manifests/`; return when every replica is ready."""
        self.plane.kubectl("apply", "-k", str(MANIFESTS))
        self.start()

    def start(self) -> None:
        """The kubelet starts it; return when every replica is ready."""
        until(lambda: self.is_running, "the operator is available", lambda: self.log[-4000:] + self._events(), 180)

    @property
    def is_running(self) -> bool:
        """Whether all replicas are ready, and no other Pod of it is there."""
        deployment = json.loads(self.kubectl("get", "deployment", "hostport-operator", "-o", "json"))
        wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
        return bool(status.get("readyReplicas") == status.get("updatedReplicas") == len(self.pods()) == wanted)

    def kubectl(self, *args: str) -> str:
        """Kubectl as admin, in the operator's namespace."""
        return self.plane.kubectl("-n", NAMESPACE, *args)

    def pods(self) -> list[str]:
        """The names of its Pods, those on their way out included."""
        return self.kubectl("get", "pods", *_ME, "-o", "jsonpath={.items[*].metadata.name}").split()

    def ask(self, pod: str, port: int, path: str) -> str:
        """What one of its Pods answers over HTTP."""
        return self.plane.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{port}/proxy{path}")

    def leader(self) -> str:
        """The Pod that works, as soon as there is one."""
        return until(lambda: next(filter(self._leads, self.pods()), ""), "a replica leads", lambda: self.log[-4000:])

    @property
    def log(self) -> str:
        """All that its Pods have logged so far."""
        return self.kubectl("logs", *_ME, "--prefix", "--tail=-1", "--ignore-errors")

    def _leads(self, pod: str) -> bool:
        return "\nhostport_leader 1.0" in self.ask(pod, 9095, "/metrics")

    def _events(self) -> str:
        return self.kubectl("get", "events")
