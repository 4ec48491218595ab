"""The few plain HTTP requests that starting a cluster and adding nodes need."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controlplane.errors import ApiError

Json = dict[str, Any]


class Api:
    """The API server, as one identity."""

    def __init__(self, url: str, token: str, ca_file: Path) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._tls = ssl.create_default_context(cafile=str(ca_file))

    def get(self, path: str) -> Json:
        """An object or a list."""
        return self._request("GET", path)

    def post(self, path: str, body: Json) -> Json:
        """Create an object or call a subresource."""
        return self._request("POST", path, json.dumps(body))

    def exists(self, path: str) -> bool:
        """Whether a GET is answered with an object."""
        try:
            self.get(path)
        except ApiError:
            return False
        return True

    def _request(self, method: str, path: str, body: str | None = None) -> Json:
        status, answer = _exchange(method, f"{self.url}{path}", body, self._tls, self._headers)
        if status >= http.client.BAD_REQUEST:
            raise ApiError(f"{method} {path}", status, answer)
        return dict(json.loads(answer))


def probe(url: str, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None) -> bool:
    """Whether a health endpoint answers 200."""
    try:
        status, _ = _exchange("GET", url, None, tls, headers or {})
    except (OSError, http.client.HTTPException):
        return False
    return status == http.client.OK


def _exchange(
    method: str, url: str, body: str | None, tls: ssl.SSLContext | None, headers: dict[str, str]
) -> tuple[int, str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    plain = parts.scheme == "http"
    connection = (
        http.client.HTTPConnection(host, port, timeout=10)
        if plain
        else http.client.HTTPSConnection(host, port, timeout=10, context=tls)
    )
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
