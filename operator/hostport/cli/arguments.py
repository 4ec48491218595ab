"""What is typed behind a command, read into values."""

from __future__ import annotations

from hostport.allocation.occupancy import Nodes
from hostport.allocation.state import State
from hostport.api.pool import Pool
from hostport.api.ports import LAST_PORT, Protocol
from hostport.cli.sorry import Sorry, known


def parse_port(text: str) -> tuple[int, tuple[Protocol, ...]]:
    """`10012` or `10012/UDP`: the number, and the protocols that are meant."""
    number, slash, protocol = text.partition("/")
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and 1 <= int(number) <= LAST_PORT):
        raise Sorry(f'"{text[:40]}" is no port: write 10012, or 10012/UDP (1 to {LAST_PORT})')
    if not slash:
        return int(number), tuple(Protocol)
    if protocol.upper() not in Protocol.__members__:
        raise Sorry(f'"{protocol[:40]}" is no protocol: write one of {", ".join(Protocol)}')
    return int(number), (Protocol(protocol.upper()),)


def chosen_nodes(state: State, node: str | None) -> Nodes | None:
    """The node that was named, None for all of them."""
    return None if node is None else frozenset((known("node", node, state.nodes),))


def chosen_pools(state: State, name: str | None, namespace: str | None) -> list[Pool]:
    """The pool that was named, or all, by name; those alone that are for a namespace, if one is named."""
    pools = [state.pools[known("HostPortPool", name, state.pools)]] if name else list(state.pools.values())
    if namespace is not None:
        labels = state.namespaces[known("namespace", namespace, state.namespaces)]
        pools = [pool for pool in pools if pool.namespaces is None or pool.namespaces.matches(labels)]
    return sorted(pools, key=lambda pool: pool.name)
