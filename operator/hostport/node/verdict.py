"""What a look at a node says about one of its ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hostport.api.podspec import Claim
from hostport.api.ports import Protocol
from hostport.node.facts import Listener, Mapping, NodePort, Sight, address


class Kind(StrEnum):
    """What a verdict comes down to, for programs."""

    LISTENER = "Listener"
    HOST_PORT = "HostPort"
    STALE_RULE = "StaleRule"
    NODE_PORT = "NodePort"
    LEFTOVER = "Leftover"
    FREE = "Free"
    CANT_TELL = "CantTell"


class Verdict(NamedTuple):
    """One thing that is on a port, or that nothing is; `evidence` is what was seen, and what to do about it."""

    port: int
    protocol: Protocol
    address: str
    kind: Kind
    verdict: str
    evidence: str


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A Pod of this node as the API server knows it; `owner` is its workload as Kind/namespace/name."""

    name: str
    uid: str
    owner: str
    ips: frozenset[str]
    claims: frozenset[Claim]
    host_network: bool = False

    def __str__(self) -> str:
        kind, _, rest = self.owner.partition("/")
        return f"Pod {self.name}" if kind == "Pod" else f"Pod {self.name} of {kind} {rest}"


class Life(NamedTuple):
    """Whose a rule is. `stale` None where nobody can say."""

    who: str
    stale: bool | None
    why: str


def trace(sight: Sight, port: int, protocols: Iterable[Protocol], pods: Sequence[PodFacts] | None) -> list[Verdict]:
    """The verdicts on a port, at least one for each protocol. `pods` None: the API server was not asked."""
    return [verdict for protocol in protocols for verdict in _trace(sight, port, protocol, pods)]


def on_port(sight: Sight, port: int) -> set[Protocol]:
    """The protocols for which there is something on a port."""
    return {
        *(each.protocol for each in sight.listeners if each.port == port),
        *(each.protocol for each in sight.mappings if each.port == port),
        *(each.protocol for each in sight.node_ports if each.port == port),
    }


def _trace(sight: Sight, port: int, protocol: Protocol, pods: Sequence[PodFacts] | None) -> list[Verdict]:
    found = [
        *_host_ports(sight, port, protocol, pods),
        *(_node_port(p) for p in sight.node_ports if (p.port, p.protocol) == (port, protocol)),
        *(_listener(sight, s, pods) for s in sight.listeners if (s.port, s.protocol) == (port, protocol)),
        *_leftovers(sight, port, protocol),
    ]
    told = found or list(_without_rule(sight, port, protocol, pods))
    return told or [_nothing(sight, port, protocol)]


# hostPorts


def _host_ports(sight: Sight, port: int, protocol: Protocol, pods: Sequence[PodFacts] | None) -> Iterator[Verdict]:
    for rule in sight.mappings:
        if (rule.port, rule.protocol) == (port, protocol):
            yield _host_port(rule, life_of(rule, sight, pods))


def _host_port(rule: Mapping, life: Life) -> Verdict:
    seen = f"portmap ({rule.backend}) sends it to {rule.target}"
    if life.stale:
        text = f"{seen}, but {life.why}; {_way_out(rule)}"
        return Verdict(rule.port, rule.protocol, _where(rule), Kind.STALE_RULE, "stale rule, its Pod is gone", text)
    verdict = f"hostPort of {life.who}"
    return Verdict(rule.port, rule.protocol, _where(rule), Kind.HOST_PORT, verdict, f"{seen}; {life.why}")


def _where(rule: Mapping) -> str:
    return rule.ip or ("::" if ":" in rule.target_ip else "0.0.0.0")  # noqa: S104 - said, not bound


def _way_out(rule: Mapping) -> str:
    if rule.chain:
        tool = "ip6tables" if ":" in rule.target_ip else "iptables"
        return f"`{tool} -t nat -F {rule.chain}` takes its effect away"
    family = "ip6" if ":" in rule.target_ip else "ip"
    return f"`nft -a list chain {family} cni_hostport hostports` shows its handle for `nft delete rule`"


def life_of(rule: Mapping, sight: Sight, pods: Sequence[PodFacts] | None) -> Life:
    """Whose a rule is, and whether its Pod is still there: by CNI's record of the container, then by the address."""
    sandbox = (sight.sandboxes or {}).get(rule.container)
    if sandbox is not None and sandbox.alive is False:
        named = f"Pod {sandbox.pod_name}" if sandbox.pod else f"container {rule.container[:12]}"
        return Life(named, True, f"the network namespace of {named} is gone")
    if pods is not None:
        known = next((p for p in pods if sandbox is not None and sandbox.uid and p.uid == sandbox.uid), None)
        known = known or next((p for p in pods if _is_behind(p, rule)), None)
        if known is not None:
            return Life(str(known), False, f"the API server has it, with the address {rule.target_ip}")
        named = f"Pod {sandbox.pod_name}" if sandbox is not None and sandbox.pod else "a Pod"
        return Life(named, True, f"the API server knows no Pod on this node behind {rule.target_ip} with this hostPort")
    if sandbox is not None:
        named = f"Pod {sandbox.pod_name}" if sandbox.pod else f"container {rule.container[:12]}"
        return Life(named, False, "by CNI's record of the sandbox; the API server was not asked")
    if sight.sandboxes is not None:
        return Life("a Pod", True, f"CNI has no record of its container {rule.container[:12]}")
    text = "CNI's record of sandboxes can't be seen here, and the API server was not asked"
    return Life(f"container {rule.container[:12] or 'unknown'}", None, text)


