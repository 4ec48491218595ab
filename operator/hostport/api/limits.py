"""How much one workload may ask for. Past these the request is refused in a sentence, and nobody else waits for it."""

from __future__ import annotations

# Ports of one workload that are served; a template may declare more.
MOST_PORTS = 5000
# Variables that tell containers their numbers. Each takes two operations of a patch, of which an API server takes
# 10,000; and a process has to read them all.
MOST_VARIABLES = 1000
# Words in one annotation: PORTs, PORT=NUMBER, pools.
MOST_WORDS = 5000
# Names that a message lists before it says "and N more".
MOST_NAMES = 10
