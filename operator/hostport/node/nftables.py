"""Rules as `nft -j list ruleset` prints them: portmap's table `cni_hostport` and kube-proxy's `kube-proxy`.

The words are those of libnftables-json(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from hostport.api.ports import Protocol
from hostport.node.facts import Complain, Mapping, NodePort, plain_ip, port_of, protocol_of
from hostport.node.iptables import PORTMAP_CHAIN

# plugins/meta/portmap/portmap_nftables.go of containernetworking/plugins.
_TABLE = "cni_hostport"
_CHAINS = ("hostports", "hostip_hostports")
# pkg/proxy/nftables/proxier.go of Kubernetes. A chain is named external-HASH-NAMESPACE/NAME/PROTOCOL/PORT.
_PROXY = "kube-proxy"
_NODE_PORTS, _WITHOUT_ENDPOINTS = "service-nodeports", "no-endpoint-nodeports"

Item = dict[str, Any]


class Ruleset(NamedTuple):
    """What of a ruleset concerns ports. `portmap`: the table is there; `iptables`: portmap's chain is, which only
    `iptables-save` can read.
    """

    mappings: tuple[Mapping, ...] = ()
    node_ports: tuple[NodePort, ...] = ()
    portmap: bool = False
    iptables: bool = False


def ruleset(text: str, complain: Complain) -> Ruleset:
    """What `nft -j list ruleset` has printed."""
    items = _items(text, complain)
    rules = [item["rule"] for item in items if _is_ours(item.get("rule"))]
    maps = [item["map"] for item in items if isinstance(item.get("map"), dict)]
    return Ruleset(
        tuple(mapping for rule in rules for mapping in _mapping(rule, complain)),
        tuple(port for each in maps if each.get("table") == _PROXY for port in _elements(each, complain)),
        any(_name(item, "table") == _TABLE for item in items),
        any(_name(item, "chain") == PORTMAP_CHAIN for item in items),
    )


def _items(text: str, complain: Complain) -> list[Item]:
    try:
        items = orjson.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError):
        complain(text)
        return []
    if not isinstance(items, list):
        complain(text)
        return []
    return [item for item in items if isinstance(item, dict)]


def _name(item: Item, kind: str) -> object:
    inner = item.get(kind)
    return inner.get("name") if isinstance(inner, dict) else None


def _is_ours(rule: object) -> bool:
    return isinstance(rule, dict) and rule.get("table") == _TABLE and rule.get("chain") in _CHAINS


def _mapping(rule: Item, complain: Complain) -> Iterator[Mapping]:
    """One rule: [daddr] dport → dnat to. A rule without dnat maps nothing."""
    dnat = next((e["dnat"] for e in _expressions(rule) if isinstance(e.get("dnat"), dict)), None)
    if dnat is None:
        return
    protocol, port, ip = _matched(rule)
    target_ip, target_port = plain_ip(str(dnat.get("addr") or "")), port_of(dnat.get("port"))
    if protocol is None or port is None or ip is None or not target_ip or target_port is None:
        complain(str(rule))
    else:
        comment = rule.get("comment")
        container = comment if isinstance(comment, str) else ""
        yield Mapping(protocol, ip, port, target_ip, target_port, container, "nftables")


def _matched(rule: Item) -> tuple[Protocol | None, int | None, str | None]:
    """Protocol, port and address that a rule is for; None for what is missing or more than one word."""
    protocol: Protocol | None = None
    port: int | None = None
    ip: str | None = ""
    for left, right in _matches(rule):
        if left.get("field") == "dport":
            protocol, port = protocol_of(left.get("protocol")), port_of(right) if isinstance(right, int) else None
        elif left.get("field") == "daddr":
            ip = plain_ip(right) if isinstance(right, str) else None
    return protocol, port, ip


def _matches(rule: Item) -> Iterator[tuple[Item, object]]:
    for expression in _expressions(rule):
        match = expression.get("match")
        left = match.get("left") if isinstance(match, dict) else None
        payload = left.get("payload") if isinstance(left, dict) else None
        if isinstance(match, dict) and isinstance(payload, dict):
            yield payload, match.get("right") if match.get("op") in ("==", None) else None


def _expressions(rule: Item) -> list[Item]:
    found = rule.get("expr")
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _elements(each: Item, complain: Complain) -> Iterator[NodePort]:
    if each.get("name") not in (_NODE_PORTS, _WITHOUT_ENDPOINTS):
        return
    elements = each.get("elem")
    for element in elements if isinstance(elements, list) else ():
        if isinstance(element, list) and len(element) == 2:
            yield from _node_port(element, each["name"] == _WITHOUT_ENDPOINTS, complain)


def _node_port(element: list[Any], rejected: bool, complain: Complain) -> Iterator[NodePort]:
    """`[key, verdict]`, the key wrapped in an `elem` where there is a comment or a counter."""
    key, verdict = element
    wrapped = key.get("elem") if isinstance(key, dict) else None
    comment = wrapped.get("comment") if isinstance(wrapped, dict) else None
    key = wrapped.get("val") if isinstance(wrapped, dict) else key
    words = key.get("concat") if isinstance(key, dict) else None
    words = words if isinstance(words, list) and len(words) == 2 else [None, None]
    protocol, port = protocol_of(words[0]), port_of(words[1])
    if protocol is None or port is None:
        complain(str(element))
    else:
        service = comment if isinstance(comment, str) else _service_of(verdict)
        yield NodePort(protocol, port, service.partition(":")[0], "has no endpoints" if rejected else "")


def _service_of(verdict: object) -> str:
    """The Service in the name of the chain that an element leads to; empty where there is none."""
    goto = verdict.get("goto") if isinstance(verdict, dict) else None
    target = goto.get("target") if isinstance(goto, dict) else None
    if not isinstance(target, str):
        return ""
    namespace, _, rest = target.split("-", 2)[-1].partition("/")
    return f"{namespace}/{rest.partition('/')[0]}" if rest else ""
