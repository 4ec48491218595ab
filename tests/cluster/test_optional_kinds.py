"""A kind that need not be installed is waited for without holding anything up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from controlplane.cluster import ControlPlane
from hostport.cluster import reader
from hostport.cluster.client import Api
from hostport.cluster.reader import OptionalMirror
from tests.support.wait import until

pytestmark = pytest.mark.cluster

GROUP = "optional.hostport.dev"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Cluster",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}},
        ],
    },
}


class Names:
    """A sink of names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def key(self, raw: dict[str, Any]) -> str:
        return str(raw["metadata"]["name"])

    def seen(self, raw: dict[str, Any]) -> str:
        self.names.add(self.key(raw))
        return self.key(raw)

    def gone(self, key: str) -> None:
        self.names.discard(key)

    def known(self) -> Iterable[str]:
        return set(self.names)

    def version(self, key: str) -> int:
        return 0


async def come(true: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, true, "the sink has what there is", seconds=90)


def test_absent_then_installed_then_removed(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_ABSENT_SECONDS", 0.2)

    async def kubectl(*arguments: str, input: str | None = None) -> str:
        return await asyncio.to_thread(lambda: control_plane.kubectl(*arguments, input=input))

    async def story() -> None:
        api, sink = await Api.connect(str(control_plane.kubeconfig)), Names()
        mirror = OptionalMirror(api, f"/apis/{GROUP}/v1/things", sink, lambda: None)
        task = asyncio.create_task(mirror.run())
        try:
            await asyncio.wait_for(mirror.listed.wait(), 90)
            await kubectl("apply", "-f", "-", input=json.dumps(CRD))
            await kubectl("wait", "--for=condition=Established", f"crd/things.{GROUP}")
            thing = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": "one"}}
            await kubectl("create", "-f", "-", input=json.dumps(thing))
            await come(lambda: sink.names == {"one"})
            await kubectl("delete", "crd", f"things.{GROUP}")
            await come(lambda: sink.names == set())
            await kubectl("apply", "-f", "-", input=json.dumps(CRD))
            await kubectl("wait", "--for=condition=Established", f"crd/things.{GROUP}")
            await kubectl("create", "-f", "-", input=json.dumps(thing))
            await come(lambda: sink.names == {"one"})
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])
            await api.close()
            await kubectl("delete", "crd", f"things.{GROUP}")

    asyncio.run(story())
