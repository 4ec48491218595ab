"""`hostport trace` on nodes with real sockets and rules, made by CNI's own plugins."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.bare_node import BareNode

pytestmark = pytest.mark.node

Rows = list[tuple[str, str, str]]


def tcp(host: int, container: int = 80, ip: str = "", protocol: str = "tcp") -> dict[str, Any]:
    return {"hostPort": host, "containerPort": container, "protocol": protocol, **({"hostIP": ip} if ip else {})}


def verdicts(node: BareNode, *arguments: str) -> list[dict[str, Any]]:
    done = node.trace(*arguments, "-o", "json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return list(json.loads(done.stdout))


def seen(node: BareNode, port: str) -> Rows:
    """What is on a port as (protocol, address, verdict)."""
    return [(row["protocol"], row["address"], row["verdict"]) for row in verdicts(node, port)]


@contextmanager
def listening(node: BareNode, code: str) -> Iterator[int]:
    """A process of the node's that has made these sockets; its pid."""
    process = node.python(f"import socket, sys\n{code}\nprint('there', flush=True)\nsys.stdin.read()")
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    try:
        yield process.pid
    finally:
        process.communicate()


ANY = "0.0.0.0"  # noqa: S104 - read, not bound
FREE = [("TCP", "*", "free"), ("UDP", "*", "free")]


def test_a_host_port_from_its_sandbox_to_its_end(bare_node: BareNode) -> None:
    assert seen(bare_node, "10012") == FREE
    bare_node.add("web-1", tcp(10012))
    web = "hostPort of Pod default/web-1"
    assert seen(bare_node, "10012") == [("TCP", ANY, web), ("TCP", "::", web), ("UDP", "*", "free")]
    assert seen(bare_node, "80/TCP") == [("TCP", "*", "free")]
    bare_node.remove("web-1")
    assert seen(bare_node, "10012") == FREE


def test_what_the_rule_says_is_true(bare_node: BareNode) -> None:
    """The rule that is shown is the one that packets take."""
    bare_node.add("web-1", tcp(10012))
    (row, *_) = verdicts(bare_node, "10012/TCP")
    target = re.search(r"sends it to (\S+):(\d+);", row["evidence"])
    assert target is not None
    serve = f"import socket; s = socket.create_server(('{target[1]}', {target[2]})); print(flush=True)"
    serve += "; s.accept()[0].send(b'me')"
    with subprocess.Popen(bare_node.sandbox("web-1", sys.executable, "-c", serve), stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        connect = "import socket; print(socket.create_connection(('10.42.0.1', 10012), 30).recv(9).decode())"
        assert bare_node.run(sys.executable, "-c", connect) == "me\n"


def test_protocols_addresses_and_families(bare_node: BareNode) -> None:
    ports = [
        tcp(10013, 53, protocol="udp"),
        tcp(10014, protocol="sctp"),
        tcp(10015, ip="127.0.0.1"),
        tcp(10016, ip="fd42::1"),
    ]
    bare_node.add("web-1", *ports)
    web = "hostPort of Pod default/web-1"
    assert seen(bare_node, "10013") == [("TCP", "*", "free"), ("UDP", ANY, web), ("UDP", "::", web)]
    assert seen(bare_node, "10014") == [*FREE, ("SCTP", ANY, web), ("SCTP", "::", web)]
    assert seen(bare_node, "10015/TCP") == [("TCP", "127.0.0.1", web)]
    assert seen(bare_node, "10016/TCP") == [("TCP", "fd42::1", web)]


def test_more_ports_than_one_rule_holds(bare_node: BareNode) -> None:
    bare_node.add("many", *(tcp(20000 + i, 8000 + i) for i in range(40)))
    for i in (0, 14, 15, 29, 30, 39):
        (row, *_) = verdicts(bare_node, f"{20000 + i}/TCP")
        assert row["verdict"] == "hostPort of Pod default/many"
        assert f":{8000 + i};" in row["evidence"]
    assert seen(bare_node, "20040") == FREE


def test_a_stale_rule_and_the_way_out(bare_node: BareNode) -> None:
    bare_node.add("web-1", tcp(10012))
    bare_node.lose("web-1")
    stale = "stale rule, its Pod is gone"
    assert seen(bare_node, "10012/TCP") == [("TCP", ANY, stale), ("TCP", "::", stale)]
    bare_node.forget_results()
    rows = verdicts(bare_node, "10012/TCP")
    assert [row["verdict"] for row in rows] == [stale, stale]
    for row in rows:
        _carry_out(bare_node, re.findall(r"`([^`]+)`", row["evidence"])[0])
    assert seen(bare_node, "10012") == FREE


def _carry_out(node: BareNode, advice: str) -> None:
    """Do what the evidence advises; with nftables, delete the rule by the handle that it leads to."""
    printed = node.run(*shlex.split(advice))
    if advice.startswith("nft "):
        family = shlex.split(advice)[4]
        (handle,) = re.findall(r"dport 10012 .*# handle (\d+)", printed)
        node.run("nft", "delete", "rule", family, "cni_hostport", "hostports", "handle", handle)


def test_listeners_of_every_kind(bare_node: BareNode) -> None:
    code = (
        "t4 = socket.create_server(('0.0.0.0', 10021))\n"
        "t6 = socket.create_server(('::1', 10022), family=socket.AF_INET6)\n"
        "u4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u4.bind(('127.0.0.1', 10023))\n"
        "u6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u6.bind(('::', 10024))\n"
        "connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); connected.bind(('127.0.0.1', 10025))\n"
        "connected.connect(('127.0.0.1', 9))\n"
    )
    with listening(bare_node, code) as pid:
        for port, protocol, address in (
            (10021, "TCP", ANY),
            (10022, "TCP", "::1"),
            (10023, "UDP", "127.0.0.1"),
            (10024, "UDP", "::"),
        ):
            (row,) = verdicts(bare_node, f"{port}/{protocol}")
            assert (row["verdict"], row["address"]) == ("listener", address)
            assert f"(pid {pid}), a process of the node's own" in row["evidence"]
        assert seen(bare_node, "10025/UDP") == [("UDP", "*", "free")]
    assert seen(bare_node, "10021/TCP") == [("TCP", "*", "free")]


def test_an_sctp_listener(bare_node: BareNode) -> None:
    code = "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)\n"
    code += "s.bind(('127.0.0.1', 10026)); s.listen()"
    if subprocess.run(bare_node.inside(sys.executable, "-c", f"import socket\n{code}"), capture_output=True).returncode:
        pytest.skip("NO SCTP in this kernel")
    with listening(bare_node, code):
        assert ("SCTP", "127.0.0.1", "listener") in seen(bare_node, "10026")


def test_a_listener_under_a_host_port_is_told_too(bare_node: BareNode) -> None:
    bare_node.add("web-1", tcp(10012))
    with listening(bare_node, "s = socket.create_server(('127.0.0.1', 10012))"):
        assert seen(bare_node, "10012/TCP")[-1] == ("TCP", "127.0.0.1", "listener")


def test_udp_flows_outlive_their_rule(bare_node: BareNode) -> None:
    bare_node.run("sysctl", "-q", "-w", "net.netfilter.nf_conntrack_udp_timeout=600")
    bare_node.add("dns", tcp(10013, 53, protocol="udp"))
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('10.42.0.1', 10013))"
    bare_node.run(sys.executable, "-c", send)
    assert seen(bare_node, "10013/UDP")[0][2] == "hostPort of Pod default/dns"
    bare_node.remove("dns")
    (row,) = verdicts(bare_node, "10013/UDP")
    assert row["kind"] == "Leftover"
    bare_node.run(*shlex.split(re.findall(r"`([^`]+)`", row["evidence"])[0]))
    assert seen(bare_node, "10013/UDP") == [("UDP", "*", "free")]


