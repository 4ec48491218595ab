"""Looks on all the time: whether two Deployments ever show one number, and whether a number ever changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.reader import Mirror


class Monitor:
    """Follows the Deployments by a watch of its own. `doubles` and `moves` are sentences; both are to stay empty.

    A number may come and go with what is asked of the operator; what must not be is that one turns into another.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), name="monitor", daemon=True)
        self._shown: dict[str, dict[str, int]] = {}
        self._last: dict[str, dict[str, int]] = {}
        self.doubles: set[str] = set()
        self.moves: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    async def _follow(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        api = await Api.connect(str(self._kubeconfig))
        mirror = asyncio.create_task(Mirror(api, paths.workloads("Deployment"), self, lambda: None).run())
        await self._end.wait()
        mirror.cancel()
        await api.close()

    # What a mirror asks for

    def key(self, raw: Json) -> str:
        """Uid and name: one that comes again under its name is another."""
        return f"{raw['metadata']['uid']} {raw['metadata']['name']}"

    def seen(self, raw: Json) -> str:
        """Compare with the others and with before."""
        key, ports = self.key(raw), _ports(raw)
        for name, port in ports.items():
            was = self._last.setdefault(key, {}).get(name, port)
            if was != port:
                self.moves.add(f"{key}: {name} was {was} and is {port}")
            self.doubles |= {
                f"{port} is on {key} and on {other}"
                for other, its in self._shown.items()
                if other != key and port in its.values()
            }
        asked = (raw["metadata"].get("annotations") or {}).get("hostport/auto") == "true"
        self._last[key] = {**self._last.get(key, {}), **ports} if asked else {}
        self._shown[key] = ports
        return key

    def gone(self, key: str) -> None:
        """Its numbers are free for others, in time."""
        self._shown.pop(key, None)

    def known(self) -> Iterable[str]:
        """All."""
        return tuple(self._shown)

    def version(self, key: str) -> int:
        """Not kept."""
        return 0


def _ports(raw: Json) -> dict[str, int]:
    containers = raw["spec"]["template"]["spec"]["containers"]
    return {
        f"{c['name']}/{p['name']}": p["hostPort"] for c in containers for p in c.get("ports") or () if p.get("hostPort")
    }
