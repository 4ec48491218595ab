"""A base for the project's images, made of the packages of this machine's own distribution, where there is no registry.

It stands in for `python:X.Y-slim` under that name, and X.Y is the Python that the distribution has.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from controlplane.golang import Say
from realnode.requirements import find_program
from realnode.run import narrate, run

_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
_OPTIONS = (
    "--mode=root",
    "--variant=apt",
    f"--include={_PACKAGES}",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")),
    # Debian's pip leaves the system's Python alone; that of the image it stands in for does not.
    '--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIELDS = "$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def root_archive(folder: Path, work: Path, within: Sequence[str], say: Say) -> Path:
    """The file system of the base as a tar, made in `folder` if it is not there.

    `work`: where what is unfinished may stand; `within` stands before a command that makes mounts.
    """
    sources, codename = _sources(), _codename()
    key = "\0".join([*sources, codename, *_OPTIONS, platform.machine()])
    path = folder / f"base-{hashlib.sha256(key.encode()).hexdigest()[:12]}.tar"
    if not path.exists():
        say(f"Making a base image of {codename}'s packages, once; about a minute.")
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            made = Path(temporary) / "base.tar"
            command = [find_program("mmdebstrap"), *_OPTIONS, *_proxies(), codename, str(made), *sources]
            narrate([*within, "env", f"TMPDIR={work}", *command], "I: ", say)
            made.replace(path)
    return path


def commit(buildah: Sequence[str], root: Path) -> str:
    """Make the image of this file system, and say which version of Python it stands for."""
    container = run([*buildah, "from", "scratch"]).strip()
    run([*buildah, "add", "--quiet", container, str(root), "/"])
    run([*buildah, "config", f"--env=PATH={_PATH}", container])
    version = run([*buildah, "run", "--isolation=chroot", container, "--", "python3", "-c", _VERSION]).strip()
    run([*buildah, "commit", "--quiet", "--rm", container, f"docker.io/library/python:{version}-slim"])
    return version


def _sources() -> list[str]:
    """Where apt has this machine's distribution from, as lines of a sources.list; others' repositories are left out."""
    listed = run(["apt-get", "indextargets", "--format", _FIELDS, "Created-By: Packages"])
    rows = [line.split() for line in listed.splitlines()]
    known = [row[1:] for row in rows if row[0] in ("Debian", "Ubuntu") and row[3] in ("main", "universe")]
    return list(dict.fromkeys(f"deb {' '.join(row)}" for row in known))


def _codename() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _proxies() -> list[str]:
    lines = run(["apt-config", "dump", "Acquire::http", "Acquire::https"]).splitlines()
    return [f"--aptopt={line}" for line in lines if "::Proxy" in line]
