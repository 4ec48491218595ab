"""Directories that vanish with the control plane, even when its Python was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Self

_MEMORY = Path("/dev/shm")  # noqa: S108 - only a fresh directory of our own is made in it
_PREFIX = "hostport-controlplane-"
_ENOUGH = 2 << 30
_YOUNG = 60.0


class WorkDir:
    """A temporary directory that is ours as long as we hold a lock on it."""

    def __init__(self, parent: Path) -> None:
        _sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @classmethod
    def on_disk(cls) -> Self:
        """For files."""
        return cls(Path(tempfile.gettempdir()))

    @classmethod
    def in_memory(cls) -> Self:
        """For etcd's data, where that is possible."""
        roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
        return cls(_MEMORY) if roomy else cls.on_disk()

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if _is_ours_and_old(left) and not _held(left):
                shutil.rmtree(left, ignore_errors=True)


def _is_ours_and_old(directory: Path) -> bool:
    # Young ones are left alone: their maker may be between mkdtemp and flock.
    facts = directory.stat()
    return facts.st_uid == os.getuid() and time.time() - facts.st_mtime > _YOUNG


def _held(directory: Path) -> bool:
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
