"""The operator's and the agent's image: built by the project's Dockerfile, once for every content it may have."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from controlplane.build import locked
from controlplane.golang import Say
from controlplane.workdir import WorkDir
from realnode import stand_in
from realnode.requirements import find_program, require_builder
from realnode.run import narrate, run, succeeds

OPERATOR, AGENT = "operator", "agent"

_PROJECT = Path(__file__).parents[1]
# What .dockerignore lets through, and what decides what is made of it.
_CONTENT = ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml", "uv.lock", "operator")
# How this machine reaches package indexes and knows them: the build does it in the same way.
_CONFIGURATION = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", "/etc/uv/uv.toml")
_KEPT = 3


def provide_images(say: Say) -> dict[str, Path]:
    """The archive (docker save) of each target's image; built first where the checkout's content has none yet.

    The base image is made of Debian's packages. With HOSTPORT_PULL=1 in the environment it is pulled.
    """
    folder = Path(platformdirs.user_cache_dir("hostport-operator")) / "images"
    digest = _digest()
    images = {target: folder / f"{target}-{digest}.tar" for target in (OPERATOR, AGENT)}
    if not all(path.exists() for path in images.values()):
        require_builder(say)
        with locked(folder, say):
            _sweep(folder)
            _build({target: path for target, path in images.items() if not path.exists()}, folder, say)
    for path in images.values():
        os.utime(path)
    return images


def _digest() -> str:
    content = hashlib.sha256(os.environ.get("HOSTPORT_PULL", "").encode())
    for path in sorted(_files()):
        content.update(f"{path.relative_to(_PROJECT)}\0".encode() + path.read_bytes())
    return content.hexdigest()[:12]


def _files() -> list[Path]:
    tops = [_PROJECT / name for name in _CONTENT]
    found = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def _build(images: dict[str, Path], folder: Path, say: Say) -> None:
    within = _alone()
    work = WorkDir.on_disk()
    try:
        # All mounts that a build makes are in a namespace that ends with it, whichever way it ends.
        store = (
            f"--root={work.path}/store",
            f"--runroot={work.path}/run",
            f"--storage-driver={_driver(within, work.path)}",
        )
        buildah = [*within, find_program("buildah"), *store]
        base = _base(buildah, within, folder, work.path, say)
        for target, path in images.items():
            say(f"Building the image of the {target} by the Dockerfile, once for this content; about half a minute.")
            _build_one(buildah, target, path, base, say)
    finally:
        work.remove()


def _driver(within: Sequence[str], work: Path) -> str:
    """How layers are kept: in whole copies where the disk is an overlay itself, as in a container."""
    folders = lower, upper, scratch, merged = [work / name for name in ("lower", "upper", "scratch", "merged")]
    for folder in folders:
        folder.mkdir()
    how = f"lowerdir={lower},upperdir={upper},workdir={scratch}"
    return "overlay" if succeeds([*within, "mount", "-t", "overlay", "-o", how, "hostport", str(merged)]) else "vfs"


def _base(buildah: Sequence[str], within: Sequence[str], folder: Path, work: Path, say: Say) -> str:
    """Have the Dockerfile's base image there; the argument with which it is asked for."""
    if not os.environ.get("HOSTPORT_PULL"):
        return stand_in.commit(buildah, stand_in.root_archive(folder, work, within, say))
    version = re.findall(r"^ARG PYTHON=(\S+)", (_PROJECT / "Dockerfile").read_text(), re.MULTILINE)[0]
    narrate([*buildah, "pull", f"docker.io/library/python:{version}-slim"], "", say)
    return str(version)


def _build_one(buildah: Sequence[str], target: str, path: Path, python: str, say: Say) -> None:
    name = f"hostport-{target}:{_version()}"
    shared = [f"--volume={file}:{file}:ro" for file in _CONFIGURATION if Path(file).is_file()]
    # chroot: a runtime would want cgroups. --layers: what the targets have in common is built once.
    how = ["--layers", "--isolation=chroot", "--network=host", "--pull-never", f"--build-arg=PYTHON={python}", *shared]
    narrate([*buildah, "build", *how, f"--target={target}", f"--tag={name}", str(_PROJECT)], ": RUN", say)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        whole = Path(temporary) / path.name
        run([*buildah, "push", "--quiet", name, f"docker-archive:{whole}:{name}"], timeout=600)
        whole.replace(path)


def _version() -> str:
    return str(tomllib.loads((_PROJECT / "pyproject.toml").read_text())["project"]["version"])


def _alone() -> list[str]:
    die = [find_program("setpriv"), "--pdeathsig", "KILL", "--"]
    return [*die, find_program("unshare"), "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"]


def _sweep(folder: Path) -> None:
    """An image takes some 400 MB, and every change of the code makes another."""
    for target in (OPERATOR, AGENT):
        for path in sorted(folder.glob(f"{target}-*.tar"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            path.unlink()
