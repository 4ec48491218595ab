"""`make bench`: what is printed here is what README and ARCHITECTURE quote."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import burst, core
from controlplane.cluster import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.scene import install

console = Console()


def main(
    rounds: Annotated[int, typer.Option(help="Pairs of a bare and a served burst.")] = 3,
    count: Annotated[int, typer.Option(help="Deployments in a burst.")] = 1000,
    only_core: Annotated[bool, typer.Option("--core", help="The core alone: no control plane.")] = False,
) -> None:
    """Measure."""
    show_core()
    if not only_core:
        show_burst(rounds, count)


def show_core() -> None:
    """The allocation core."""
    table = Table("policy", "nodes", "filled", "allocation µs", "whole plan µs", title="Core, 20,000 numbers")
    for policy in ("RoundRobin", "LowestFree", "Random", "Stable"):
        for nodes in (1, 5000):
            for filled, one, whole in core.allocations(nodes, policy):
                table.add_row(policy, str(nodes), f"{filled:.1%}", f"{one:.1f}", f"{whole:.1f}")
    console.print(table)
    console.print(f"32 consecutive numbers in a pool that is 99 % full: {core.contiguous_ms():.2f} ms")


def show_burst(rounds: int, count: int) -> None:
    """The whole way, on a real API server."""
    table = Table("round", "bare s", "operator s", "ratio", "resident MiB", title=f"{count} Deployments, 32 in flight")
    results = []
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as folder:
        plane.add_nodes(3)
        install(plane)
        plane.kubectl("apply", "-f", str(Path(__file__).parent.parent / "manifests" / "example-pool.yaml"))
        for number in range(rounds):
            process = OperatorProcess(plane, Path(folder))
            result = burst.round_of(plane, process, number, count)
            results.append(result)
            table.add_row(
                str(number + 1),
                f"{result.bare:.1f}",
                f"{result.ours:.1f}",
                f"{result.ratio:.2f}",
                f"{result.resident_mb:.0f}",
            )
            console.print(f"round {number + 1} of {rounds}: ratio {result.ratio:.2f}")
    console.print(table)
    console.print(f"median ratio {statistics.median(r.ratio for r in results):.2f} (to reach: at most 1.5)")


if __name__ == "__main__":
    typer.run(main)
