"""What `kubectl apply` makes of a manifest and of what stands there: a three-way merge, as far as the tests need it."""

from __future__ import annotations

from hostport.api.names import AFFINITY_WAS, ASSIGNED, ENV_ADDED
from tests.core.build import Json


def merge(known: Json, applied: Json, manifest: Json) -> None:
    """What the operator has written is not in the user's last applied manifest, and so it stays.

    Terms of a node affinity are an atomic list: the user's, where he has any, take the place of all that stands.
    """
    notes = known["metadata"]["annotations"]
    for note in (ASSIGNED, ENV_ADDED, AFFINITY_WAS):
        if note in notes:
            manifest["metadata"]["annotations"].setdefault(note, notes[note])
    standing, asked, pod = (m["spec"]["template"]["spec"] for m in (known, applied, manifest))
    if "affinity" in standing and "affinity" not in asked:
        pod.setdefault("affinity", standing["affinity"])
    before, last = _containers(known), _containers(applied)
    for name, container in _containers(manifest).items():
        if name in before:
            _merge_container(before[name], last.get(name, {}), container)


def _merge_container(known: Json, applied: Json, container: Json) -> None:
    before = {(port["containerPort"], port["protocol"]): port for port in known.get("ports", ())}
    for port in container.get("ports", ()):
        old = before.get((port["containerPort"], port["protocol"]), {})
        for field in ("hostPort", "hostIP"):
            if field in old:
                port.setdefault(field, old[field])
    ports, env = (_added(known, applied, container, *field) for field in (("ports", "containerPort"), ("env", "name")))
    if ports:
        container["ports"] = container.get("ports", []) + ports
    if env:
        container["env"] = env + container.get("env", [])


def _added(known: Json, applied: Json, wanted: Json, field: str, key: str) -> list[Json]:
    users = {entry[key] for container in (applied, wanted) for entry in container.get(field, ())}
    return [entry for entry in known.get(field, ()) if entry[key] not in users]


def _containers(manifest: Json) -> dict[str, Json]:
    return {container["name"]: container for container in manifest["spec"]["template"]["spec"]["containers"]}
