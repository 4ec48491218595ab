"""Other versions of the package, built from the repository's history and unpacked beside each other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class NoHistory(Exception):
    """There is nothing to build an earlier version from; the text says why."""


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHistory(f"{' '.join(command[:3])}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def earlier() -> str:
    """The last release's tag, or the last commit but one that has changed the operator."""
    if not (ROOT / ".git").exists():
        raise NoHistory("this is no git checkout, so there is no earlier version to build")
    tags = _run("git", "tag", "--merged", "HEAD", "--sort=-creatordate", "v*").split()
    commits = [*tags, *_run("git", "log", "-n", "2", "--format=%H", "--", "operator").split()[1:]]
    if not commits:
        raise NoHistory("this is a shallow clone without an earlier version: git fetch --unshallow")
    return commits[0]


def unpack(commit: str, folder: Path) -> Mapping[str, str]:
    """Build a commit's wheel, or that of the working tree for the empty string; returns the environment to run it in.

    Its dependencies are those of this interpreter.
    """
    source = _checked_out(commit, folder / "source") if commit else ROOT
    uv = shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")
    _run(uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(source))
    (wheel,) = (folder / "dist").glob("*.whl")
    package = folder / "package"
    shutil.unpack_archive(wheel, package, "zip")
    env = {"PYTHONPATH": str(package)}
    _must_run_from(package, env)
    return env


def _checked_out(commit: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    _run("git", "archive", "--output", str(archive), commit)
    shutil.unpack_archive(archive, folder)
    return folder


def _must_run_from(package: Path, env: Mapping[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import hostport; print(hostport.__file__)"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found.startswith(str(package)), f"{found} is run instead of {package}"
