"""Packages: what is there is left alone, what can't be had is said."""

from __future__ import annotations

import os
import subprocess

import pytest

from controlplane import packages
from controlplane.errors import NoPackageSourceError, PackageError


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """A PATH on which there is only what the test puts there."""

    def make(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name.replace("_", "-")).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


def test_what_is_installed_is_not_installed_again(on_path, tmp_path):
    on_path(dpkg_query="echo runc installed", apt_get=f"echo called > {tmp_path}/calls")
    packages.provide_packages("runc")
    assert not (tmp_path / "calls").exists()


def test_old_lists_are_read_anew_once(on_path, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    on_path(
        dpkg_query="echo runc config-files",
        apt_get=f'case "$*" in *update*) : > {tmp_path}/new;; *) [ -e {tmp_path}/new ];; esac',
    )
    packages.provide_packages("runc", "conntrack")
    assert (tmp_path / "new").exists()


def test_what_cannot_be_installed_is_named_with_what_to_do(on_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    on_path(dpkg_query="exit 1", apt_get='case "$*" in *update*) ;; *) echo no such package >&2; exit 100;; esac')
    said = r"missing: runc: .*no such package; install them: apt-get install runc"
    with pytest.raises(PackageError, match=said) as raised:
        packages.provide_packages("runc")
    assert not isinstance(raised.value, NoPackageSourceError), "the mirror has answered"


def test_a_mirror_that_does_not_answer_is_no_source(on_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    on_path(dpkg_query="exit 1", apt_get="echo could not connect >&2; exit 100")
    with pytest.raises(NoPackageSourceError, match="could not connect"):
        packages.provide_packages("runc")


@pytest.mark.parametrize(("apt", "why"), [({}, "no Debian"), ({"apt_get": "exit 1"}, "only root")])
def test_elsewhere_and_without_root_that_is_said(on_path, monkeypatch, apt, why):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    on_path(**apt)
    with pytest.raises(NoPackageSourceError, match=why):
        packages.provide_packages("runc")


def test_dpkg_is_asked_in_its_own_words():
    try:
        subprocess.run(["dpkg-query", "--version"], check=True, capture_output=True)
    except OSError:
        pytest.skip("no dpkg here")
    assert packages.missing_packages(["dpkg", "no-such-package-at-all"]) == ["no-such-package-at-all"]
