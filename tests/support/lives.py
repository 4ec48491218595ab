"""Random lives on a real API server: users, administrators and strangers, each doing what they like.

What is done depends on the seed alone, never on what the cluster answers.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from bench.load import DEPLOYMENTS, Load
from controlplane import nodes
from tests.support.scene import Scene, deployment

Json = dict[str, Any]

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
_POOLS = "/apis/hostport.dev/v1/hostportpools"
_NODES = "/api/v1/nodes"
_NAMES = ("a", "b", "c", "d")
_PAUSES = (0.0, 0.0, 0.05, 0.3, 0.8)  # seconds between steps: sometimes the operator has caught up, sometimes not

# Users may ask for what the API server refuses (a number twice in one template), or for what is gone.
_EXPECTED = (": 404: ", ": 409: ", ": 422: ")

_HTTP, _ADMIN = {"name": "http", "containerPort": 80}, {"name": "admin", "containerPort": 9000}
_DNS = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53}]
_SHAPES: list[list[Json]] = [[_HTTP], [_HTTP], [_ADMIN], [_HTTP, _ADMIN], _DNS, [*_DNS, _HTTP]]

# Numbers of the scene: what a pool may hand out as its window moves, and what it has where all is well.
_WINDOWS = {"p": (0, 20), "q": (50, 70)}
_ROOM = {"p": "0-44", "q": "50-94"}


class Life:
    """One history with two nodes and two pools of its own. `diary`: what has been done.

    `written`: the numbers that users have put into a template themselves, by name. Where workloads are pinned, nodes
    stay: a node that goes and comes back may rightly find its number leased to others meanwhile.
    """

    def __init__(self, scene: Scene, turn: int, seed: int) -> None:
        self._scene = scene
        self._dice = Random(f"{seed}/{turn}")
        self._turn = turn
        self.name = f"life-{turn}"
        self.diary: list[str] = []
        self.pools = {which: f"{scene.name[:20]}-{turn}-{which}" for which in "pq"}
        self.written: dict[str, set[int]] = defaultdict(set)
        self._nodes = [f"{scene.name[:6]}-{turn}-{side}" for side in "ab"]
        self._pins = self._dice.random() < 0.5
        self._path = DEPLOYMENTS.format(scene.name)
        self._strangers = 0

    def set_up_pools(self) -> None:
        """Both pools, small ones."""
        for which, pool in self.pools.items():
            spec = {key: value for key, value in self._spec(which).items() if value is not None}
            self._scene.pool(name=pool, nodeSelector={"matchLabels": {"life": self.name}}, **spec)

    async def play(self, client: Load, steps: int, done: Callable[[], None]) -> None:
        """So many steps; `done` is called after each."""
        for side in (0, 1):
            await self._node_comes(client, side)
        steps_of = self._steps(client)
        for _ in range(steps):
            step = self._dice.choice(steps_of)
            self.diary.append(step.__name__.strip("_"))
            await step(client)
            await asyncio.sleep(self._dice.choice(_PAUSES))
            done()

    def _steps(self, client: Load) -> list[Callable[[Load], Awaitable[None]]]:
        users = [self._deploy] * 5 + [self._write_by_hand, self._copy, self._copy, self._switch, self._restart]
        users += [self._scale, self._delete, self._delete, self._make_anew]
        strangers = [self._stranger_comes, self._template_comes, self._stranger_goes]
        administrators = [self._change_pool, self._change_pool, self._change_node]
        return [*users, *strangers, *administrators, *([] if self._pins else [self._node_goes])]

    # Users

    async def _deploy(self, client: Load) -> None:
        """A manifest is applied or replaced, new or changed."""
        await self._put(client, self._manifest(self._dice.choice(_NAMES)))

    async def _put(self, client: Load, manifest: Json) -> None:
        name = manifest["metadata"]["name"]
        if self._dice.random() < 0.5:
            await self._send(client, "PATCH", f"{self._path}/{name}?fieldManager=user&force=true", manifest, APPLY)
        elif await self._send(client, "PUT", f"{self._path}/{name}", manifest) is None:
            await self._send(client, "POST", self._path, manifest)

    async def _write_by_hand(self, client: Load) -> None:
        """A user writes a number himself, and lets us find the other one."""
        number = self._number()
        manifest = self._manifest(self._dice.choice(_NAMES), [{**_HTTP, "hostPort": number}, _ADMIN])
        self.written[manifest["metadata"]["name"]].add(number)
        await self._put(client, manifest)

    async def _copy(self, client: Load) -> None:
        """`kubectl get -o yaml | sed | kubectl create`."""
        name, other = (self._called(short) for short in self._dice.sample(_NAMES, 2))
        found = await self._send(client, "GET", f"{self._path}/{name}")
        if found is None:
            return
        template = found["spec"]["template"]
        self.written[other] |= {port.get("hostPort", 0) for port in _ports(found)}
        template["metadata"]["labels"] = {"app": other}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": other}}, "template": template}
        notes = found["metadata"].get("annotations", {})
        metadata = {"name": other, "annotations": notes}
        await self._send(client, "POST", self._path, {**_kind(found), "metadata": metadata, "spec": spec})

    async def _switch(self, client: Load) -> None:
        """A user asks for nothing any more, or asks again."""
        value = self._dice.choice(["false", None, "true", "true"])
        await self._patch(client, {"metadata": {"annotations": {"hostport/auto": value}}})

    async def _restart(self, client: Load) -> None:
        note = {"kubectl.kubernetes.io/restartedAt": f"{len(self.diary)}"}
        await self._patch(client, {"spec": {"template": {"metadata": {"annotations": note}}}})

    async def _scale(self, client: Load) -> None:
        await self._patch(client, {"spec": {"replicas": self._dice.choice([0, 1, 2])}})

    async def _delete(self, client: Load) -> None:
        await self._send(client, "DELETE", f"{self._path}/{self._called(self._dice.choice(_NAMES))}")

    async def _make_anew(self, client: Load) -> None:
        """Deleted and created at once: the same name, another object."""
        short = self._dice.choice(_NAMES)
        await self._send(client, "DELETE", f"{self._path}/{self._called(short)}")
        await self._put(client, self._manifest(short))

    async def _patch(self, client: Load, body: Json) -> None:
        name = self._called(self._dice.choice(_NAMES))
        await self._send(client, "PATCH", f"{self._path}/{name}", body, MERGE)

    def _manifest(self, short: str, ports: list[Json] | None = None) -> Json:
        dice = self._dice
        ports = ports or dice.choice(_SHAPES)
        notes = {"hostport/auto": "true", "hostport/pool": self._choice_of_pools()}
        if dice.random() < 0.2:
            notes["hostport/prefer"] = f"{ports[-1]['name']}={self._number()}"
        elif dice.random() < 0.2:
            notes["hostport/request"] = f"{ports[-1]['name']}={self._number()}"
        if dice.random() < 0.2:
            notes["hostport/contiguous"] = "true"
        made = deployment(self._called(short), ports, annotations=notes, replicas=dice.choice([0, 1, 1, 2]))
        made["spec"]["template"]["spec"]["nodeSelector"] = self._place()
        return made

    def _choice_of_pools(self) -> str:
        return ",".join(self.pools[which] for which in self._dice.choice(["p", "p", "q", "pq", "qp"]))

    def _place(self) -> dict[str, str]:
        pinned = {"kubernetes.io/hostname": self._dice.choice(self._nodes)} if self._pins else {"zone": "a"}
        return {"life": self.name, **(pinned if self._dice.random() < 0.3 else {})}

    # Strangers

    async def _stranger_comes(self, client: Load) -> None:
        """Somebody's Pod with a hostPort, put on a node or waiting for the scheduler."""
        self._strangers += 1
        port = {"containerPort": 80, "hostPort": self._number()}
        where: Json = {"nodeSelector": {"life": self.name}}
        if self._dice.random() < 0.5:
            where = {"nodeName": self._dice.choice(self._nodes)}
        metadata = {"name": f"{self.name}-stranger-{self._strangers}", "labels": {"life": self.name}}
        spec = {"containers": [{"name": "app", "image": "app", "ports": [port]}], **where}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        await self._send(client, "POST", f"/api/v1/namespaces/{self._scene.name}/pods", pod)

    async def _template_comes(self, client: Load) -> None:
        """Somebody's template with a hostPort, whose Pods are not there yet."""
        port = {"containerPort": 80, "hostPort": self._number()}
        made = deployment(self._called("template"), [port], replicas=0, nodeSelector={"life": self.name})
        await self._put(client, made)

    async def _stranger_goes(self, client: Load) -> None:
        pods = f"/api/v1/namespaces/{self._scene.name}/pods"
        if self._dice.random() < 0.5:
            await self._send(client, "DELETE", f"{self._path}/{self._called('template')}")
        else:
            await self._send(client, "DELETE", f"{pods}/{self.name}-stranger-{self._dice.randint(1, 3)}")

    # Administrators

    async def _change_pool(self, client: Load) -> None:
        """It grows, shrinks, leaves numbers out, or has other ones on the nodes of a zone."""
        which = self._dice.choice("pq")
        await self._send(client, "PATCH", f"{_POOLS}/{self.pools[which]}", {"spec": self._spec(which)}, MERGE)

    def _spec(self, which: str) -> Json:
        dice, first = self._dice, self._scene.first
        low, high = (first + number for number in _WINDOWS[which])
        begin = dice.randrange(low, high - 8)
        inner = [{"nodeSelector": {"matchLabels": {"zone": "a"}}, "ranges": [f"{begin + 2}-{begin + 9}"]}]
        return {
            "ranges": [f"{begin}-{begin + dice.choice([1, 3, 7])}"],
            "exclude": [str(dice.randrange(low, high))],
            "nodes": dice.choice([None, None, inner]),
            "policy": dice.choice(["RoundRobin", "LowestFree", "Random", "Stable"]),
            "cooldownSeconds": dice.choice([0, 1]),
            "quotaPerNamespace": dice.choice([None, None, 3]),
        }

    async def _change_node(self, client: Load) -> None:
        """Another zone, a taint, or none."""
        taints = self._dice.choice([[], [], [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]])
        changed = {"metadata": {"labels": {"zone": self._dice.choice("ab")}}, "spec": {"taints": taints}}
        await self._send(client, "PATCH", f"{_NODES}/{self._dice.choice(self._nodes)}", changed, MERGE)

    async def _node_goes(self, client: Load) -> None:
        """For a while, or for good."""
        side = self._dice.choice([0, 1])
        await self._send(client, "DELETE", f"{_NODES}/{self._nodes[side]}")
        if self._dice.random() < 0.5:
            await self._node_comes(client, side)

    async def _node_comes(self, client: Load, side: int) -> None:
        labels = {"life": self.name, "zone": "ab"[side]}
        made = nodes.node(self._nodes[side], 30_000 + 2 * self._turn + side, labels, (), nodes.CAPACITY)
        await self._send(client, "POST", _NODES, made)

    async def make_room(self, client: Load) -> None:
        """All nodes are there, with numbers for everybody, and nobody insists on one: none has a reason to wait."""
        for short in _NAMES:
            modest = {"metadata": {"annotations": {"hostport/request": None}}}
            await self._send(client, "PATCH", f"{self._path}/{self._called(short)}", modest, MERGE)
        for side, node in enumerate(self._nodes):
            await self._node_comes(client, side)
            plain = {"metadata": {"labels": {"zone": "ab"[side]}}, "spec": {"taints": []}}
            await self._send(client, "PATCH", f"{_NODES}/{node}", plain, MERGE)
        for which, pool in self.pools.items():
            low, high = (self._scene.first + int(number) for number in _ROOM[which].split("-"))
            spec = {"ranges": [f"{low}-{high}"], "exclude": None, "nodes": None, "quotaPerNamespace": None}
            await self._send(client, "PATCH", f"{_POOLS}/{pool}", {"spec": spec}, MERGE)

    async def leave(self, client: Load) -> None:
        """The nodes go; nobody is on them any more."""
        for node in self._nodes:
            await self._send(client, "DELETE", f"{_NODES}/{node}")

    def _called(self, short: str) -> str:
        return f"{self.name}-{short}"

    def _number(self) -> int:
        """A number that a pool has now and then."""
        return self._scene.first + self._dice.randrange(*_WINDOWS[self._dice.choice("pq")])

    async def _send(
        self, client: Load, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> Json | None:
        """The answer; None where it is no."""
        try:
            return await client.call(method, path, body, kind)
        except RuntimeError as error:
            if not any(status in str(error) for status in _EXPECTED):
                raise
        return None


def _kind(found: Json) -> Json:
    return {"apiVersion": "apps/v1", "kind": found.get("kind", "Deployment")}


def _ports(item: Json) -> list[Json]:
    containers = item["spec"]["template"]["spec"]["containers"]
    return [port for container in containers for port in container.get("ports") or ()]
