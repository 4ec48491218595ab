"""The figures of a run are kept, and come into README's table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.report import BEGIN, END, README, put_into, table
from tests.faults.tally import RESULTS, Tally


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    tally = Tally(7, histories=2, kills=Counter({"here": 3, "there": 1}), served=9, restarts=[1.0, 2.5])

    tally.write(tmp_path / "results.json")

    assert Tally.read(tmp_path / "results.json") == tally


def test_readme_has_the_table_of_the_last_long_run() -> None:
    readme = README.read_text()

    assert put_into(readme, table(Tally.read(RESULTS))) == readme


def test_only_the_table_is_replaced() -> None:
    assert put_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="no place for the table"):
        put_into("nothing", "new")
