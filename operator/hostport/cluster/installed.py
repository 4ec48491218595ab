"""Whether our CRDs are installed, and are those of this version: the API server drops what they do not know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from itertools import islice

from hostport.api.lease import Lease
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, Busy, Forbidden, NotFound
from hostport.cluster.reader import pauses

logger = logging.getLogger(__name__)

# After a CRD has been applied its schema takes a moment to be published.
_TRIES = 5


class NotInstalled(NotFound):
    """The cluster does not know our resources, or not all that this version writes into them."""

    def __init__(self, sentence: str, request: str) -> None:
        super().__init__(404, sentence, request)
        self.args = (f"{sentence}: kubectl apply -f crds/",)


async def check_installed(api: Api) -> None:
    """Raises `NotInstalled` where a CRD is missing or is an older one, once the API server has an answer."""
    for pause in pauses():
        try:
            await api.get(paths.POOLS, limit="1")
            await api.get(paths.BLOCKS, limit="1")
        except NotFound as error:
            raise NotInstalled("HostPortPool is not installed in this cluster", error.request) from error
        except Busy:  # for a moment after they have been installed
            await asyncio.sleep(pause)
        else:
            break
    await _check_current(api)


async def _check_current(api: Api) -> None:
    missing: list[str] = []
    for pause in islice(pauses(), _TRIES):
        try:
            missing = missing_fields(await api.get(paths.SCHEMA))
        except Forbidden as error:
            logger.warning("can't see whether the installed CRDs are those of this version: %s", error)
            return
        except ApiError:
            missing = ["HostPortPool.status.leases"]
        if not missing:
            return
        await asyncio.sleep(pause)
    sentence = f"the installed CRDs are of another version and lack {', '.join(missing)}, which would be lost"
    raise NotInstalled(sentence, "the published schema")


def missing_fields(openapi: Json) -> list[str]:
    """The fields of a lease that a published schema (OpenAPI v3) of our group lacks, by kind."""
    known = {kind: fields for schema in _schemas(openapi) for kind, fields in _lease_fields(schema)}
    return [
        f"{kind}.status.leases[*].{name}"
        for kind in ("HostPortPool", "HostPortBlock")
        for name in Lease._fields
        if name not in known.get(kind, ())
    ]


def _schemas(openapi: Json) -> Iterator[Json]:
    yield from ((openapi.get("components") or {}).get("schemas") or {}).values()


def _lease_fields(schema: Json) -> Iterator[tuple[str, frozenset[str]]]:
    status = ((schema.get("properties") or {}).get("status") or {}).get("properties") or {}
    entry = (status.get("leases") or {}).get("additionalProperties") or {}
    for name in schema.get("x-kubernetes-group-version-kind") or ():
        yield name["kind"], frozenset(entry.get("properties") or ())
