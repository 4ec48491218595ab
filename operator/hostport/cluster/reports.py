"""HostPortNodes, as a node's agent writes them."""

from __future__ import annotations

import base64
import binascii
import contextlib

import orjson

from hostport.api.names import API_VERSION
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import Conflict, NotFound


class NodeReport:
    """The HostPortNode of one node. `node_uid`, if known, makes the Node its owner, so that it goes with it."""

    def __init__(self, api: Api, node: str, node_uid: str) -> None:
        self._api = api
        self._node = node
        self._path = paths.named(paths.REPORTS, node)
        owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid}
        self._metadata: Json = {"ownerReferences": [owner]} if node_uid else {}
        self._owned = False

    async def write(self, status: Json) -> None:
        """Write the status; makes the object where there is none. Raises `ApiError`."""
        if not self._owned:
            await self._own()
        try:
            await self._api.patch(f"{self._path}/status", {"status": status})
        except NotFound:  # deleted by somebody
            self._owned = False
            raise

    async def _own(self) -> None:
        """Have the object there, owned by the Node. Only create and patch are allowed to us, so the patch tells."""
        try:
            await self._api.patch(self._path, {"metadata": self._metadata})
        except NotFound:
            body = {
                "apiVersion": API_VERSION,
                "kind": "HostPortNode",
                "metadata": {"name": self._node, **self._metadata},
            }
            with contextlib.suppress(Conflict):  # somebody was faster
                await self._api.create(paths.REPORTS, body)
        self._owned = True


def node_of(token: str) -> tuple[str, str]:
    """The name and uid of the Node that a bound ServiceAccount token was issued for; empty where it says nothing.

    Source: `privateClaims` in pkg/serviceaccount/claims.go of Kubernetes. The signature is the API server's to check.
    """
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        node = claims["kubernetes.io"]["node"]
        return str(node["name"]), str(node["uid"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return "", ""
