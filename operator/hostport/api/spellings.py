"""PORTs as users write them: `name`, `number[/PROTO]`, `container/name` or `container/number[/PROTO]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostport.api.podspec import PortEntry
from hostport.api.ports import Protocol

_LONGEST_NUMBER = 5


class Spellings:
    """Every way to name each of some entries, looked up at once however many there are."""

    def __init__(self, entries: Iterable[PortEntry]) -> None:
        self._entries: dict[str, dict[str, PortEntry]] = {}
        for entry in entries:
            for word in _spellings(entry):
                self._entries.setdefault(word, {}).setdefault(entry.ref, entry)

    def meant(self, word: str) -> dict[str, PortEntry]:
        """The entries that a word can mean, by their PORT; of those with one PORT the first."""
        return self._entries.get(_plain(word), {})


def _spellings(entry: PortEntry) -> Iterator[str]:
    words = [str(entry.number), f"{entry.number}/{entry.protocol}"] if entry.number > 0 else []
    for word in [*([entry.name] if entry.name else []), *words]:
        yield word
        yield f"{entry.container_name}/{word}"


def _plain(word: str) -> str:
    """A word with its number as a number is written: `080` is 80."""
    whole = _number(word)
    if whole is not None:
        return whole
    container, slash, rest = word.partition("/")
    return f"{container}/{_number(rest) or rest}" if slash else word


def _number(word: str) -> str | None:
    number, slash, protocol = word.partition("/")
    if not 1 <= len(number) <= _LONGEST_NUMBER or not (number.isascii() and number.isdigit()):
        return None
    if slash and protocol not in Protocol.__members__:
        return None
    return f"{int(number)}{slash}{protocol}"
