"""A lease: who holds which number, as it stands in `status.leases`.

The key is `PORT/PROTO[@NODE]` or `[IP]:PORT/PROTO[@NODE]`, the IP in literal brackets.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hostport.api.ports import Protocol

_KEY = re.compile(r"(?:\[([^\]]+)\]:)?([1-9][0-9]{0,4})/(TCP|UDP|SCTP)(?:@(.+))?")


class LeaseKey(NamedTuple):
    """What is claimed: a port and protocol, on one node or the whole pool, on one address or all."""

    port: int
    protocol: Protocol
    node: str = ""
    ip: str = ""

    @classmethod
    def parse(cls, text: str) -> LeaseKey | None:
        """The key that `text` spells, or None where it spells none."""
        match = _KEY.fullmatch(text)
        if match is None or not 1 <= int(match[2]) <= 65535:
            return None
        return cls(int(match[2]), Protocol(match[3]), match[4] or "", match[1] or "")

    def __str__(self) -> str:
        ip = f"[{self.ip}]:" if self.ip else ""
        node = f"@{self.node}" if self.node else ""
        return f"{ip}{self.port}/{self.protocol}{node}"


class Lease(NamedTuple):
    """Who holds a key. Times are RFC 3339 in UTC.

    `owner` is Kind/namespace/name, `port` the PORT of the pod template, `grant` an id and the number of leases that
    were granted with it. `releasing`: the workload has moved on, Pods of an older revision may still use it.
    `released`: nobody uses it, it rests. `abandoned`: the operator writes no more for its owner, as REASON/DIGEST: an
    event's reason, and the `Workload.digest` that this is about.
    """

    owner: str
    uid: str = ""
    port: str = ""
    since: str = ""
    grant: str = ""
    releasing: str = ""
    released: str = ""
    abandoned: str = ""

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Lease:
        """A lease as the API server keeps it; unknown fields are dropped."""
        return cls(**{name: str(raw[name]) for name in cls._fields if raw.get(name)})

    def manifest(self) -> dict[str, str]:
        """The lease as the API server keeps it."""
        return {name: value for name in self._fields if (value := getattr(self, name))}

    @property
    def state(self) -> str:
        """`active`, `releasing` or `released`."""
        return "released" if self.released else "releasing" if self.releasing else "active"

    @property
    def namespace(self) -> str:
        """The namespace of the owner."""
        return self.owner.split("/", 2)[1] if "/" in self.owner else ""

    def revived(self, uid: str, port: str) -> Lease:
        """The same lease, active again and for the workload's present incarnation and port name."""
        return self._replace(uid=uid, port=port, releasing="", released="", abandoned="")
