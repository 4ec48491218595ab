"""What is read off a node is understood; what is not understood is said, and never a wrong port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostport.api.ports import Protocol
from hostport.node import cni, conntrack, iptables, nftables
from hostport.node.facts import Flow, Mapping, NodePort, Sandbox, Socket, merged, plain_ip, port_of
from hostport.node.processes import pod_uid
from hostport.node.sockets import ephemeral_range, sctp_endpoints, sockets
from tests.core import node_texts as texts

TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP


def none(line: str) -> None:
    raise AssertionError(f"not understood: {line}")


def test_listening_sockets_and_no_others() -> None:
    assert list(sockets(texts.TCP, TCP, none, "little")) == [
        Socket(TCP, "127.0.0.1", 8080, 111),
        Socket(TCP, "", 22, 222),
    ]
    assert list(sockets(texts.UDP6, UDP, none, "little")) == [
        Socket(UDP, "::", 53, 444),
        Socket(UDP, "fd42::1", 5353, 555),
        Socket(UDP, "127.0.0.1", 546, 666),
    ]
    assert list(sctp_endpoints(texts.SCTP, none)) == [
        Socket(SCTP, "10.0.0.5", 10014, 777),
        Socket(SCTP, "fd42::5", 10014, 777),
    ]


def test_the_byte_order_is_the_machines() -> None:
    big = texts.TCP.replace("0100007F:1F90", "7F000001:1F90")
    assert next(sockets(big, TCP, none, "big")) == Socket(TCP, "127.0.0.1", 8080, 111)


def test_portmaps_rules_with_their_container_and_nothing_that_no_rule_leads_to() -> None:
    web, other = "CNI-DN-55eae7622d0091adbec7a", "CNI-DN-6a848cc486bfd6ab61a01"
    assert iptables.mappings(texts.IPTABLES, none) == [
        Mapping(TCP, "", 10012, "10.42.0.2", 80, "810cfe6276faee0285e7", "iptables", web),
        Mapping(UDP, "", 10013, "10.42.0.2", 53, "810cfe6276faee0285e7", "iptables", web),
        Mapping(TCP, "127.0.0.1", 10015, "10.42.0.2", 55, "810cfe6276faee0285e7", "iptables", web),
        Mapping(SCTP, "", 20000, "10.42.0.3", 81, "57d9bd6242e83bc3cebe", "iptables", other),
    ]
    assert iptables.has_portmap(texts.IPTABLES)
    assert not iptables.has_portmap(texts.KUBE_PROXY)


def test_a_negated_condition_is_no_condition_of_ours() -> None:
    line = "-A CNI-HOSTPORT-DNAT ! -d 192.0.2.0/24 -p tcp"
    text = texts.IPTABLES.replace("-A CNI-HOSTPORT-DNAT -p tcp", line)
    assert len(iptables.mappings(text, none)) == 4


def test_kube_proxys_node_ports() -> None:
    assert set(iptables.node_ports(texts.KUBE_PROXY, none)) == {
        NodePort(TCP, 30080, "default/web"),
        NodePort(UDP, 30053, "kube-system/dns"),
        NodePort(TCP, 31234, "default/local", "health check node port"),
        NodePort(TCP, 30099, "default/empty", "has no endpoints"),
    }


def test_a_node_port_of_several_rules_is_one() -> None:
    both = (NodePort(TCP, 30080, "a/b"), NodePort(TCP, 30080, "a/b", "has no local endpoints"))
    assert merged(both) == merged(reversed(both)) == both[1:]


def test_nftables_rules_and_node_ports() -> None:
    found = nftables.ruleset(texts.NFT, none)
    assert found.mappings == (
        Mapping(TCP, "", 10012, "10.42.0.2", 80, "9bff70305be6cdc7", "nftables"),
        Mapping(UDP, "127.0.0.1", 10015, "10.42.0.2", 55, "9bff70305be6cdc7", "nftables"),
        Mapping(TCP, "", 10012, "fd42::2", 80, "9bff70305be6cdc7", "nftables"),
    )
    assert set(found.node_ports) == {
        NodePort(TCP, 30080, "default/web"),
        NodePort(UDP, 30053, "kube-system/dns"),
        NodePort(TCP, 30099, "default/empty", "has no endpoints"),
    }
    assert (found.portmap, found.iptables) == (True, False)


def test_flows_that_were_sent_elsewhere() -> None:
    assert list(conntrack.flows(texts.CONNTRACK, none)) == [
        Flow(UDP, 10013, "10.42.0.2", 53),
        Flow(TCP, 10012, "10.42.0.2", 80),
        Flow(UDP, 10013, "fd42::2", 53),
    ]


def test_cnis_record_of_a_sandbox() -> None:
    assert cni.sandbox(texts.CACHED, none) == Sandbox(
        "810cfe6276faee0285e7",
        "default",
        "web",
        "7ac9f8c3-4cc8-4a33-a4bb-c4d3a3d4e1fb",
        frozenset({"10.42.0.2", "fd42::2"}),
        "/var/run/netns/cni-1",
    )


@pytest.mark.parametrize(
    ("config", "types"),
    [
        ({"name": "a", "plugins": [{"type": "bridge"}, {"type": "portmap"}]}, ("bridge", "portmap")),
        ({"name": "a", "type": "cilium-cni"}, ("cilium-cni",)),
        ({"name": "a"}, ()),
    ],
)
def test_the_plugins_of_a_network(config: dict[str, object], types: tuple[str, ...]) -> None:
    assert cni.plugins(json.dumps(config), none) == types


@pytest.mark.parametrize(
    ("cgroup", "uid"),
    [
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7ac9f8c3_4cc8_4a33_a4bb_c4d3a3d4e1fb.slice/x",
            "7ac9f8c3-4cc8-4a33-a4bb-c4d3a3d4e1fb",
        ),
        ("5:memory:/kubepods/pod7ac9f8c3-4cc8-4a33-a4bb-c4d3a3d4e1fb/abc\n", "7ac9f8c3-4cc8-4a33-a4bb-c4d3a3d4e1fb"),
        ("0::/kubepods/besteffort/pod0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("0::/system.slice/sshd.service", ""),
        ("0::/user/podman-7ac9f8c3", ""),
    ],
)
def test_the_pod_of_a_process(cgroup: str, uid: str) -> None:
    assert pod_uid(cgroup) == uid


@pytest.mark.parametrize(
    ("text", "wanted"), [("32768\t60999\n", (32768, 60999)), ("9 1", None), ("", None), ("1 2 3", None)]
)
def test_the_range_of_outgoing_connections(text: str, wanted: object) -> None:
    assert ephemeral_range(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [("10.0.0.1/32", "10.0.0.1"), ("10.0.0.0/8", None), ("FD42::1/128", "fd42::1"), ("web", None)]
)
def test_an_address_and_no_network(text: str, wanted: str | None) -> None:
    assert plain_ip(text) == wanted


@pytest.mark.parametrize("number", ["0", "65536", "١٢", "-1", "", "1e3", True, None, 2.0, "000080"])
def test_no_port(number: object) -> None:
    assert port_of(number) is None


def test_what_is_not_understood_is_said_and_the_rest_is_read() -> None:
    said: list[str] = []
    text = texts.IPTABLES.replace("--dport 10012 -j DNAT --to-destination 10.42.0.2:80", "--dport 10012 -j DNAT --to 1")
    assert [m.port for m in iptables.mappings(text, said.append)] == [10013, 10015, 20000]
    assert list(sockets(texts.TCP + "   9: nonsense\n", TCP, said.append, "little"))[-1].port == 22
    nftables.ruleset(texts.NFT.replace('"right": 10012', '"right": "http"'), said.append)
    assert len(said) == 4


def test_thousands_of_rules_take_less_than_a_second_or_two() -> None:
    chains = [f"CNI-DN-{i:021d}" for i in range(5000)]
    comment = r'--comment "dnat name: \"p\" id: \"c\""'
    entry = f"-A CNI-HOSTPORT-DNAT -p tcp -m comment {comment} -m multiport"
    lines = [f"{entry} --dports {10000 + i} -j {chain}" for i, chain in enumerate(chains)]
    for i, chain in enumerate(chains):
        lines += [f"-A {chain} -s 10.0.0.0/8 -p tcp -m tcp --dport {10000 + i} -j CNI-HOSTPORT-SETMARK"] * 2
        lines.append(
            f"-A {chain} -p tcp -m tcp --dport {10000 + i} -j DNAT --to-destination 10.42.{i >> 8}.{i & 255}:80"
        )
    began = time.process_time()
    assert len(iptables.mappings("\n".join(lines), none)) == 5000
    assert time.process_time() - began < 5  # 0.3 s here; quadratic would be minutes


# Fuzzing

Parser = Callable[[str, Callable[[str], None]], object]


def _numbers(text: str) -> set[int]:
    """Every port number that a text could possibly mean: its decimal and its hexadecimal words."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in text).split()
    decimal = {int(word) for word in words if word.isdigit() and len(word) < 20}
    return decimal | {int(word, 16) for word in words if len(word) == 4 and all(c in "0123456789ABCDEF" for c in word)}


