"""What is told of numbers in a template that are not leased to its workload: those that stay, and those that do not."""

from __future__ import annotations

from collections.abc import Iterator

from hostport.allocation.holding import Holding
from hostport.allocation.rollout import Remark
from hostport.api.errors import QuotaExceeded

_WAY_OUT = "Take the hostPort out of the template to get another number"


def staying(holding: Holding) -> Iterator[Remark]:
    """What is told of numbers that stay because Pods run on them, without a lease: one remark for each reason."""
    said: dict[str, list[str]] = {}
    for entry, holder in holding.found.left.items():
        text = f"{entry.ref} keeps hostPort {entry.claim}, on which a Pod of it runs, though it is leased to {holder}"
        said.setdefault("PortConflict", []).append(text)
    for entry, why in holding.stays.items():
        reason = why.reason if isinstance(why, QuotaExceeded) else "PortConflict"
        text = f"{entry.ref} keeps hostPort {entry.claim}, on which a Pod of it runs, and can't have its lease: {why}"
        said.setdefault(reason, []).append(text)
    for reason, texts in said.items():
        yield Remark(reason, f"{'; '.join(texts)}. What runs is not moved. {_WAY_OUT}")


def replaced(holding: Holding) -> Iterator[str]:
    """What is told of numbers that carry our mark, are leased to nobody, and give way to others."""
    for entry, port in holding.found.copies.items():
        number, _ = holding.numbers.get(entry, (0, ""))
        if number not in (0, port) and entry.ref not in holding.request.exact:
            why = holding.moved.get(entry, "its ports are to be one run of numbers")
            text = f"hostPort {entry.claim} of {entry.ref} is leased to nobody, and can't be leased as it stands"
            yield f"{text}: {why}: it gets another number"
