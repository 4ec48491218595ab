"""Images made by hand of the machine's own busybox and socat, for where there is no registry."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realnode.errors import ProgramError
from realnode.requirements import find_program
from realnode.run import run

PAUSE, WEB = "hostport.dev/pause:1", "docker.io/library/nginx:latest"

_APPLETS = ("cat", "echo", "httpd", "ip", "nc", "printf", "read", "sh", "sleep", "true", "wget")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}

# Answers with the Pod's name on port 80, over TCP as a web page and over UDP with what was asked behind it.
_SERVE = """#!/bin/sh
trap 'exit 0' TERM INT QUIT
echo "$HOSTNAME" > /www/index.html
httpd -f -p 80 -h /www &
socat UDP4-RECVFROM:80,fork EXEC:/bin/answer &
wait
"""
_ANSWER = """#!/bin/sh
read -r asked
echo "$HOSTNAME $asked"
"""


@dataclass(frozen=True)
class Image:
    """A name, what it starts, and what it has beside busybox: scripts, and programs of this machine."""

    name: str
    command: Sequence[str]
    scripts: Mapping[str, str] = field(default_factory=dict)
    programs: Sequence[str] = ()


IMAGES = (
    Image(PAUSE, ["/bin/sleep", "2147483647"]),
    Image(WEB, ["/bin/serve"], {"bin/serve": _SERVE, "bin/answer": _ANSWER}, ["socat"]),
)


def write(path: Path, images: Sequence[Image] = IMAGES) -> None:
    """Write the images into one archive of the kind that `docker save` makes."""
    with tarfile.open(path, "w") as archive:
        manifest = [_add(archive, image) for image in images]
        _add_file(archive, "manifest.json", json.dumps(manifest).encode())


def _add(archive: tarfile.TarFile, image: Image) -> Mapping[str, object]:
    layer = _layer(image)
    digest = hashlib.sha256(layer).hexdigest()
    machine = platform.machine().lower()
    config = {
        "architecture": _MACHINES.get(machine, machine),
        "os": "linux",
        "config": {"Cmd": list(image.command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    text = json.dumps(config).encode()
    names = f"{hashlib.sha256(text).hexdigest()}.json", f"{digest}/layer.tar"
    for name, content in zip(names, (text, layer), strict=True):
        _add_file(archive, name, content)
    return {"Config": names[0], "RepoTags": [image.name], "Layers": [names[1]]}


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in ("bin", "etc", "tmp", "www"):
            _add_folder(layer, folder)
        _add_program(layer, "busybox")
        for applet in _APPLETS:
            _add_link(layer, f"bin/{applet}", "busybox")
        for program in image.programs:
            _add_program(layer, program)
        for name, text in image.scripts.items():
            _add_file(layer, name, text.encode(), 0o755)
    return buffer.getvalue()


def _add_program(layer: tarfile.TarFile, name: str) -> None:
    """A program of this machine with the libraries that it asks for, where it looks for them."""
    path = find_program(name)
    _add_file(layer, f"bin/{name}", Path(path).read_bytes(), 0o755)
    for library in _libraries(path):
        _add_file(layer, library.removeprefix("/"), Path(library).read_bytes(), 0o755)


def _libraries(path: str) -> list[str]:
    try:
        return re.findall(r"(/\S+) \(0x", run(["ldd", path]))
    except ProgramError:  # "not a dynamic executable"
        return []


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o777 if name == "tmp" else 0o755
    archive.addfile(entry)


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
