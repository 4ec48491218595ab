"""Many Deployments of one scene that ask for a number each, and what must be true of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import aiohttp

from bench.load import DEPLOYMENTS, Json, Load, deployment, load
from tests.support.scene import Scene
from tests.support.wait import until


class Crowd:
    """`web-0`, `web-1`, … in a scene's namespace, all of one pool."""

    def __init__(self, scene: Scene, pool: str) -> None:
        self.scene = scene
        self.pool = pool
        self.count = 0

    def create(self, count: int, at_once: int = 8) -> None:
        """So many more, by so many clients at once who try again until each of theirs is there."""
        first, self.count = self.count, self.count + count

        async def run() -> None:
            async with load(self.scene.plane, at_once) as client:
                await client.each(range(first, first + count), lambda i: self._create(client, f"web-{i}"))

        asyncio.run(run())

    async def _create(self, client: Load, name: str) -> None:
        manifest = deployment(name)
        manifest["metadata"]["annotations"]["hostport/pool"] = self.pool
        while True:
            try:
                await client.call("POST", DEPLOYMENTS.format(self.scene.name), manifest)
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                if "AlreadyExists" in str(error):
                    return
                await asyncio.sleep(0.1)
            else:
                return

    def delete(self, *names: str) -> None:
        """Some of them."""
        self.scene.kubectl("-n", self.scene.name, "delete", "deployment", *names, "--wait=false")

    def numbers(self) -> dict[str, int]:
        """The number of each by name, 0 for none."""
        items = json.loads(self.scene.kubectl("-n", self.scene.name, "get", "deployments", "-o", "json"))["items"]
        return {item["metadata"]["name"]: _number(item) for item in items}

    def serves(self, count: int) -> bool:
        """Whether so many have a number by now."""
        return sum(map(bool, self.numbers().values())) >= count

    def served(self, seconds: float = 120) -> dict[str, int]:
        """The number of each once all have one: all distinct, and leased to just them."""

        def all_numbers() -> dict[str, int]:
            found = self.numbers()
            return found if found and all(found.values()) else {}

        given = until(all_numbers, "every Deployment has a number", self.scene.operator_log, seconds)
        assert not [number for number, times in Counter(given.values()).items() if times > 1]
        until(lambda: self.leased() == given, "each number is leased to its Deployment", self._differences, seconds)
        return given

    def leased(self) -> dict[str, int]:
        """The numbers of the leases that are not on their way out, by the names of their Deployments."""
        leases = self.scene.leases(self.pool).items()
        active = [(key, lease) for key, lease in leases if not {"released", "releasing"} & lease.keys()]
        return {lease["owner"].rpartition("/")[2]: int(key.partition("/")[0]) for key, lease in active}

    def _differences(self) -> str:
        numbers, leased = self.numbers(), self.leased()
        differ = [f"{name}: {numbers.get(name)} in its template, {leased.get(name)} leased" for name in numbers | leased
                  if numbers.get(name) != leased.get(name)]  # fmt: skip
        return "\n".join([*differ[:10], self.scene.operator_log()])


def _number(item: Json) -> int:
    return int(item["spec"]["template"]["spec"]["containers"][0]["ports"][0].get("hostPort", 0))
