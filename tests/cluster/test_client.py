"""The connection to the API server, from a kubeconfig and from inside a Pod."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.config import incluster_config

from controlplane.cluster import ControlPlane
from hostport.cluster import paths
from hostport.cluster.client import Api
from hostport.cluster.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.cluster


def test_in_a_pod_the_service_account_is_used(
    installed: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two files that the kubelet mounts are put elsewhere; server, token and answer are real."""
    (tmp_path / "token").write_text(installed.admin_token)
    url = urlsplit(installed.url)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(installed.ca_file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(url.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(url.port))
    monkeypatch.delenv("KUBECONFIG", raising=False)

    async def look() -> str:
        api = await Api.connect()
        try:
            return str((await api.get(paths.POOLS))["kind"])
        finally:
            await api.close()

    assert asyncio.run(look()) == "HostPortPoolList"


def test_every_refusal_has_its_type(installed: ControlPlane) -> None:
    async def look() -> None:
        api = await Api.connect(str(installed.kubeconfig))
        try:
            with pytest.raises(NotFound):
                await api.get(f"{paths.POOLS}/no-such-pool")
            with pytest.raises(Invalid, match="runs backwards"):
                await api.create(paths.POOLS, pool("5-1"))
            await api.create(paths.POOLS, pool("64990"))
            stale = {"metadata": {"resourceVersion": "1"}, "spec": {"priority": 1}}
            with pytest.raises(Conflict):
                await api.patch(f"{paths.POOLS}/typed", stale)
            await api.delete(f"{paths.POOLS}/typed")
        finally:
            await api.close()

    asyncio.run(look())


def pool(numbers: str) -> dict[str, object]:
    head = {"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": "typed"}}
    return {**head, "spec": {"ranges": [numbers], "default": False}}
