"""`hostport explain`: why a workload has, or has not, its numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from hostport.api.names import REPORTER
from hostport.api.workload import KINDS, Workload
from hostport.cli.look import ask
from hostport.cli.options import AllNamespaces, Context, Kubeconfig, Namespace
from hostport.cli.output import Format, Output, console, dump, table
from hostport.cli.sorry import Sorry, known
from hostport.cluster import paths
from hostport.cluster.client import Api, Json
from hostport.cluster.errors import Forbidden, NotFound
from hostport.cluster.foreign import pod_owner
from hostport.cluster.reader import pages
from hostport.cluster.survey import Survey
from hostport.diagnosis.explain import Story, concerned
from hostport.diagnosis.explain import explain as tell

_SHORT = {
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "rs": "ReplicaSet",
    "cj": "CronJob",
    "po": "Pod",
}
_KINDS = {
    **_SHORT,
    **{word: kind for kind in (*KINDS, "Pod") for word in (kind.lower(), f"{kind.lower()}s")},
    **{f"{kind.plural}.{kind.group}": kind.name for kind in KINDS.values()},
    **{f"{kind.name.lower()}.{kind.group}": kind.name for kind in KINDS.values()},
}


def explain(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND/NAME…]", help="deploy/web, or deploy web; pods too. Default: all.", show_default=False
        ),
    ] = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Why a workload has, or has not, its numbers: what it asks for, what it got, why its Pods are Pending.

    Without a name everybody who asks for a hostPort or has one, in the namespace, or everywhere with -A. A Pod is
    explained with its workload.
    """

    async def look(api: Api) -> list[Story]:
        where = None if all_namespaces else namespace or api.namespace
        keys = [await _owner(api, kind, where or api.namespace, name) for kind, name in _named(what or [])]
        survey = Survey(api)
        seen = await survey.make(strict=False)
        if not keys and where is not None:
            known("namespace", where, seen.state.namespaces)
        chosen = list(dict.fromkeys(keys)) or concerned(seen.state, seen.workloads, where)
        told = await _warnings(api, where)
        return [
            tell(seen.state, seen.workloads, survey.stuck, survey.leaving, key, _last(told, seen.workloads.get(key)))
            for key in chosen
        ]

    stories = ask(look, kubeconfig, context)
    if output is not Format.TABLE:
        dump([asdict(story) for story in stories], output)
    elif not stories:
        typer.echo("Nobody here asks for a hostPort or has one.")
    else:
        _print(stories)


async def _warnings(api: Api, namespace: str | None) -> dict[str, Json]:
    """The operator's last warning on each object, by its uid; none for those who may not look at events."""
    found: dict[str, Json] = {}

    def note(event: Json) -> None:
        uid = event["regarding"].get("uid", "")
        if event.get("type") == "Warning" and _when(event) >= _when(found.get(uid, {})):
            found[uid] = event

    with contextlib.suppress(Forbidden):
        await pages(api, paths.events(namespace), note, fieldSelector=f"reportingController={REPORTER}")
    return found


def _when(event: Json) -> str:
    return str((event.get("series") or {}).get("lastObservedTime") or event.get("eventTime") or "")


def _last(told: Mapping[str, Json], workload: Workload | None) -> str:
    event = told.get(workload.uid) if workload is not None else None
    return f"{event['reason']}: {event.get('note') or ''}" if event is not None else ""


def _named(words: list[str]) -> list[tuple[str, str]]:
    """`deploy/web sts/db` or `deploy web game` as kinds and names."""
    if any("/" in word for word in words):
        pairs = [word.partition("/")[::2] for word in words]
    else:
        pairs = [(words[0], word) for word in words[1:]]
    if words and not pairs:
        raise Sorry(f'"{words[0]}": name a workload, as in {words[0]}/NAME')
    return [(_kind(kind), name) for kind, name in pairs]


def _kind(word: str) -> str:
    return _KINDS[known("kind of workload", word.lower(), _KINDS)]


async def _owner(api: Api, kind: str, namespace: str, name: str) -> str:
    """The key of the workload at the top of an object that exists."""
    collection = paths.pods(namespace) if kind == "Pod" else paths.workloads(kind, namespace)
    try:
        raw = await api.get(paths.named(collection, name))
    except NotFound:
        names: list[str] = []
        await pages(api, collection, lambda item: names.append(item["metadata"]["name"]))
        known(f"{kind} in namespace {namespace}, called", name, names)
        raise
    return pod_owner(raw) if kind == "Pod" else _top(raw, kind)


def _top(raw: Json, kind: str) -> str:
    meta = raw["metadata"]
    owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller") and o["kind"] in KINDS), None)
    kind, name = (owner["kind"], owner["name"]) if owner else (kind, meta["name"])
    return f"{kind}/{meta['namespace']}/{name}"


def _print(stories: list[Story]) -> None:
    out = console()
    for story in stories:
        out.print(Text(story.workload, style="bold"))
        for rows in (_ports(story), _pods(story)):
            if rows:
                out.print(Padding(table(rows), (0, 0, 0, 2), expand=False))
        for sentence in story.says:
            out.print(Padding(Text(sentence), (0, 0, 0, 2), expand=False))


def _ports(story: Story) -> list[dict[str, Any]]:
    return [
        {
            "port": port.port or "—",
            "hostPort": f"{port.number}/{port.protocol}" if port.number else "—",
            "pool": port.pool,
            "state": port.state,
            "since": port.since,
        }
        for port in story.ports
    ]


def _pods(story: Story) -> list[dict[str, Any]]:
    return [{"pod": pod, "node": node or "Pending"} for pod, node in sorted(story.pods.items())]
