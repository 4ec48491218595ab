"""What can't be meant, and no cluster: a sentence with the way out and exit code 2, from every command."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostport.cli.main import main

Fails = Callable[..., str]

COMMANDS = (
    ("who", "80"),
    ("explain", "deploy/web"),
    ("free",),
    ("pools",),
    ("map",),
    ("check",),
    ("uninstall", "--yes"),
)
NO_FILE = "hostport: no cluster to talk to: /no/such/file: no such file; set KUBECONFIG, or run in a Pod\n"
KUBECONFIG = """
clusters: [{{name: a, cluster: {{server: "https://127.0.0.1:1"{cluster}}}}}]
contexts: [{{name: a, context: {{cluster: a, user: a}}}}]
users: [{{name: a, user: {{{user}}}}}]
current-context: a
"""


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Fails]:
    """Runs a command that must fail as it should; gives what it says, which is no traceback and no log."""

    def run(*words: str, kubeconfig: Path | str = "/no/such/file") -> str:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setattr(sys, "argv", ["hostport", *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        return err

    monkeypatch.setenv("COLUMNS", "200")
    yield run
    gc.enable()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_without_a_kubeconfig_it_is_said_how_to_name_one(fails: Fails, words: tuple[str, ...]) -> None:
    assert fails(*words) == NO_FILE


@pytest.mark.parametrize("words", [("run", "--metrics-port", "0", "--health-port", "0"), ("agent",)])
def test_nor_can_the_operator_or_an_agent_begin(words: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).parent / "hostport"), *words]
    env = {**os.environ, "KUBECONFIG": "/no/such/file"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (2, NO_FILE)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_an_api_server_that_does_not_answer(fails: Fails, words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG.format(cluster="", user=""))

    said = fails(*words, kubeconfig=file)

    assert said.startswith("hostport: the API server does not answer: ")
    assert "kubectl cluster-info" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        (", certificate-authority: /no/such/ca", ""),
        (", certificate-authority-data: aGFsbG8=", ""),
        (', certificate-authority-data: "%%%"', ""),
        ("", "client-certificate: /no/such, client-key: /no/such"),
        ("", "client-certificate-data: aGFsbG8=, client-key-data: aGFsbG8="),
    ],
)
def test_certificates_that_are_none(fails: Fails, cluster: str, user: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG.format(cluster=cluster, user=user))

    assert fails("pools", kubeconfig=file).startswith("hostport: no cluster to talk to: ")


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "\x00", "contexts: 5", "current-context: nobody", "\udcdd"])
def test_a_file_that_is_no_kubeconfig(fails: Fails, content: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(content.encode(errors="surrogateescape"))

    assert fails("free", kubeconfig=file).startswith("hostport: no cluster to talk to: ")


@pytest.mark.parametrize("port", ["http", "", "0", "+80", "65536", "8e1", "80.0", "１００", "80/", "80/ICMP", "9" * 40])
@pytest.mark.parametrize("command", [("who",), ("trace", "--offline")], ids=lambda words: words[0])
def test_a_port_that_is_none(fails: Fails, command: tuple[str, ...], port: str) -> None:
    assert fails(*command, port).startswith("hostport: ")


@pytest.mark.parametrize(
    "words", [("nonsense",), ("who",), ("who", "80", "-o", "xml"), ("free", "--count", "x"), ("map", "--no-such")]
)
def test_words_that_no_command_knows(fails: Fails, words: tuple[str, ...]) -> None:
    assert "Usage: hostport" in fails(*words)
