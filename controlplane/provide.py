"""The binaries, found or built."""

from __future__ import annotations

import os
from pathlib import Path

from controlplane.binaries import find, places


def provide() -> dict[str, Path]:
    """Where each binary is."""
    lookup = find(places(dict(os.environ), []))
    return {name: found.path for name, found in lookup.found.items()}
