"""What can be built, from which pinned module, and where the result is kept."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import platformdirs

from controlplane.binaries import APISERVER, CONTROLLER_MANAGER, ETCD, KUBECTL, KWOK, SCHEDULER

MODULES = Path(__file__).with_name("modules")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Module:
    """A go.mod and go.sum."""

    name: str
    version_of: str = ""

    @property
    def directory(self) -> Path:
        """Where go is run."""
        return MODULES / self.name

    @cached_property
    def go_mod(self) -> str:
        """The text of go.mod."""
        return (self.directory / "go.mod").read_text()

    @property
    def required_go(self) -> str:
        """The oldest Go that will do."""
        return _match(r"^go (\S+)$", self.go_mod)

    @property
    def flags(self) -> list[str]:
        """Flags of `go build` and of `go list`."""
        return ["-mod=readonly", "-trimpath", f"-ldflags={' '.join(['-s', '-w', *self._version_flags()])}"]

    def cache_in(self, root: Path) -> Path:
        """The directory of the binaries that exactly these sources and flags give."""
        content = [self.go_mod, (self.directory / "go.sum").read_text(), *self.flags]
        digest = hashlib.sha256("\0".join(content).encode()).hexdigest()[:10]
        machine = platform.machine().lower()
        return root / f"{self.name}-{digest}-{platform.system().lower()}-{_MACHINES.get(machine, machine)}"

    def _version_flags(self) -> list[str]:
        if not self.version_of:
            return []
        version = _match(rf"^\s*(?:require )?{re.escape(self.version_of)} (v\S+)", self.go_mod)
        major, minor = version.removeprefix("v").split(".")[:2]
        facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
        return [f"-X k8s.io/component-base/version.{key}={value}" for key, value in facts.items()]


@dataclass(frozen=True)
class Target:
    """A binary, its main package, and what building it cold costs on two cores."""

    binary: str
    module: Module
    package: str
    packages: int = field(compare=False)
    seconds: float = field(compare=False)


KUBERNETES = Module("kubernetes", version_of="k8s.io/kubernetes")
KWOK_MODULE = Module("kwok")
CNI = Module("cni")
HELM = Module("helm")

_K8S = "k8s.io/kubernetes/cmd"
_PLUGINS = "github.com/containernetworking/plugins/plugins"
TARGETS = {
    target.binary: target
    for target in (
        Target(ETCD, KUBERNETES, "go.etcd.io/etcd/server/v3", 565, 45),
        Target(APISERVER, KUBERNETES, f"{_K8S}/kube-apiserver", 1616, 220),
        Target(SCHEDULER, KUBERNETES, f"{_K8S}/kube-scheduler", 61, 30),
        Target(CONTROLLER_MANAGER, KUBERNETES, f"{_K8S}/kube-controller-manager", 308, 60),
        Target(KUBECTL, KUBERNETES, f"{_K8S}/kubectl", 193, 30),
        Target(KWOK, KWOK_MODULE, "sigs.k8s.io/kwok/cmd/kwok", 974, 86),
        Target("kubelet", KUBERNETES, f"{_K8S}/kubelet", 200, 30),
        Target("kube-proxy", KUBERNETES, f"{_K8S}/kube-proxy", 60, 15),
        Target("cnitool", CNI, "github.com/containernetworking/cni/cnitool", 110, 5),
        Target("host-local", CNI, f"{_PLUGINS}/ipam/host-local", 150, 6),
        Target("bridge", CNI, f"{_PLUGINS}/main/bridge", 152, 6),
        Target("loopback", CNI, f"{_PLUGINS}/main/loopback", 104, 4),
        Target("portmap", CNI, f"{_PLUGINS}/meta/portmap", 137, 6),
        Target("helm", HELM, "helm.sh/helm/v3/cmd/helm", 579, 52),
    )
}


def cache_root() -> Path:
    """The user's cache folder of this project."""
    return Path(platformdirs.user_cache_dir("hostport-operator")) / "controlplane"


def cache_directories(root: Path) -> Sequence[Path]:
    """Where built binaries would be."""
    return [module.cache_in(root) for module in (KUBERNETES, KWOK_MODULE)]


def _match(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if not match:
        raise ValueError(f"go.mod has no line like {pattern}")
    return match[1]
