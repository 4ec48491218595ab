"""The Lease of the leader election, with the operator's own rights and two candidates whose clocks the test winds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from controlplane.cluster import ControlPlane
from hostport.cluster.client import Api
from hostport.cluster.election import LEASE_SECONDS, NAME, Candidate
from hostport.cluster.errors import NotFound

pytestmark = pytest.mark.cluster

_PATH = f"/apis/coordination.k8s.io/v1/namespaces/hostport-system/leases/{NAME}"


class Clock:
    """Seconds, as the test has them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Election:
    """Two candidates at one Lease; `admin` may do to it what people do."""

    def __init__(self, own: Api, admin: Api) -> None:
        self.admin = admin
        self.clocks = {"one": Clock(), "other": Clock()}
        self.one, self.other = (Candidate(own, "hostport-system", name, clock) for name, clock in self.clocks.items())

    async def spec(self) -> dict[str, object]:
        return dict((await self.admin.get(_PATH))["spec"])


def play(plane: ControlPlane, story: Callable[[Election], Awaitable[None]]) -> None:
    kubeconfig = plane.kubeconfig_for_service_account("hostport-system", "hostport-operator")

    async def run() -> None:
        own, admin = await Api.connect(str(kubeconfig)), await Api.connect(str(plane.kubeconfig))
        try:
            with contextlib.suppress(NotFound):
                await admin.delete(_PATH)
            await story(Election(own, admin))
        finally:
            await own.close()
            await admin.close()

    asyncio.run(run())


def test_the_first_to_come_wins_and_the_other_waits_until_nothing_has_changed_for_the_duration(
    installed: ControlPlane,
) -> None:
    async def story(election: Election) -> None:
        one, other, clock = election.one, election.other, election.clocks["other"]
        assert await one.win()
        assert not await other.win()
        assert other.holder == "one"

        clock.now += LEASE_SECONDS - 0.1
        assert not await other.win()
        assert await one.renew()
        clock.now += 0.2
        assert not await other.win(), "it was renewed since"

        clock.now += LEASE_SECONDS
        assert await other.win()
        assert not await one.renew(), "the other has it"
        assert (await election.spec())["leaseTransitions"] == 1

    play(installed, story)


def test_the_clock_of_the_holder_counts_for_nothing(installed: ControlPlane) -> None:
    async def story(election: Election) -> None:
        assert await election.one.win()
        for year in ("2001", "2101"):
            await election.admin.patch(_PATH, {"spec": {"renewTime": f"{year}-01-01T00:00:00.000000Z"}})
            assert not await election.other.win()
            election.clocks["other"].now += LEASE_SECONDS - 1
            assert not await election.other.win()

        election.clocks["other"].now += 1
        assert await election.other.win()

    play(installed, story)


def test_what_is_given_up_can_be_had_at_once(installed: ControlPlane) -> None:
    async def story(election: Election) -> None:
        assert await election.one.win()
        acquired = (await election.spec())["acquireTime"]
        assert await election.one.renew()
        assert (await election.spec())["acquireTime"] == acquired

        await election.one.give_up()
        assert await election.other.win()
        assert (await election.spec())["leaseDurationSeconds"] == LEASE_SECONDS

        await election.one.give_up()
        assert await election.other.renew(), "only the holder can give it up"

    play(installed, story)


def test_a_lease_that_people_label_or_delete_stays_with_its_holder(installed: ControlPlane) -> None:
    async def story(election: Election) -> None:
        assert await election.one.win()
        await election.admin.patch(_PATH, {"metadata": {"labels": {"seen": "yes"}}})
        assert await election.one.renew()

        await election.admin.delete(_PATH)
        assert await election.one.renew()
        assert not await election.other.win()

    play(installed, story)


def test_of_two_at_the_same_moment_one_wins(installed: ControlPlane) -> None:
    async def story(election: Election) -> None:
        assert sorted(await asyncio.gather(election.one.win(), election.other.win())) == [False, True]

        await election.admin.patch(_PATH, {"spec": {"holderIdentity": "a third", "leaseDurationSeconds": 1}})
        await asyncio.gather(election.one.win(), election.other.win())
        for clock in election.clocks.values():
            clock.now += 1
        assert sorted(await asyncio.gather(election.one.win(), election.other.win())) == [False, True]

    play(installed, story)