def test_thousands_of_rules(bare_node: BareNode) -> None:
    bare_node.add("web-1", tcp(10012))
    bare_node.crowd(3000, first=40000)
    assert seen(bare_node, "10012/TCP")[0][2] == "hostPort of Pod default/web-1"
    assert seen(bare_node, "42999/TCP") == [("TCP", ANY, "stale rule, its Pod is gone")]


def test_a_datapath_that_leaves_no_rules(bare_node: BareNode) -> None:
    (config,) = bare_node.net_d.iterdir()
    config.write_text(json.dumps({"cniVersion": "1.0.0", "name": "cilium", "plugins": [{"type": "cilium-cni"}]}))
    (row,) = verdicts(bare_node, "10012/TCP")
    assert (row["kind"], row["verdict"]) == ("CantTell", "this node's datapath is not portmap: can't tell")
    with listening(bare_node, "s = socket.create_server(('127.0.0.1', 10012))"):
        assert seen(bare_node, "10012/TCP") == [("TCP", "127.0.0.1", "listener")]


def test_garbage_in_cnis_record_is_told_and_is_no_traceback(bare_node: BareNode) -> None:
    bare_node.add("web-1", tcp(10012))
    for record in (bare_node.cni / "results").iterdir():
        record.write_text("\x00{garbage")
    done = bare_node.trace("10012/TCP")
    assert done.returncode == 0
    assert "stale rule" in done.stdout
    assert "can't be understood" in done.stderr
    free = bare_node.trace("10099/TCP")
    assert free.returncode == 2
    assert "can't be understood" in free.stderr
    assert "Traceback" not in free.stderr


def test_without_the_tools_it_says_what_to_install(bare_node: BareNode) -> None:
    bare_node.hide_tools = True
    done = bare_node.trace("10012")
    assert done.returncode == 2
    assert "apt-get install iptables nftables" in done.stderr
    assert "Traceback" not in done.stderr


def test_yaml_and_table(bare_node: BareNode) -> None:
    bare_node.add("web-1", tcp(10012))
    assert "verdict: hostPort of Pod default/web-1" in bare_node.trace("10012", "-o", "yaml").stdout
    table = bare_node.trace("10012").stdout
    assert table.split()[:5] == ["PORT", "PROTOCOL", "ADDRESS", "VERDICT", "EVIDENCE"]
    assert "sends it to [fd42::2]:80" in table
