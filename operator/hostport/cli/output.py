"""What commands print: a table for people, JSON or YAML for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[Format, typer.Option("--output", "-o", help="For people or for programs.")]


def show(rows: Sequence[dict[str, Any]], output: Format, nothing: str) -> None:
    """Print rows of the same keys; `nothing` is said where a table would be empty."""
    if output is Format.JSON:
        typer.echo(json.dumps(list(rows), indent=2))
    elif output is Format.YAML:
        typer.echo(yaml.safe_dump(list(rows), sort_keys=False), nl=False)
    elif not rows:
        typer.echo(nothing)
    else:
        _table(rows)


def _table(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(*(key.upper() for key in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(markup=False).print(table)  # an IPv6 address has literal brackets
