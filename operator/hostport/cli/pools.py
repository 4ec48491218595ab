"""`hostport pools`: every pool and how its numbers stand."""

from __future__ import annotations

from typing import Any

from hostport.allocation.state import State
from hostport.allocation.summary import summarize
from hostport.api.pool import Pool
from hostport.cli.arguments import chosen_pools
from hostport.cli.look import look
from hostport.cli.options import AllNamespaces, Context, Kubeconfig, Namespace
from hostport.cli.output import Format, Output, show


def pools(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Every pool and how its numbers stand, counted now from leases, Pods, Services and templates.

    With -n, only the pools that this namespace may draw from. STATE is what the operator says in the conditions.
    """
    seen = look(kubeconfig, context)
    chosen = chosen_pools(seen.state, None, None if all_namespaces else namespace)
    show(
        [_row(seen.state, pool) for pool in chosen],
        output,
        "There is no HostPortPool; see manifests/example-pool.yaml.",
    )


def _row(state: State, pool: Pool) -> dict[str, Any]:
    summary = summarize(state, pool)
    total = summary.total
    return {
        "name": pool.name,
        "ranges": str(pool.all_ports),
        "protocols": ",".join(pool.protocols),
        "nodes": summary.nodes,
        "capacity": total.capacity,
        "allocated": total.allocated,
        "cooling": total.cooling,
        "foreign": total.foreign,
        "free": total.free,
        "policy": pool.policy,
        "state": _state(pool),
    }


def _state(pool: Pool) -> str:
    """The conditions a person should know of, or that all is well."""
    if pool.terminating:
        return "being deleted"
    conditions = pool.status.get("conditions") or ()
    ready = [c for c in conditions if c.get("type") == "Ready"]
    if not ready:
        return "no operator has seen it yet"
    bad = [c for c in conditions if (c.get("status") == "True") != (c.get("type") == "Ready")]
    return "; ".join(f"{c['type']}: {c.get('message') or c.get('reason')}" for c in bad) or "Ready"
