"""Who may talk to the API server, and the kubeconfigs that say so."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
KWOK = "kwok"
REAL_NODE = "node-1"
KUBELET = f"system:node:{REAL_NODE}"
KUBE_PROXY = "system:kube-proxy"

# RBAC's bootstrap bindings know these by their user names; the Node authorizer knows a kubelet by its name and group.
_GROUPS = {
    ADMIN: "system:masters",
    KWOK: "system:masters",
    CONTROLLER_MANAGER: "",
    SCHEDULER: "",
    KUBELET: "system:nodes",
    KUBE_PROXY: "",
}


@dataclass(frozen=True)
class Identities:
    """A token for each user, the API server's list of them, and a kubeconfig for each."""

    tokens: Mapping[str, str]
    token_file: Path
    kubeconfigs: Mapping[str, Path]


def issue(directory: Path, url: str, ca_file: Path) -> Identities:
    """Fresh tokens, and the files that carry them."""
    tokens = {user: secrets.token_hex(16) for user in _GROUPS}
    rows = [f'{token},{user},{user},"{_GROUPS[user]}"' for user, token in tokens.items()]
    token_file = directory / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text("\n".join(rows) + "\n")
    files = {user: directory / f"{user.removeprefix('system:').replace(':', '.')}.kubeconfig" for user in tokens}
    return Identities(
        tokens, token_file, {user: write(path, url, ca_file, user, tokens[user]) for user, path in files.items()}
    )


def write(path: Path, url: str, ca_file: Path, user: str, token: str, namespace: str = "default") -> Path:
    """A kubeconfig with the CA and the token inside, so that the file can be carried around."""
    ca = base64.b64encode(ca_file.read_bytes()).decode()
    config: Mapping[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "hostport", "cluster": {"server": url, "certificate-authority-data": ca}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "hostport", "context": {"cluster": "hostport", "user": user, "namespace": namespace}}],
        "current-context": "hostport",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
