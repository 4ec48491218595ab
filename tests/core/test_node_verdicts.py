"""What a look at a node says about a port."""

from __future__ import annotations

import pytest

from hostport.api.podspec import Claim
from hostport.api.ports import Protocol
from hostport.node.facts import Datapath, Flow, Listener, Mapping, NodePort, Process, Sandbox, Sight
from hostport.node.verdict import Kind, PodFacts, Verdict, on_port, trace

TCP, UDP = Protocol.TCP, Protocol.UDP
RULE = Mapping(TCP, "", 10012, "10.42.0.2", 80, "c0ffee", "iptables", "CNI-DN-x")
SANDBOX = Sandbox("c0ffee", "default", "web-1", "uid-1", frozenset({"10.42.0.2"}), "/run/netns/x", True)
POD = PodFacts(
    "default/web-1", "uid-1", "Deployment/default/web", frozenset({"10.42.0.2"}), frozenset({Claim(TCP, 10012)})
)
PORTMAP = Datapath(("bridge", "portmap"))


def look(port: int = 10012, protocol: Protocol = TCP, pods: list[PodFacts] | None = None, **sight: object) -> Verdict:
    (verdict,) = trace(Sight(**sight), port, [protocol], pods)  # type: ignore[arg-type]
    return verdict


def told(rule: Mapping = RULE, sandbox: Sandbox | None = SANDBOX, pods: list[PodFacts] | None = None) -> Verdict:
    return look(
        pods=pods, mappings=(rule,), sandboxes={sandbox.container: sandbox} if sandbox else {}, datapath=PORTMAP
    )


def test_nothing_is_free() -> None:
    verdict = look(datapath=PORTMAP, ephemeral=(32768, 60999))
    assert (verdict.kind, verdict.verdict) == (Kind.FREE, "free")


def test_free_in_the_ephemeral_range_is_free_for_the_moment() -> None:
    assert "32768-60999" in look(40000, ephemeral=(32768, 60999)).evidence


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (Process(7, "sshd"), "sshd (pid 7), a process of the node's own"),
        (Process(7, "nginx", "uid-1"), "nginx (pid 7) in Pod default/web-1"),
        (Process(7, "nginx", "uid-9"), "nginx (pid 7) in a Pod with uid uid-9"),
        (None, "can't be seen from here"),
    ],
)
def test_a_listener_and_whose_it_is(process: Process | None, words: str) -> None:
    verdict = look(listeners=(Listener(TCP, "", 10012, process),), sandboxes={"c0ffee": SANDBOX})
    assert verdict.verdict == "listener"
    assert words in verdict.evidence


def test_with_the_api_server_a_rule_is_followed_to_pod_and_workload() -> None:
    assert told(pods=[POD]).verdict == "hostPort of Pod default/web-1 of Deployment default/web"
    assert told(pods=[POD], sandbox=None).verdict == "hostPort of Pod default/web-1 of Deployment default/web"


def test_without_the_api_server_cnis_record_names_the_pod() -> None:
    assert told().verdict == "hostPort of Pod default/web-1"


@pytest.mark.parametrize(
    ("sandbox", "pods", "why"),
    [
        (SANDBOX, [], "the API server knows no Pod"),
        (SANDBOX._replace(alive=False), None, "network namespace of Pod default/web-1 is gone"),
        (SANDBOX._replace(alive=False), [POD], "network namespace of Pod default/web-1 is gone"),
        (None, None, "CNI has no record"),
        (None, [PodFacts("default/new", "uid-2", "Pod/default/new", POD.ips, frozenset())], "with this hostPort"),
    ],
    ids=["no such pod", "sandbox gone", "sandbox gone, pod there", "no record", "address reused by another"],
)
def test_a_stale_rule(sandbox: Sandbox | None, pods: list[PodFacts] | None, why: str) -> None:
    verdict = told(sandbox=sandbox, pods=pods)
    assert (verdict.kind, verdict.verdict) == (Kind.STALE_RULE, "stale rule, its Pod is gone")
    assert why in verdict.evidence
    assert "iptables -t nat -F CNI-DN-x" in verdict.evidence


def test_where_nobody_knows_the_container_it_is_not_called_stale() -> None:
    verdict = look(mappings=(RULE,), datapath=PORTMAP)
    assert verdict.verdict == "hostPort of container c0ffee"
    assert "can't be seen here" in verdict.evidence


def test_a_node_port() -> None:
    ports = (NodePort(TCP, 30080, "default/web"), NodePort(TCP, 31234, "default/web", "health check node port"))
    assert look(30080, node_ports=ports).verdict == "NodePort of Service default/web"
    assert "health checks" in look(31234, node_ports=ports).evidence


def test_a_datapath_that_is_not_portmap() -> None:
    verdict = look(datapath=Datapath(("cilium-cni",)))
    assert (verdict.kind, verdict.verdict) == (Kind.CANT_TELL, "this node's datapath is not portmap: can't tell")
    assert "cilium-cni" in verdict.evidence
    pod = look(datapath=Datapath(("cilium-cni",)), pods=[POD])
    assert pod.verdict == "hostPort of Pod default/web-1 of Deployment default/web"


def test_what_could_not_be_read_is_not_free() -> None:
    assert look(gaps=("nft ended with 1",)).kind is Kind.CANT_TELL


def test_a_pod_without_its_rule_is_told() -> None:
    verdict = look(pods=[POD], datapath=PORTMAP)
    assert verdict.kind is Kind.HOST_PORT
    assert "no rule carries it" in verdict.evidence


def test_flows_to_where_no_rule_leads_any_more() -> None:
    old, new = Flow(UDP, 10013, "10.42.0.2", 53), Flow(UDP, 10013, "10.42.0.3", 53)
    rule = Mapping(UDP, "", 10013, "10.42.0.3", 53, "c0ffee", "nftables")
    verdicts = trace(Sight(mappings=(rule,), flows=(old, old, new), sandboxes={"c0ffee": SANDBOX}), 10013, [UDP], None)
    assert [v.kind for v in verdicts] == [Kind.HOST_PORT, Kind.LEFTOVER]
    assert verdicts[1].evidence.startswith("2 remembered by conntrack still go to 10.42.0.2:53")


def test_protocols_are_told_apart() -> None:
    sight = Sight(listeners=(Listener(UDP, "", 53, None),), node_ports=(NodePort(Protocol.SCTP, 53, "a/b"),))
    assert on_port(sight, 53) == {UDP, Protocol.SCTP}
    assert [v.kind for v in trace(sight, 53, Protocol, None)] == [Kind.FREE, Kind.LISTENER, Kind.NODE_PORT]
