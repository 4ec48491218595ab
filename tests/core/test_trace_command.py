"""`hostport trace`: what it says where it can't look."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hostport.api.ports import Protocol
from hostport.cli.main import app
from hostport.node.look import Look
from tests.core import node_texts as texts


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http"], "'http' is not a port"),
        (["0"], "from 1 to 65535"),
        (["70000"], "from 1 to 65535"),
        (["-5"], "No such option"),
        (["10012/ICMP"], "'ICMP' is not a protocol: TCP, UDP, SCTP"),
        (["10012", "--root", "/no/such/folder"], "/no/such/folder is no directory"),
        ([], "Missing argument"),
    ],
)
def test_what_makes_no_sense_is_said_with_exit_code_2(root: None, arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["trace", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = CliRunner().invoke(app, ["trace", "10012"])
    assert done.exit_code == 2
    assert "sudo hostport trace 10012" in done.stderr


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with two listeners, on a machine without any tool."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    (tmp_path / "proc/net").mkdir(parents=True)
    for name in ("tcp", "udp"):
        (tmp_path / "proc/net" / name).write_text(texts.TCP)
    return tmp_path / "proc"


def test_a_look_tells_what_it_could_not_read(proc: Path, tmp_path: Path) -> None:
    (proc / "net/tcp").write_text(texts.TCP + "garbage\n")
    (proc / "net/udp").unlink()
    sight = Look(tmp_path, proc).sight()
    assert {(s.protocol, s.port) for s in sight.listeners} == {(Protocol.TCP, 22), (Protocol.TCP, 8080)}
    garbage, udp, tools = sight.gaps[1], sight.gaps[2], sight.gaps[0]
    assert "neither iptables-save nor nft" in tools
    assert garbage.endswith("'garbage'")
    assert "udp can't be read" in udp


def test_rules_of_the_older_iptables_need_their_tool(proc: Path, tmp_path: Path) -> None:
    (proc / "net/ip_tables_names").write_text("filter\nnat\n")
    assert any("only iptables-save can read" in gap for gap in Look(tmp_path, proc).sight().gaps)


def test_pods_and_networks_from_a_nodes_disk(proc: Path, tmp_path: Path) -> None:
    (tmp_path / "var/log/pods/default_web-1_uid-1/app").mkdir(parents=True)
    (tmp_path / "etc/cni/net.d").mkdir(parents=True)
    (tmp_path / "etc/cni/net.d/00-broken.conf").write_text("{}")
    (tmp_path / "etc/cni/net.d/10-a.conflist").write_text('{"plugins": [{"type": "cilium-cni"}]}')
    (tmp_path / "etc/cni/net.d/20-b.conflist").write_text('{"plugins": [{"type": "portmap"}]}')
    sight = Look(tmp_path, proc).sight()
    assert sight.pods == (("uid-1", "default/web-1"),)
    assert sight.datapath.plugins == ("cilium-cni",)
    assert sight.sandboxes is None


def test_a_sandbox_lives_as_long_as_its_namespace(proc: Path, tmp_path: Path) -> None:
    results = tmp_path / "var/lib/cni/results"
    results.mkdir(parents=True)
    (results / "pods-1-eth0").write_text(texts.CACHED)
    container = "810cfe6276faee0285e7"

    def alive() -> bool | None:
        sandboxes = Look(tmp_path, proc).sight().sandboxes
        assert sandboxes is not None
        return sandboxes[container].alive

    assert alive() is None
    (tmp_path / "run/netns").mkdir(parents=True)
    assert alive() is False
    (tmp_path / "run/netns/cni-1").touch()
    assert alive() is True
