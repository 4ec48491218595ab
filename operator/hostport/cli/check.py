"""`hostport check`: the ledger against the cluster."""

from __future__ import annotations

import typer

from hostport.cli.look import findings
from hostport.cli.options import Context, Kubeconfig
from hostport.cli.output import Format, Output, show


def check(output: Output = Format.TABLE, kubeconfig: Kubeconfig = None, context: Context = None) -> None:
    """Compare the ledger with the cluster. Exit code 0: they agree; 1: findings; 2: could not look.

    Overlapping leases, numbers without a lease, leases without a workload or not in its template, counts that don't add
    up, quotas that are overrun. While the operator is at work a finding may be one of a moment: look again.
    """
    found = findings(kubeconfig, context)
    show([f.row() for f in found], output, "The ledger and the cluster agree.")
    raise typer.Exit(1 if found else 0)
