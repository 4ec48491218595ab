"""Raw JSON to and from the API server, over the connection that `kubernetes.aio` makes.

Its typed models cost ten times as much as the JSON they wrap, so only its configuration, authentication and transport
are used here.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import orjson
import yaml
from yarl import URL

from hostport.api.errors import shown
from hostport.cluster.complaints import Complaints
from hostport.cluster.errors import ApiError, Busy, Forbidden, Garbled, Passing, Unreachable, error_for
from hostport.cluster.lines import lines
from hostport.cluster.unreadable import Unreadable

if TYPE_CHECKING:
    # Imported where it is used: it takes most of a second, and `--help` and completion can do without.
    from kubernetes.aio.client import ApiClient, Configuration

Json = dict[str, Any]

_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_TIMEOUT_SECONDS = 30.0
# Where the server says when to come back it is asked again, as client-go does; then whoever asked must know.
_TRIES = 5
_LONGEST_WAIT_SECONDS = 15.0
# Where there are bookmarks they come every minute; a watch that is silent for longer is begun anew.
_WATCH_SECONDS = 290
_LONGEST_REASON = 500
_SILENCE_SECONDS = 75.0

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class NoCluster(ApiError):
    """Neither a kubeconfig nor a Pod's ServiceAccount was found."""

    def __init__(self, why: str) -> None:
        Exception.__init__(self, f"no cluster to talk to: {why}; set KUBECONFIG, or run in a Pod")
        self.status, self.message, self.request = 0, why, ""


class Api:
    """Requests by path. Every method raises `ApiError`; what will pass by itself is logged here, once per cause.

    `unreadable` are those of the objects that were read with it that nobody could understand.
    `namespace` is the one that the kubeconfig's context names.
    """

    def __init__(self, client: ApiClient, namespace: str = "default") -> None:
        self._client = client
        self.complaints = Complaints()
        self.unreadable = Unreadable()
        self.namespace = namespace

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Api:
        """A connection to the cluster of `kubeconfig`, $KUBECONFIG, ~/.kube/config, or the Pod this runs in."""
        from kubernetes.aio.client import ApiClient, Configuration
        from kubernetes.aio.config import ConfigException

        configuration = Configuration()
        configuration.connection_pool_maxsize = 64
        try:
            namespace = await _configure(configuration, kubeconfig, context)
            return cls(ApiClient(configuration), namespace)
        except (ConfigException, OSError) as error:
            raise NoCluster(str(error)) from error
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
            # What the loader makes of a file that is no kubeconfig.
            raise NoCluster(f"the kubeconfig can't be read ({_say(error)})") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, **query: str) -> Json:
        """GET an object or a list."""
        return await self._call("GET", _with(path, query))

    async def create(self, path: str, body: Json) -> Json:
        """POST an object."""
        return await self._call("POST", path, body)

    async def delete(self, path: str) -> Json:
        """DELETE an object."""
        return await self._call("DELETE", path)

    async def patch(self, path: str, body: Json | list[Json], kind: str = MERGE) -> Json:
        """PATCH an object; only the metadata of the result comes back."""
        return await self._call("PATCH", path, body, {"Content-Type": kind, "Accept": _METADATA_ONLY})

    async def token(self) -> str:
        """The bearer token that requests carry; empty where there is none (client certificates)."""
        headers: dict[str, str] = {}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], "/", "GET", None)
        return headers.get("authorization", "").removeprefix("Bearer ")

    async def watch(self, path: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """Changes after `version` as (type, object), until it falls silent or is ended; raises `Gone` if it can't."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_SECONDS, sock_read=_SILENCE_SECONDS)
        try:
            async for kind, raw in self._events(_with(path, query), limits):
                if kind == "ERROR":
                    raise _watch_error(raw, path)
                yield kind, raw
        except (Passing, Forbidden) as error:
            self._complain(error)
            raise

    async def _events(self, path: str, limits: aiohttp.ClientTimeout) -> AsyncIterator[tuple[str, Json]]:
        response = await self._send("GET", path, None, {}, limits)
        try:
            await _raise_for(response, f"GET {path}")
            self.complaints.worked()
            async for line in lines(response.content.iter_any()):
                yield _event(line)
        except TimeoutError:
            # Bookmarks begin with the first event: on a quiet kind silence is no fault, nor is it a proof of life.
            return
        except ApiError:
            raise
        except Exception as error:
            raise _no_answer(error, f"GET {path}") from error
        finally:
            response.close()

    async def _call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Json:
        for tries_left in reversed(range(_TRIES)):
            try:
                answer = await self._once(method, path, body, headers or {})
            except (Passing, Forbidden) as error:
                self._complain(error)
                if not tries_left or not isinstance(error, Busy) or error.retry_after is None:
                    raise
                await asyncio.sleep(min(_LONGEST_WAIT_SECONDS, error.retry_after) * random.uniform(1.0, 1.2))  # noqa: S311 - spreads load
            else:
                self.complaints.worked()
                return answer
        raise AssertionError

    def _complain(self, error: Passing | Forbidden) -> None:
        if isinstance(error, Forbidden) and error.is_farewell:
            return
        cause = f"HTTP {error.status}" if error.status else "no answer"
        cause = "an answer that can't be read" if isinstance(error, Garbled) else cause
        self.complaints.failed(f"{cause} from the API server", f"{cause} from the API server ({error})")

    async def _once(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Json:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        response = await self._send(method, path, body, headers, timeout)
        try:
            await _raise_for(response, f"{method} {path}")
            return dict(orjson.loads(await response.read()))
        except ApiError:
            raise
        except Exception as error:
            raise _no_answer(error, f"{method} {path}") from error
        finally:
            response.release()

    async def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        sent = {"Accept": "application/json", "User-Agent": "hostport-operator", **headers}
        # As it is written: by itself yarl would unquote what can be, and resolve dots.
        url = URL(self._client.configuration.host + path, encoded=True)
        try:
            await self._client.update_params_for_auth(sent, [], ["BearerToken"], path, method, body)
            answer = await self._client.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=sent, body=body, _request_timeout=limits
            )
        except Exception as error:
            raise _no_answer(error, f"{method} {path}") from error
        raw: aiohttp.ClientResponse = answer.response
        return raw


def in_cluster() -> bool:
    """Whether this runs in a Pod, as its ServiceAccount."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG")


