"""What CNI leaves on a node's disk: the network's configuration, and a record of every sandbox."""

from __future__ import annotations

from typing import Any

import orjson

from hostport.node.facts import Complain, Sandbox, plain_ip


def plugins(text: str, complain: Complain) -> tuple[str, ...]:
    """The types of the plugins of a .conflist or .conf; none where it is neither."""
    config = _object(text, complain)
    chain = config.get("plugins")
    each = chain if isinstance(chain, list) else [config]
    return tuple(p["type"] for p in each if isinstance(p, dict) and isinstance(p.get("type"), str))


def sandbox(text: str, complain: Complain) -> Sandbox | None:
    """A sandbox from libcni's cache of results (`cachedInfo` in libcni/api.go of containernetworking/cni)."""
    cached = _object(text, complain)
    container = cached.get("containerId")
    if not isinstance(container, str) or not container:
        return None
    args = _args(cached.get("cniArgs"))
    netns = cached.get("netns")
    return Sandbox(
        container,
        args.get("K8S_POD_NAMESPACE", ""),
        args.get("K8S_POD_NAME", ""),
        args.get("K8S_POD_UID", ""),
        _ips(cached.get("result")),
        netns if isinstance(netns, str) else "",
    )


def _object(text: str, complain: Complain) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    complain(text)
    return {}


def _args(pairs: object) -> dict[str, str]:
    pairs = pairs if isinstance(pairs, list) else []
    return {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(w, str) for w in pair)
    }


def _ips(result: object) -> frozenset[str]:
    entries = result.get("ips") if isinstance(result, dict) else None
    texts = (e.get("address") for e in entries if isinstance(e, dict)) if isinstance(entries, list) else ()
    found = (plain_ip(text.partition("/")[0]) for text in texts if isinstance(text, str))
    return frozenset(ip for ip in found if ip)
