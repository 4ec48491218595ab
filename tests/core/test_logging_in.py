"""Where kopf looks for the API server in a Pod: at the address the kubelet tells, whatever the cluster's DNS does."""

from __future__ import annotations

import kopf
import pytest

from hostport.run import watching


@pytest.fixture
def in_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ServiceAccount's token is there, as in every Pod."""
    found = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="secret")  # noqa: S106
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: found)


@pytest.mark.parametrize(
    ("host", "port", "want"),
    [
        ("10.96.0.1", "443", "https://10.96.0.1:443"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("", "", "https://kubernetes.default.svc"),
    ],
)
def test_the_address_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, in_pod: None, host: str, port: str, want: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    found = watching._login_in_pod()
    assert found is not None
    assert (found.server, found.token) == (want, "secret")
