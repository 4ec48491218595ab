"""The commands as a shell sees them."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from hostport.cli import main

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("command", ["hostport", "kubectl-hostport"])
def test_both_commands_are_installed_and_know_their_version(command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command), "--version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"hostport {version('hostport-operator')}\n")


def test_the_command_line_does_not_load_kopf_before_it_is_needed() -> None:
    code = "import sys, hostport.cli.main; print('kopf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_every_command_that_the_readme_shows_is_there_with_its_options() -> None:
    app = typer.main.get_command(main.app)
    shown = set(re.findall(r"(?<![-\w/.])hostport +((?:[a-z]+|--)[^`\n]*)", (ROOT / "README.md").read_text()))
    commands = {words.split()[0]: set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words)) for words in shown}
    assert {"who", "explain", "free", "pools", "map", "trace", "check", "uninstall", "run"} <= set(commands)
    for name, options in commands.items():
        command = app.commands.get(name, app)
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert options <= known | {"--help", "--install-completion"}, f"hostport {name} {options - known}"
        assert name in app.commands or name.startswith("--"), f"hostport {name}"


@pytest.mark.parametrize(
    ("typed", "proposed"), [(["wh"], "who"), (["who", "--no"], "--node"), (["free", "-"], "--pool")]
)
def test_kubectl_is_told_how_a_command_goes_on(typed: list[str], proposed: str) -> None:
    script = str(Path(sys.executable).parent / "kubectl_complete-hostport")
    done = subprocess.run([script, *typed], capture_output=True, text=True, check=True)

    *lines, directive = done.stdout.splitlines()
    assert proposed in {line.split("\t")[0] for line in lines}
    assert directive == ":4"
