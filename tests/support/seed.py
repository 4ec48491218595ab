"""Where the dice of random tests begin."""

from __future__ import annotations

import os
import random


def seed() -> int:
    """HOSTPORT_SEED, or one that nobody has chosen; printed, so that a failure shows it."""
    chosen = int(os.environ.get("HOSTPORT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"HOSTPORT_SEED={chosen}")
    return chosen
