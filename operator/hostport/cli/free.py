"""`hostport free`: numbers that can be had."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from hostport.cli.arguments import chosen_nodes, chosen_pools
from hostport.cli.look import look
from hostport.cli.options import AllNamespaces, Context, Kubeconfig, Namespace, NodeName, PoolName
from hostport.cli.output import Format, Output, show
from hostport.diagnosis.offers import free_bits


def free(
    pool: PoolName = None,
    node: NodeName = None,
    count: Annotated[int, typer.Option(min=1, max=65535, metavar="K", help="How many numbers to name.")] = 10,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Numbers that can be had, lowest first: leased to nobody, resting for nobody, used by nobody else.

    Free is what is free on every node where the pool hands it out, or on the one that --node names. With -n, only of
    the pools that this namespace may draw from.
    """
    state = look(kubeconfig, context).state
    nodes = chosen_nodes(state, node)
    rows, told = [], []
    for chosen in chosen_pools(state, pool, None if all_namespaces else namespace):
        for protocol in chosen.protocols:
            bits = free_bits(state, chosen, (protocol,), nodes)
            row = {"pool": chosen.name, "protocol": str(protocol), "free": bits.count()}
            some = list(islice(bits.search(1), count))
            rows.append({**row, "numbers": some})
            told.append({**row, "numbers": " ".join(map(str, some)) or "none"})
    show(rows, output, "There is no HostPortPool that serves.", told)
