"""The builder, with a stand-in for go: what is half built never gets its name, and two never build at once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from controlplane import build as builder
from controlplane.errors import BuildError
from controlplane.golang import Go
from controlplane.recipe import KUBERNETES, TARGETS

ETCD = TARGETS["etcd"]


@pytest.fixture
def said():
    return []


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Replaces go by a shell script: `list` prints two packages, `build` does what the test says with $OUT."""

    def script(build: str) -> None:
        path = tmp_path / "go"
        path.write_text(
            textwrap.dedent(f"""\
            #!/bin/sh
            echo "$1" >> {tmp_path}/calls
            if [ "$1" = list ]; then echo one; echo two; exit; fi
            while [ "$1" != -o ]; do shift; done; OUT=$2
            {build}
            """)
        )
        path.chmod(0o755)
        monkeypatch.setattr(builder, "find_go", lambda *_: Go(path, dict(os.environ)))

    return script


def home(root):
    return ETCD.module.cache_in(root)


def test_a_binary_is_built_into_the_cache(go, tmp_path, said, capfd):
    go("echo one >&2; echo two >&2; echo whole > $OUT")
    builder.build(["etcd"], tmp_path / "cache", said.append)
    assert (home(tmp_path / "cache") / "etcd").read_text() == "whole\n"
    assert "This happens once" in (shown := capfd.readouterr().err)
    assert "1 of 1 built" in shown


def test_what_is_in_the_cache_is_not_built_again(go, tmp_path, said):
    go("echo whole > $OUT")
    for _ in range(2):
        builder.build(["etcd"], tmp_path / "cache", said.append)
    assert (tmp_path / "calls").read_text().split() == ["list", "build"]


def test_a_failed_build_leaves_no_binary_and_says_what_to_do(go, tmp_path, said):
    go("echo half > $OUT; echo 'write: no space left on device' >&2; exit 1")
    with pytest.raises(BuildError, match=r"(?s)could not build etcd.*no space left on device.*The disk is full"):
        builder.build(["etcd"], tmp_path / "cache", said.append)
    assert not (home(tmp_path / "cache") / "etcd").exists()


def test_what_an_interrupted_build_left_is_swept_and_built_anew(go, tmp_path, said):
    home(tmp_path).mkdir(parents=True)
    left = home(tmp_path) / ".kwok.part"
    left.write_text("half")
    go("echo whole > $OUT")
    builder.build(["etcd"], tmp_path, said.append)
    assert [path.name for path in home(tmp_path).iterdir()] == ["etcd"]


def test_the_second_builder_waits_says_so_and_builds_nothing(go, tmp_path, said):
    go("echo whole > $OUT")
    waiting, done = threading.Event(), threading.Event()

    def second():
        builder.build(["etcd"], tmp_path, lambda line: (said.append(line), waiting.set()))
        done.set()

    with builder.locked(tmp_path, said.append):
        threading.Thread(target=second).start()
        assert waiting.wait(10)
        assert not done.is_set()
        home(tmp_path).mkdir()
        (home(tmp_path) / "etcd").write_text("built by the first")
    assert done.wait(10)
    assert said == [f"Process {os.getpid()} is building right now: waiting for it."]
    assert not (tmp_path / "calls").exists()


def test_a_builder_that_was_killed_holds_no_lock(tmp_path, said):
    hold = "import controlplane.build as b, pathlib, sys, time\n"
    hold += "with b.locked(pathlib.Path(sys.argv[1]), print): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with builder.locked(tmp_path, said.append):
        assert said == []


def test_other_sources_or_flags_have_another_place_in_the_cache(tmp_path, monkeypatch):
    before = KUBERNETES.cache_in(tmp_path)
    monkeypatch.setitem(KUBERNETES.__dict__, "go_mod", KUBERNETES.go_mod.replace("v1.37.2", "v1.37.3"))
    assert KUBERNETES.cache_in(tmp_path) != before


def test_the_version_is_the_one_that_is_pinned():
    assert "-X k8s.io/component-base/version.gitMinor=37" in KUBERNETES.flags[-1]
    assert KUBERNETES.required_go == "1.26.0"
