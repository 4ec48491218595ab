"""The ledger's blocks in the API server: a pool's own status, and HostPortBlock objects."""

from __future__ import annotations

from typing import Any

from hostport.api.lease import Lease, LeaseKey
from hostport.api.names import API_VERSION, FINALIZER, POOL_LABEL
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import ApiError, Conflict, NotFound
from hostport.ledger.block import Block, Changes, Leases, Lost, Missing, Span, Stored, Unknown


def leases_of(raw: Json) -> Leases:
    """The leases in an object's status; what is none there is nobody's, and is left where it is."""
    span = _span(raw)
    found = ((LeaseKey.parse(text), value) for text, value in _record(raw).items())
    return {key: Lease.parse(value) for key, value in found if key is not None and not _why_not(key, value, span)}


def not_leases(raw: Json, leases: Leases) -> dict[str, str]:
    """The keys in an object's record that are not among its leases, and why not."""
    record, span = _record(raw), _span(raw)
    if len(record) == len(leases):
        return {}
    reasons = ((text, _why_not(LeaseKey.parse(text), value, span)) for text, value in record.items())
    return {text: why for text, why in reasons if why}


def _why_not(key: LeaseKey | None, value: object, span: Span | None) -> str:
    """Number and object belong together: a lease in the object of other numbers would be under the wrong lock."""
    if key is None:
        return "its key spells none"
    if not isinstance(value, dict) or not value.get("owner"):
        return "it has no owner"
    if span is not None and not span.first <= key.port <= span.last:
        return f"it stands among the leases of {span}"
    return ""


def _record(raw: Json) -> Json:
    return (raw.get("status") or {}).get("leases") or {}


def _span(raw: Json) -> Span | None:
    numbers = (raw.get("spec") or {}).get("numbers")
    return _parsed(numbers) or home_span(raw)


def _parsed(text: object) -> Span | None:
    """The span that a word spells, None where it spells none."""
    try:
        return Span.parse(str(text)) if text else None
    except ValueError:
        return None


def stored(raw: Json) -> Stored:
    """An object as a block."""
    return Stored(raw["metadata"]["resourceVersion"], leases_of(raw), home_span(raw))


def home_span(raw: Json) -> Span | None:
    """The span of the block in a pool's own status; None before the first grant.

    Leases without a block were written by hand: the lowest number says which block they must be.
    """
    told = _parsed((raw.get("status") or {}).get("block"))
    if told is not None:
        return told
    keys = [key for key in map(LeaseKey.parse, _record(raw)) if key is not None]
    return Span.around(min(key.port for key in keys)) if keys else None


def block_place(raw: Json) -> tuple[str, Span]:
    """The pool and span of a HostPortBlock."""
    return raw["spec"]["pool"], Span.parse(raw["spec"]["numbers"])


class KubernetesBlocks:
    """Blocks as custom resources. A merge patch that carries the resourceVersion is the compare-and-set."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def hold(self, pool: str) -> None:
        """Put the finalizer on a pool."""
        path = paths.named(paths.POOLS, pool)
        try:
            raw = await self._api.get(path)
            meta = raw["metadata"]
            finalizers = meta.get("finalizers") or []
            if "deletionTimestamp" in meta:
                raise Lost
            if FINALIZER not in finalizers:
                held = {"resourceVersion": meta["resourceVersion"], "finalizers": [*finalizers, FINALIZER]}
                await self._api.patch(path, {"metadata": held})
        except ApiError as error:
            raise _meaning(error) from error

    async def release(self, pool: str) -> None:
        """Take the finalizer off a pool that has no leases any more."""
        path = paths.named(paths.POOLS, pool)
        meta = (await self._api.get(path))["metadata"]
        kept = [name for name in meta.get("finalizers") or () if name != FINALIZER]
        await self._api.patch(path, {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": kept}})

    async def read(self, block: Block) -> Stored:
        """The block as it stands."""
        try:
            return stored(await self._api.get(_path(block)))
        except ApiError as error:
            raise _meaning(error) from error

    async def create(self, block: Block) -> Stored:
        """Make the object of a further block; the pool's own status is there already."""
        try:
            if not block.home:
                pool = await self._api.get(paths.named(paths.POOLS, block.pool))
                return stored(await self._api.create(paths.BLOCKS, _manifest(block, pool["metadata"]["uid"])))
        except Conflict:
            pass
        except ApiError as error:
            raise _meaning(error) from error
        return await self.read(block)

    async def write(self, block: Block, changes: Changes) -> str:
        """The compare-and-set."""
        status: dict[str, Any] = {"leases": {str(key): _merged(lease) for key, lease in changes.items()}}
        if block.home:
            status["block"] = str(block.span)
        return await self.write_status(block, status)

    async def write_status(self, block: Block, status: Json) -> str:
        """Merge into the status of the block's object against `block.version`; returns the new version."""
        body = {"metadata": {"resourceVersion": block.version}, "status": status}
        try:
            done = await self._api.patch(f"{_path(block)}/status", body)
        except ApiError as error:
            raise _meaning(error) from error
        return str(done["metadata"]["resourceVersion"])

    async def remove(self, block: Block) -> None:
        """Delete an empty block: finalizer first, or it would stay."""
        path = paths.named(paths.BLOCKS, block.name)
        try:
            await self._api.patch(path, {"metadata": {"resourceVersion": block.version, "finalizers": None}})
            await self._api.delete(path)
        except NotFound:
            return


def _merged(lease: Lease | None) -> Json | None:
    """A lease as a merge patch needs it: what is left out would stay, so what is not there is said to be null."""
    return {name: value or None for name, value in lease._asdict().items()} if lease is not None else None


def _path(block: Block) -> str:
    return paths.named(paths.POOLS, block.pool) if block.home else paths.named(paths.BLOCKS, block.name)


def _manifest(block: Block, pool_uid: str) -> Json:
    owner = {"apiVersion": API_VERSION, "kind": "HostPortPool", "name": block.pool, "uid": pool_uid}
    return {
        "apiVersion": API_VERSION,
        "kind": "HostPortBlock",
        "metadata": {
            "name": block.name,
            "labels": {POOL_LABEL: block.pool},
            "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
            "finalizers": [FINALIZER],
        },
        "spec": {"pool": block.pool, "numbers": str(block.span)},
    }


def _meaning(error: ApiError) -> Lost | Missing | Unknown:
    if isinstance(error, Conflict):
        return Lost(str(error))
    if isinstance(error, NotFound):
        return Missing(str(error))
    return Unknown(str(error))
