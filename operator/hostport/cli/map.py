"""`hostport map`: nodes and numbers, drawn."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import ceil

import typer
from rich.console import Console
from rich.text import Text

from hostport.allocation.state import State
from hostport.api.pool import Pool
from hostport.api.ports import PortSet
from hostport.cli.arguments import chosen_nodes, chosen_pools
from hostport.cli.look import look
from hostport.cli.options import AllNamespaces, Context, Kubeconfig, Namespace, NodeName, PoolName
from hostport.cli.output import Format, Output, console, dump
from hostport.diagnosis.chart import Lane, Use, lanes, together

_WIDEST = 100
_LABEL = 26
_MOST_LANES = 40
_STYLES = {Use.LEASED: "green", Use.RESTING: "yellow", Use.FOREIGN: "red", Use.FREE: "dim"}
# Of each use: a cell of which at least half is in that use, and one of which less is.
_UNICODE = {Use.LEASED: "█▄", Use.RESTING: "▒░", Use.FOREIGN: "Xx", Use.FREE: "··"}
_ASCII = {Use.LEASED: "#+", Use.RESTING: "~-", Use.FOREIGN: "Xx", Use.FREE: ".."}


def map(
    pool: PoolName = None,
    node: NodeName = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Nodes and numbers of every pool, drawn: leased, resting, used by others, free.

    Nodes that are alike share a line. Where there are more numbers than columns a character stands for several, and
    shows what most of those in use are. With -n, only the pools that this namespace may draw from.
    """
    state = look(kubeconfig, context).state
    nodes = chosen_nodes(state, node)
    chosen = [(p, lanes(state, p)) for p in chosen_pools(state, pool, None if all_namespaces else namespace)]
    if nodes is not None:
        chosen = [
            (p, [Lane(tuple(nodes), lane.numbers) for lane in found if nodes <= set(lane.nodes)]) for p, found in chosen
        ]
    if output is not Format.TABLE:
        dump([_row(p, lane) for p, found in chosen for lane in found], output)
    elif not chosen:
        typer.echo("There is no HostPortPool that serves.")
    else:
        _draw(state, chosen)


def _row(pool: Pool, lane: Lane) -> dict[str, object]:
    drawn = {
        str(use): [f"{a}-{b}" if a != b else str(a) for a, b in PortSet(bits).ranges()]
        for use, bits in lane.numbers.items()
    }
    return {"pool": pool.name, "nodes": list(lane.nodes), **drawn}


@dataclass(frozen=True, slots=True)
class Grid:
    """The numbers of a pool cut into cells of `each`, by their first and last number."""

    cells: list[tuple[int, int]]
    each: int

    @classmethod
    def of(cls, found: list[Lane], columns: int) -> Grid:
        """Cells for all numbers that some lane has."""
        valid = PortSet()
        for lane in found:
            for bits in lane.numbers.values():
                valid |= PortSet(bits)
        numbers = list(valid)
        each = ceil(len(numbers) / columns) or 1
        return cls([(numbers[i], numbers[min(i + each, len(numbers)) - 1]) for i in range(0, len(numbers), each)], each)

    def ruler(self) -> str:
        """The first numbers of every tenth cell."""
        marks = [str(first).ljust(10) for first, _ in self.cells[::10]]
        return "".join(marks).rstrip()


def _draw(state: State, chosen: list[tuple[Pool, list[Lane]]]) -> None:
    out = console()
    signs = _UNICODE if "utf" in (out.encoding or "").lower() else _ASCII
    columns = max(10, min(_WIDEST, (out.width if sys.stdout.isatty() else _LABEL + _WIDEST) - _LABEL))
    for pool, found in chosen:
        grid = Grid.of(found, columns)
        out.print(Text(f"{pool.name}  {pool.all_ports}", style="bold"))
        if not grid.cells:
            out.print("  no number on any node" if state.scopes[pool.name] else "  no node")
            continue
        out.print(Text(" " * _LABEL + grid.ruler(), style="dim"))
        _draw_lanes(out, grid, found, signs)
        if grid.each > 1:
            out.print(Text(" " * _LABEL + f"one character is {grid.each} numbers", style="dim"))
    out.print(_legend(signs))


def _draw_lanes(out: Console, grid: Grid, found: list[Lane], signs: dict[Use, str]) -> None:
    """Every lane; of very many those with the most in use, below a line for all."""
    if len(found) > 1:
        everything = together(found)
        out.print(_line(f"all {len(everything.nodes)} nodes", grid, everything, signs))
    shown = sorted(found, key=lambda lane: -lane.taken)[:_MOST_LANES] if len(found) > _MOST_LANES else found
    for lane in shown:
        out.print(_line(_label(lane.nodes), grid, lane, signs))
    if len(shown) < len(found):
        left = sum(len(lane.nodes) for lane in found) - sum(len(lane.nodes) for lane in shown)
        out.print(f"and {left} more nodes with less in use: --node NAME shows one, -o json all")


def _label(nodes: tuple[str, ...]) -> str:
    more = f" +{len(nodes) - 1}" if len(nodes) > 1 else ""
    room = _LABEL - 2 - len(more)
    return (nodes[0] if len(nodes[0]) <= room else nodes[0][: room - 1] + "…") + more


def _line(label: str, grid: Grid, lane: Lane, signs: dict[Use, str]) -> Text:
    line = Text(label.ljust(_LABEL), no_wrap=True)
    for first, last in grid.cells:
        sign, style = _cell(lane, first, last, signs)
        line.append(sign, style)
    return line


def _cell(lane: Lane, first: int, last: int, signs: dict[Use, str]) -> tuple[str, str]:
    counts = {use: bits.count(1, first, last + 1) for use, bits in lane.numbers.items()}
    total = sum(counts.values())
    if not total:
        return " ", ""
    most = max(counts, key=lambda use: (use is not Use.FREE and counts[use] > 0, counts[use]))
    return signs[most][0 if counts[most] * 2 >= total else 1], _STYLES[most]


def _legend(signs: dict[Use, str]) -> Text:
    legend = Text()
    for use, pair in signs.items():
        many, few = pair[0], pair[1]
        legend.append(f"{many} ", _STYLES[use]).append(f"{use}")
        legend.append(f" ({few} some)   " if few != many else "   ")
    return legend
