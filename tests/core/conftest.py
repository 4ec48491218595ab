"""How hard Hypothesis tries: `HOSTPORT_EXAMPLES=5000 uv run pytest tests/core` for a long look."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile(
    "core",
    max_examples=int(os.environ.get("HOSTPORT_EXAMPLES", "100")),
    deadline=None,
    # In CI the same histories every time: a run there judges the change, not the luck of the draw.
    derandomize="CI" in os.environ,
)
settings.load_profile("core")