async def _configure(configuration: Configuration, kubeconfig: str | None, context: str | None) -> str:
    """Returns the namespace to work in.

    In a Pod without a kubeconfig the ServiceAccount's token, read anew every minute; else the kubeconfig.
    """
    from kubernetes.aio import config

    named = kubeconfig or os.environ.get("KUBECONFIG")
    if not named and not context and in_cluster():
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return _pod_namespace()
    files = named or config.KUBE_CONFIG_DEFAULT_LOCATION
    _must_exist(files)
    load = config.load_kube_config(files, context, configuration)  # type: ignore[no-untyped-call]
    loader = await load
    return str((loader.current_context["context"] or {}).get("namespace") or "default")


def _must_exist(files: str) -> None:
    if not any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file):
        raise NoCluster(f"{files}: no such file")


def _pod_namespace() -> str:
    try:
        return _POD_NAMESPACE.read_text().strip() or "default"
    except OSError:
        return "default"


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


async def _raise_for(response: aiohttp.ClientResponse, request: str) -> None:
    if response.status < 400:
        return
    text = await response.text()
    try:
        message = str(orjson.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:200] or response.reason or ""
    error = error_for(response.status, message, request)
    if isinstance(error, Busy):
        error.retry_after = _seconds(response.headers.get("Retry-After"))
    raise error


def _seconds(retry_after: str | None) -> float | None:
    """Kubernetes sends seconds; of the header's other form, a date, nothing is made."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _event(line: bytes) -> tuple[str, Json]:
    event = orjson.loads(line)
    return str(event["type"]), dict(event["object"])


def _no_answer(error: Exception, request: str) -> Unreachable:
    """Whatever goes wrong between us and the API server will pass; what it was is told.

    aiohttp's parsers, TLS and proxies raise more than `ClientError` and `OSError`.
    """
    network = isinstance(error, (aiohttp.ClientError, OSError))
    kind = Garbled if isinstance(error, (ValueError, LookupError, TypeError)) and not network else Unreachable
    return kind(0, shown(_say(error), _LONGEST_REASON), request)


def _watch_error(status: Json, path: str) -> ApiError:
    code = status.get("code") if isinstance(status.get("code"), int) else 500
    message = str(status.get("message") or "the watch ended with an error")
    return error_for(code or 500, message, f"watch {path}")


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__
