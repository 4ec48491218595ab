"""`make bench`: what is printed here is what README and ARCHITECTURE quote."""

from __future__ import annotations

import json
import statistics
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import burst, commands, commits, core
from controlplane.cluster import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.scene import install

console = Console()


class Part(StrEnum):
    """What can be measured alone."""

    CORE = "core"
    COMMITS = "commits"
    BURST = "burst"
    COMMANDS = "commands"


def main(
    rounds: Annotated[int, typer.Option(help="Pairs of a bare and a served burst.")] = 3,
    count: Annotated[int, typer.Option(help="Deployments in a burst.")] = 1000,
    only: Annotated[Part | None, typer.Option(help="One part alone.")] = None,
) -> None:
    """Measure."""
    if only in (None, Part.CORE):
        show_core()
    if only in (None, Part.COMMITS):
        show_commits()
    if only in (None, Part.BURST):
        show_burst(rounds, count)
    if only in (None, Part.COMMANDS):
        show_commands()


def show_core() -> None:
    """The allocation core."""
    table = Table("policy", "nodes", "filled", "allocation µs", "whole plan µs", title="Core, 20,000 numbers")
    for policy in ("RoundRobin", "LowestFree", "Random", "Stable"):
        for nodes in (1, 5000):
            for filled, one, whole in core.allocations(nodes, policy):
                table.add_row(policy, str(nodes), f"{filled:.1%}", f"{one:.1f}", f"{whole:.1f}")
    console.print(table)
    console.print(f"32 consecutive numbers in a pool that is 99 % full: {core.contiguous_ms():.2f} ms")


def show_commits() -> None:
    """The ledger's writes, on a real API server."""
    with ControlPlane() as plane:
        install(plane)
        for name, ranges in (("default", "1-65535"), ("filling", "20000-39999")):
            plane.kubectl("apply", "-f", "-", input=json.dumps(pool(name, ranges)))
        table = Table(
            "block size", "leases per commit", "ms per commit, whole life", "ms, nearly full", title="Commits"
        )
        for size, each, life, full in commits.by_size(plane):
            table.add_row(str(size), str(each), f"{life:.1f}", f"{full:.1f}")
        console.print(table)
        table = Table("leases in the pool", "ms per commit", title="A pool of 20,000, 16 leases per commit")
        for leases, took in commits.life_of_a_pool(plane):
            table.add_row(str(leases), f"{took:.1f}")
        console.print(table)


def pool(name: str, ranges: str) -> dict[str, object]:
    """The manifest of a pool."""
    head = {"apiVersion": "hostport.dev/v1", "kind": "HostPortPool", "metadata": {"name": name}}
    return {**head, "spec": {"ranges": [ranges]}}


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


def show_commands(nodes: int = 1000, pods: int = 20000, workloads: int = 1000) -> None:
    """The commands in a large cluster."""
    title = f"{nodes} nodes, {pods} Pods, {workloads} Deployments with a lease each"
    table = Table("command", "seconds", "CPU seconds", "peak MiB", title=title)
    with ControlPlane() as plane:
        install(plane)
        plane.kubectl("apply", "-f", "-", input=json.dumps(pool("default", "20000-29999")))
        with console.status("making them"):
            commands.crowd(plane, nodes, pods, workloads)
        for run in commands.runs(plane):
            command = f"hostport {' '.join(run.words)}"
            table.add_row(command, f"{run.seconds:.2f}", f"{run.busy:.2f}", f"{run.peak_mb:.0f}")
    console.print(table)
    console.print("to reach: under 3 s each")


if __name__ == "__main__":
    typer.run(main)