def _is_behind(pod: PodFacts, rule: Mapping) -> bool:
    claimed = any((claim.protocol, claim.port) == (rule.protocol, rule.port) for claim in pod.claims)
    return claimed and rule.target_ip in pod.ips


def _without_rule(sight: Sight, port: int, protocol: Protocol, pods: Sequence[PodFacts] | None) -> Iterator[Verdict]:
    """Pods that the API server says have this hostPort, though nothing here carries it."""
    for pod in pods or ():
        for claim in pod.claims:
            if (claim.port, claim.protocol) == (port, protocol):
                if pod.host_network:
                    text = "by the API server; it is on the node's network, and nothing listens there (yet)"
                elif sight.datapath.is_portmap or not sight.datapath.is_known:
                    text = (
                        "by the API server; no rule carries it (yet): its sandbox is not set up, or rules were flushed"
                    )
                else:
                    text = f"by the API server; this node's datapath is not portmap ({sight.datapath})"
                yield Verdict(port, protocol, claim.ip or "*", Kind.HOST_PORT, f"hostPort of {pod}", text)


# The rest


def _node_port(rule: NodePort) -> Verdict:
    text = (
        f"a rule of kube-proxy's on every node; it {rule.remark}"
        if rule.remark
        else "a rule of kube-proxy's on every node"
    )
    if rule.remark == "health check node port":
        text = "kube-proxy answers health checks of load balancers here"
    return Verdict(
        rule.port, rule.protocol, "*", Kind.NODE_PORT, f"NodePort of Service {rule.service or 'unknown'}", text
    )


def _listener(sight: Sight, socket: Listener, pods: Sequence[PodFacts] | None) -> Verdict:
    return Verdict(
        socket.port,
        socket.protocol,
        socket.ip or "0.0.0.0",  # noqa: S104 - said, not bound
        Kind.LISTENER,
        "listener",
        said_of(socket, names_of(sight, pods)),
    )


def names_of(sight: Sight, pods: Sequence[PodFacts] | None = None) -> dict[str, str]:
    """The Pods of this node for people, by uid: from their logs, CNI's records, and best from the API server."""
    names = {uid: f"Pod {name}" for uid, name in sight.pods}
    names |= {s.uid: f"Pod {s.pod_name}" for s in (sight.sandboxes or {}).values() if s.uid and s.pod}
    return names | {pod.uid: str(pod) for pod in pods or ()}


def said_of(socket: Listener, names: MappingOf[str, str]) -> str:
    """Who listens, in words; `names` are Pods by uid."""
    process = socket.process
    if process is None:
        return "a process that can't be seen from here (another PID namespace, or no permission), or the kernel itself"
    who = f"{process.name} (pid {process.pid})"
    if not process.pod_uid:
        return f"{who}, a process of the node's own"
    return f"{who} in {names.get(process.pod_uid, f'a Pod with uid {process.pod_uid}')}"


def _leftovers(sight: Sight, port: int, protocol: Protocol) -> Iterator[Verdict]:
    """Flows that go where no rule sends them any more."""
    now = {(m.target_ip, m.target_port) for m in sight.mappings if (m.port, m.protocol) == (port, protocol)}
    if any((p.port, p.protocol) == (port, protocol) for p in sight.node_ports):
        return  # kube-proxy's flows go to endpoints, which are not read here
    old: dict[tuple[str, int], int] = {}
    for flow in sight.flows:
        target = (flow.target_ip, flow.target_port)
        if (flow.port, flow.protocol) == (port, protocol) and target not in now:
            old[target] = old.get(target, 0) + 1
    for target, count in old.items():
        text = (
            f"{count} remembered by conntrack still go to {address(*target)}, where no rule sends them; "
            f"`conntrack -D -p udp --orig-port-dst {port}` ends them"
        )
        yield Verdict(port, protocol, "*", Kind.LEFTOVER, "leftover flows of a rule that is gone", text)


def _nothing(sight: Sight, port: int, protocol: Protocol) -> Verdict:
    if sight.gaps:
        return Verdict(port, protocol, "*", Kind.CANT_TELL, "can't tell", "; ".join(sight.gaps))
    if sight.datapath.is_known and not sight.datapath.is_portmap:
        text = (
            f"no listener and no NodePort, but hostPorts are mapped by {sight.datapath}, which leaves no rules to read"
        )
        return Verdict(port, protocol, "*", Kind.CANT_TELL, "this node's datapath is not portmap: can't tell", text)
    return Verdict(port, protocol, "*", Kind.FREE, "free", _free(sight, port))


def _free(sight: Sight, port: int) -> str:
    text = "no listener, no hostPort, no NodePort"
    if sight.ephemeral is not None and sight.ephemeral[0] <= port <= sight.ephemeral[1]:
        first, last = sight.ephemeral
        text += f"; but outgoing connections get their ports from {first}-{last}, and one may have it at any time"
    return text
