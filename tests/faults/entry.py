"""`python -m tests.faults.entry run …`: the real operator, to be killed at $HOSTPORT_DIES_AT (`point*passages`)."""

from __future__ import annotations

import os

from hostport.cli.main import main
from tests.faults.points import arm

VARIABLE = "HOSTPORT_DIES_AT"

if __name__ == "__main__":
    point, _, passages = os.environ[VARIABLE].partition("*")
    arm(point, int(passages))
    main()
