"""Time as leases carry it, and time as cooldowns are counted."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """The time as RFC 3339 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


monotonic = time.monotonic
