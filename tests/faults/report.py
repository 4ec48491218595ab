"""README's reliability table, from the last long run: `python -m tests.faults.report` writes it there."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.faults.tally import RESULTS, Tally

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN, END = "<!-- reliability: written by make test-faults -->", "<!-- end of reliability -->"


def table(tally: Tally) -> str:
    """The figures of one run."""
    rows = [
        ("histories", tally.histories),
        (f"kills (SIGKILL), at {len(tally.kills)} points and moments", tally.total),
        ("workloads with a number that were looked at, in all", tally.served),
        ("numbers given twice", tally.duplicates),
        ("running workloads whose number was moved", tally.moved),
        ("leases lost", tally.leases_lost),
        ("leases leaked after repair and cooldown", tally.leaks),
        ("other findings of `hostport check`", tally.findings),
        ("restart until ready (adopted everything)", _seconds(tally.restarts)),
        ("kill -9 of the leader until its replica serves", _seconds(tally.take_overs)),
        ("SIGTERM to the leader until its replica serves", _seconds(tally.hand_overs)),
    ]
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


def _seconds(times: list[float]) -> str:
    return f"median {statistics.median(times):.1f} s, at most {max(times):.1f} s" if times else "not measured"


def put_into(readme: str, text: str) -> str:
    """The README with its table in the place of the one there."""
    before, found, rest = readme.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"README.md has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(put_into(README.read_text(), table(Tally.read(RESULTS))))
    print(table(Tally.read(RESULTS)))
