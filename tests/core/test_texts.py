"""Texts of other people's in logs and events: in one line, not too long, and nothing that a terminal obeys."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from hostport.api.errors import InvalidAnnotation, shown
from hostport.cluster.events import Note, Teller
from hostport.run import logs
from tests.core.desk import in_a_loop

NASTY = "a\nb\rc\x1b[31md\x00e\u202ef\u2028g\x85h"
TAME = "a\\nb\\rc\\x1b[31md\\x00e\\u202ef\\u2028g\\x85h"


def line_of(
    log_format: str, capsys: pytest.CaptureFixture[str], text: str, exc_info: Exception | None = None, **fields: str
) -> str:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.configure(log_format)
        logging.getLogger("hostport.test").warning("pool %s", text, exc_info=exc_info, extra=fields)
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        root.handlers[:] = before
        root.setLevel(level)
    return capsys.readouterr().err


def test_a_quote_is_one_line_and_short() -> None:
    assert shown(NASTY) == TAME
    assert len(shown("x" * 300_000)) == 80
    assert TAME in str(InvalidAnnotation("hostport/auto", NASTY, "no"))


def test_words_of_every_language_stay_as_they_are() -> None:
    assert shown("grün → 绿 ☃ \U0001f7e2") == "grün → 绿 ☃ \U0001f7e2"


def test_a_record_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of("plain", capsys, NASTY)
    assert line.endswith(f"pool {TAME}\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_a_record_is_not_too_long(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(line_of(log_format, capsys, "x" * 256_000, port="y" * 256_000)) < 10_000


def test_what_is_raised_follows_on_lines_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    first, last = line_of("plain", capsys, NASTY, exc_info=LookupError("nothing there")).splitlines()
    assert first.endswith(f"pool {TAME}")
    assert last == "LookupError: nothing there"


class Posts:
    """Takes what is posted."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def create(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        return {"metadata": body["metadata"]} if len(self.bodies) > 1 else {}


async def posted(*texts: str, name: str = "web") -> list[dict[str, Any]]:
    posts = Posts()
    teller = Teller(posts, "me", lambda: None)  # type: ignore[arg-type]
    task = asyncio.create_task(teller.run())
    for text in texts:
        teller.tell(Note("apps/v1", "Deployment", "default", name, "uid", "PortConflict", text))
    await asyncio.wait_for(teller.drain(), 10)
    assert not task.done()
    task.cancel()
    return posts.bodies


@in_a_loop
async def test_a_note_of_an_event_is_as_long_as_the_api_server_takes_in_bytes() -> None:
    for body in await posted("x" * 3000, "→" * 3000, "x" * 1022 + "→", NASTY):
        assert len(body["note"].encode()) <= 1024
        assert body["note"].endswith("...") or body["note"] == TAME


@in_a_loop
async def test_an_answer_that_nobody_thought_of_silences_no_other_event() -> None:
    """The first is answered with nothing in it."""
    assert [body["note"] for body in await posted("one", "two")] == ["one", "two"]


@in_a_loop
async def test_the_name_of_an_event_is_one_wherever_the_objects_own_is_cut() -> None:
    (body,) = await posted("text", name="w" * 199 + "-" + "x" * 20)
    assert body["metadata"]["name"].startswith("w" * 199 + ".")