PARSERS: dict[str, tuple[str, Parser]] = {
    "tcp": (texts.TCP, lambda text, say: list(sockets(text, TCP, say))),
    "udp6": (texts.UDP6, lambda text, say: list(sockets(text, UDP, say))),
    "sctp": (texts.SCTP, lambda text, say: list(sctp_endpoints(text, say))),
    "iptables": (texts.IPTABLES, iptables.mappings),
    "kube-proxy": (texts.KUBE_PROXY, lambda text, say: list(iptables.node_ports(text, say))),
    "nft": (texts.NFT, lambda text, say: [*(r := nftables.ruleset(text, say)).mappings, *r.node_ports]),
    "conntrack": (texts.CONNTRACK, lambda text, say: list(conntrack.flows(text, say))),
}


def check(parse: Parser, text: str) -> None:
    """No exception, and no port that does not stand in the text."""
    found = parse(text, lambda line: None)
    assert isinstance(found, list)
    for each in found:
        assert 1 <= each.port <= 65535
        assert each.port in _numbers(text)


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.text())
def test_any_text_at_all(name: str, text: str) -> None:
    check(PARSERS[name][1], text)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_real_text_with_something_broken_in_it(name: str, data: st.DataObject) -> None:
    real, parse = PARSERS[name]
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(real))] * 2)))
    last = min(last, first + 40)
    check(
        parse,
        real[:first]
        + data.draw(st.text(st.sampled_from('0123456789AF:.,-"\\{}[] \ntcpud'), max_size=20))
        + real[last:],
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NFT_WORDS = ["nftables", "rule", "map", "table", "chain", "expr", "match", "left", "right", "payload", "field"]
NFT_WORDS += ["protocol", "dnat", "addr", "port", "elem", "concat", "val", "name", "comment"]
NFT_JSON = st.recursive(
    ANY_JSON
    | st.sampled_from(["cni_hostport", "hostports", "kube-proxy", "service-nodeports", "tcp", "dport", 80, "10.0.0.1"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NFT_WORDS), inner),
    max_leaves=40,
)


@given(value=NFT_JSON)
def test_any_json_where_rules_should_be(value: object) -> None:
    check(PARSERS["nft"][1], json.dumps(value))
    rule = {"table": "cni_hostport", "chain": "hostports", "expr": value}
    elements = {"table": "kube-proxy", "name": "service-nodeports", "elem": value}
    check(PARSERS["nft"][1], json.dumps({"nftables": [value, {"rule": rule}, {"map": elements}]}))


@given(value=ANY_JSON)
def test_any_json_where_cni_should_be(value: object) -> None:
    for text in (
        json.dumps(value),
        json.dumps({"containerId": "a", "cniArgs": value, "result": value, "plugins": value}),
    ):
        cni.sandbox(text, lambda line: None)
        cni.plugins(text, lambda line: None)


@given(
    rules=st.lists(
        st.tuples(st.sampled_from(["tcp", "udp", "sctp"]), st.integers(1, 65535), st.integers(1, 65535)),
        min_size=1,
        max_size=40,
        unique_by=lambda rule: rule[:2],
    )
)
def test_what_portmap_writes_is_what_is_read(rules: list[tuple[str, int, int]]) -> None:
    lines = [
        f"-A CNI-DN-x -p {p} -m {p} --dport {port} -j DNAT --to-destination 10.0.0.1:{to}" for p, port, to in rules
    ]
    for protocol in ("tcp", "udp", "sctp"):
        ports = [port for p, port, _ in rules if p == protocol]
        for start in range(0, len(ports), 15):
            chunk = ",".join(map(str, ports[start : start + 15]))
            comment = r'"dnat name: \"n\" id: \"c\""'
            lines.append(
                f"-A CNI-HOSTPORT-DNAT -p {protocol} -m comment --comment {comment} --dports {chunk} -j CNI-DN-x"
            )
    found = iptables.mappings("\n".join(lines), none)
    assert [(m.protocol.lower(), m.port, m.target_port, m.container) for m in found] == [(*rule, "c") for rule in rules]
