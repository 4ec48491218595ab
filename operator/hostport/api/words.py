"""The words of an annotation that lists something."""

from __future__ import annotations

from hostport.api.errors import InvalidAnnotation
from hostport.api.limits import MOST_WORDS


def split(annotation: str, text: str) -> list[str]:
    """What stands between the commas, without the spaces around it; raises `InvalidAnnotation` where it is too much."""
    count = text.count(",") + 1
    if count > MOST_WORDS:
        problem = f"{count} entries, and {MOST_WORDS} at most are read"
        raise InvalidAnnotation(annotation, text, f"{problem}: name each port or pool once, or split the workload")
    return [word.strip() for word in text.split(",")]
