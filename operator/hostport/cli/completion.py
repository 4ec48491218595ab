"""`kubectl_complete-hostport`: what kubectl runs to complete `kubectl hostport …`.

It gets the words typed, the last of them unfinished, and prints one proposal a line and then a directive: 4 says that
file names are no proposals (cobra's ShellCompDirectiveNoFileComp). Typer speaks the same to the shell fish.
"""

from __future__ import annotations

import os
import shlex
import sys

from hostport.cli.main import app


def main() -> None:
    """The entry point."""
    os.environ["_HOSTPORT_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = shlex.join(["hostport", *sys.argv[1:]])
    try:
        app(prog_name="hostport")
    except SystemExit:
        print(":4")
