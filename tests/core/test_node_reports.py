"""What an agent reports of a look, and what is taken from a report."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hostport.allocation.state import ForeignUse
from hostport.api.podspec import Claim
from hostport.api.ports import Protocol
from hostport.cluster.foreign import node_uses
from hostport.cluster.reports import node_of
from hostport.node.facts import Datapath, Listener, Mapping, Process, Sandbox, Sight
from hostport.node.report import MOST_LISTENERS, Report, compose, keep, parse

TCP, UDP = Protocol.TCP, Protocol.UDP
SSHD = Listener(TCP, "", 22, Process(7, "sshd"))
RULE = Mapping(TCP, "", 10012, "10.42.0.2", 80, "c0ffee", "iptables", "CNI-DN-x")
SANDBOX = Sandbox("c0ffee", "default", "web-1", "uid-1", frozenset({"10.42.0.2"}), "/run/netns/x", True)
ALIVE = Sight(mappings=(RULE,), sandboxes={"c0ffee": SANDBOX})
DEAD = Sight(mappings=(RULE,), sandboxes={"c0ffee": SANDBOX._replace(alive=False)})


def read(status: dict[str, Any], **meta: Any) -> Report:
    return parse({"metadata": {"name": "edge-1", **meta}, "status": status})


def stale(sight: Sight, before: Sight | None) -> int:
    return int(compose(sight, before)["staleCount"])


def test_a_listener_is_reported_with_its_process_and_pod() -> None:
    nginx = Listener(TCP, "10.0.0.5", 80, Process(8, "nginx", "uid-1"))
    status = compose(Sight(listeners=(nginx, SSHD), pods=(("uid-1", "default/web-1"),)), None)
    assert status["listeners"] == [
        {"port": 22, "protocol": "TCP", "address": "0.0.0.0", "process": "sshd"},  # noqa: S104 - read, not bound
        {"port": 80, "protocol": "TCP", "address": "10.0.0.5", "process": "nginx", "pod": "default/web-1"},
    ]
    assert read(status).listeners == (
        (Claim(TCP, 22), "process sshd"),
        (Claim(TCP, 80, "10.0.0.5"), "process nginx of Pod default/web-1"),
    )


def test_a_rule_is_stale_when_two_looks_say_so() -> None:
    assert [stale(DEAD, None), stale(DEAD, ALIVE), stale(ALIVE, DEAD), stale(DEAD, DEAD)] == [0, 0, 0, 1]
    assert read(compose(DEAD, DEAD)).stale == {Claim(TCP, 10012)}
    assert read(compose(ALIVE, ALIVE)).stale == frozenset()


def test_where_sandboxes_cannot_be_seen_no_rule_is_stale() -> None:
    blind = Sight(mappings=(RULE,))
    assert stale(blind, blind) == 0


def test_a_passing_udp_socket_of_a_client_is_not_reported() -> None:
    client, server = Listener(UDP, "", 40000), Listener(UDP, "", 53)
    sight = Sight(listeners=(client, server), ephemeral=(32768, 60999))
    assert [entry["port"] for entry in compose(sight, None)["listeners"]] == [53]
    assert [entry["port"] for entry in compose(sight, sight)["listeners"]] == [53, 40000]


def test_what_cannot_be_read_now_is_told_as_it_was() -> None:
    whole = compose(Sight(listeners=(SSHD,), mappings=(RULE,)), None)
    blind = compose(Sight(gaps=("iptables-save ended with 4",)), None)
    kept = keep(blind, whole)
    assert (kept["listeners"], kept["hostPorts"], kept["listenerCount"]) == (whole["listeners"], whole["hostPorts"], 1)
    assert kept["conditions"][0]["message"] == "iptables-save ended with 4"
    gone = compose(Sight(), None)
    assert keep(gone, whole)["listeners"] == []


def test_the_same_look_gives_the_same_report_whatever_the_order() -> None:
    other = Listener(TCP, "", 23, Process(9, "telnetd"))
    assert compose(Sight(listeners=(SSHD, other)), None) == compose(Sight(listeners=(other, SSHD)), None)


def test_more_than_one_object_should_hold_is_cut_off_and_said() -> None:
    crowd = tuple(Listener(TCP, f"10.0.{i >> 8}.{i & 255}", 80) for i in range(MOST_LISTENERS + 1))
    status = compose(Sight(listeners=crowd), None)
    assert (status["listenerCount"], len(status["listeners"])) == (MOST_LISTENERS + 1, MOST_LISTENERS)
    assert status["conditions"][0]["reason"] == "TooMany"


def test_a_listener_on_every_ipv6_address_is_on_ipv4_too() -> None:
    status = compose(Sight(listeners=(Listener(TCP, "::", 22),)), None)
    assert read(status).listeners == ((Claim(TCP, 22), "a process"),)


def test_a_report_names_its_node_and_range() -> None:
    owner = {"apiVersion": "v1", "kind": "Node", "name": "edge-1", "uid": "1234"}
    report = read(
        compose(Sight(ephemeral=(32768, 60999), datapath=Datapath(("portmap",))), None), ownerReferences=[owner]
    )
    assert (report.node, report.uid, report.ephemeral) == ("edge-1", "1234", (32768, 60999))


def test_what_pods_and_services_have_by_themselves_is_not_counted_again() -> None:
    report = Report("edge-1", "", ((Claim(TCP, 22), "process sshd"), (Claim(TCP, 80), "process nginx")), frozenset())
    uses = node_uses(report, lambda claim: claim.port == 80)
    nodes = frozenset({"edge-1"})
    assert list(uses.values()) == [
        ForeignUse("Node/edge-1", "process sshd on node edge-1", frozenset({Claim(TCP, 22)}), nodes)
    ]


ENTRY = st.dictionaries(
    st.sampled_from(["port", "protocol", "address", "process", "pod", "stale"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["TCP", "UDP", 80, "::", "10.0.0.1"]),
)


@given(listeners=st.lists(ENTRY), rules=st.lists(ENTRY), ephemeral=st.text() | st.none())
def test_entries_that_make_no_sense_are_left_out(listeners: list[Any], rules: list[Any], ephemeral: Any) -> None:
    report = read({"listeners": listeners, "hostPorts": rules, "ephemeralPorts": ephemeral})
    for claim in (*(claim for claim, _ in report.listeners), *report.stale):
        assert 1 <= claim.port <= 65535
        assert claim.port in {entry.get("port") for entry in (*listeners, *rules)} | {
            int(p) for p in _digits(listeners, rules)
        }


def _digits(*lists: list[Any]) -> list[str]:
    texts = [entry.get("port") for entries in lists for entry in entries]
    return [text for text in texts if isinstance(text, str) and text.isascii() and text.isdigit()]


@given(token=st.text() | st.binary().map(lambda raw: f"a.{raw.hex()}.b"))
def test_any_token_at_all(token: str) -> None:
    assert node_of(token) == ("", "")


def test_the_node_in_a_bound_token() -> None:
    # {"kubernetes.io":{"node":{"name":"edge-1","uid":"1234"}}}
    payload = "eyJrdWJlcm5ldGVzLmlvIjp7Im5vZGUiOnsibmFtZSI6ImVkZ2UtMSIsInVpZCI6IjEyMzQifX19"
    assert node_of(f"header.{payload}.signature") == ("edge-1", "1234")
