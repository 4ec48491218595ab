"""What the audience sees: scenes, commands, output, ticks. Colours and boxes on a terminal, plain text elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_HIGHLIGHTS = (
    (r"\b10012\b", "bold yellow"),
    (r"\b10013\b", "bold green"),
    (r"\b(Pending|FailedScheduling)\b", "bold red"),
    (r"\b(Running|PortsAssigned|PortsReleased|RolloutAdjusted)\b", "green"),
)


class Stage:
    """Prints the play. `headline` is the present scene's."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._scenes = 0
        self.headline = ""

    def open(self, title: str, lines: Sequence[str]) -> None:
        """The playbill."""
        self._box(Text("\n".join(lines)), title, "cyan")

    def scene(self, title: str) -> None:
        """A headline."""
        self._scenes += 1
        self.headline = f"{self._scenes}  {title}"
        self._console.print()
        if self._console.is_terminal:
            self._console.rule(Text(self.headline, style="bold cyan"), align="left", style="cyan")
        else:
            self._write(Text(f"== {self.headline} =="))

    def say(self, text: str) -> None:
        """A few plain words."""
        self._write(Text(text))

    def command(self, line: str) -> None:
        """What the user types."""
        self._console.print()
        self._write(Text.assemble(("$ ", "bold cyan"), (line, "bold")))

    def output(self, printed: str) -> None:
        """What it prints. Several lines are a table: its columns are cut at the terminal's edge rather than broken."""
        text = Text(printed)
        for pattern, style in _HIGHLIGHTS:
            text.highlight_regex(pattern, style)
        if self._console.is_terminal and "\n" in printed:
            self._console.print(Padding(text, (0, 0, 0, 2)), no_wrap=True, overflow="ellipsis")
        else:
            self._write(text, indent=2)

    def tick(self, text: str) -> None:
        """Something that was checked in the cluster, and holds."""
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_row(Text("✔", "bold green"), Text(text, "green"))
        self._console.print(line) if self._console.is_terminal else self._write(Text(f"✔ {text}"))

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """A spinner on a terminal, until the block ends."""
        return self._console.status(Text(text, "dim")) if self._console.is_terminal else nullcontext()

    def fail(self, what: str, details: Sequence[tuple[str, str]]) -> None:
        """What did not come out. Of each detail, a heading and its text."""
        parts = [part for head, text in details if text for part in (Text(f"{head}:", "bold"), Text(text), Text())]
        self._console.print()
        self._box(Group(*parts[:-1]), f"✘ {what}", "red")

    def close(self, title: str, lines: Sequence[str]) -> None:
        """The end: commands to go on with, and comments on them."""
        text = Text("\n").join(Text(line, "dim" if line.startswith("#") else "bold") for line in lines)
        self._console.print()
        self._box(text, title, "green")

    def _box(self, content: RenderableType, title: str, style: str) -> None:
        if self._console.is_terminal:
            heading = Text(title, f"bold {style}")
            self._console.print(Panel(content, title=heading, title_align="left", border_style=style, padding=(1, 2)))
        else:
            self._write(Text(f"== {title} =="))
            self._console.print(content, soft_wrap=True)

    def _write(self, text: Text, indent: int = 0) -> None:
        """Broken at words on a terminal; elsewhere not at all, so that lines can be searched."""
        if self._console.is_terminal:
            self._console.print(Padding(text, (0, 0, 0, indent)))
        else:
            self._console.print(Text(textwrap.indent(text.plain, " " * indent)), soft_wrap=True)
