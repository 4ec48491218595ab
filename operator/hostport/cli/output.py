"""What commands print: a table for people, JSON or YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]

# A pipe has no width; nothing is to be cut off in it.
_PIPE_WIDTH = 10_000
_MOST_WORDS = 3


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[Format, typer.Option("--output", "-o", help="For people or for programs.")]


def console() -> Console:
    """The terminal. No colours where it is none, or where $NO_COLOR is set."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def show(rows: Sequence[Row], output: Format, nothing: str, told: Sequence[Row] | None = None, after: str = "") -> None:
    """Print rows of the same keys, for people as they are `told`, with a line `after` them, or `nothing`."""
    if output is not Format.TABLE:
        dump(list(rows), output)
    elif not rows:
        typer.echo(nothing)
    else:
        console().print(table(rows if told is None else told))
        if after:
            typer.echo(after)


def dump(value: object, output: Format) -> None:
    """Print a value as JSON or YAML."""
    if output is Format.JSON:
        typer.echo(json.dumps(value, indent=2))
    else:
        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def table(rows: Sequence[Row]) -> Table:
    """Rows of the same keys, which are the headings."""
    made = Table(*(key.upper() for key in rows[0]), box=None, pad_edge=False)
    for row in rows:
        made.add_row(*(cell(value) for value in row.values()))
    return made


def cell(value: object) -> str:
    """A value in a table: of a list the first few."""
    if isinstance(value, list | tuple):
        words = [str(word) for word in value]
        more = f" and {len(words) - _MOST_WORDS} more" if len(words) > _MOST_WORDS else ""
        return ", ".join(words[:_MOST_WORDS]) + more
    return "" if value is None else str(value)
