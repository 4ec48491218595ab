"""Repair: whatever has become of the ledger, in the end nothing is leaked and nothing is freed that is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostport.api.lease import Lease
from hostport.api.workload import Workload
from hostport.diagnosis.check import Entry, Evidence, Finding, check
from hostport.diagnosis.repair import Repairs, repairs
from tests.core import truths
from tests.core.world import World

_COOLDOWN = 60


class Repaired:
    """A world whose ledger may be spoilt, and the repair that the operator makes of it, look by look."""

    def __init__(self) -> None:
        self.world = World("n1", "n2")
        self.world.pool("main", "20000-20019", cooldownSeconds=_COOLDOWN)
        self.there: set[str] = set()
        self.found: list[Finding] = []

    def deploy(self, name: str, entries: str = "a:1") -> None:
        self.world.deploy(name, entries)
        self.there.add(name)

    def vanish(self, name: str) -> None:
        """A workload is deleted, and nobody is told."""
        self.world.vanish(name)
        self.there.discard(name)

    def look(self, *, begins: bool = False) -> Repairs:
        """One look, and what is done then: who is there is planned anew, who is not is asked for live."""
        before, self.found = ([] if begins else self.found), self.findings()
        todo = repairs(self.found, before, begins=begins)
        for owner in {owner for finding in todo.again for owner in finding.owners}:
            self.world.reconcile(owner)
        for owner in {owner for finding in todo.leaks for owner in finding.owners}:
            if owner not in self.workloads():
                self.world.free(owner)
        return todo

    def findings(self) -> list[Finding]:
        book = self.world.state.book.of_pool("main")
        entries = [Entry("HostPortPool main", "main", key, lease) for key, lease in book.items()]
        return check(Evidence(self.world.state, entries, self.workloads(), [], {}))

    def workloads(self) -> dict[str, Workload]:
        found = (self.world.workload(name) for name in sorted(self.there))
        return {workload.key: workload for workload in found}

    def settle(self) -> None:
        """Looks until there is nothing more to do, and the time for what rests to go."""
        for _ in range(4):
            self.look()
        self.world.wait(0)
        self.world.wait(_COOLDOWN)

    def plant(self, number: int, owner: str, **more: str) -> None:
        self.world.plant("main", f"{number}/TCP", Lease(owner, since="2026-01-01T00:00:00Z", **more))


@pytest.fixture
def story() -> Repaired:
    return Repaired()


def test_a_leak_is_freed_at_the_second_look_and_rests(story: Repaired) -> None:
    story.plant(20005, "Deployment/default/ghost")

    assert not story.look(begins=True).leaks
    assert story.world.leases() == {"20005/TCP": "active"}

    assert [finding.owners for finding in story.look().leaks] == [("Deployment/default/ghost",)]
    story.world.wait(0)
    assert story.world.leases() == {"20005/TCP": "released"}
    story.world.wait(_COOLDOWN)
    assert story.world.leases() == {}


def test_a_lease_whose_workload_comes_between_the_looks_is_none(story: Repaired) -> None:
    story.plant(20005, "Deployment/default/late", port="app/a")
    story.look()

    story.deploy("late")

    assert not story.look().leaks
    assert story.world.shown("late") == [20005]


def test_a_number_that_a_pod_runs_on_is_not_freed_before_the_pod_has_gone(story: Repaired) -> None:
    story.deploy("web")
    story.world.run("web", on="n1")
    story.vanish("web")

    for _ in range(3):
        story.look()
    story.world.wait(_COOLDOWN)
    assert story.world.leases() == {"20000/TCP": "releasing"}

    story.world.stop("web-n1")
    story.world.wait(0)
    assert story.world.leases() == {"20000/TCP": "released"}


def test_half_a_grant_is_finished_at_first_sight_after_a_crash(story: Repaired) -> None:
    story.deploy("web", "a:1 b:2")
    before = story.world.shown("web")
    story.world.strip("web")
    story.world.plant("main", f"{before[1]}/TCP", None)

    todo = story.look(begins=True)

    assert {finding.kind for finding in todo.again} == {"HalfGrant"}
    assert "1 of the 2 leases" in todo.again[0].text
    assert all(story.world.shown("web"))
    assert not story.findings()


def test_a_number_without_a_lease_is_adopted(story: Repaired) -> None:
    story.deploy("web")
    story.world.plant("main", "20000/TCP", None)

    story.look()
    story.look()

    assert story.world.shown("web") == [20000]
    assert story.world.leases() == {"20000/TCP": "active"}


@pytest.mark.parametrize("owner", ["somebody", "Deployment/web", "Deployment//web", "Pod/default/web", "a/b/c/d"])
def test_an_owner_that_spells_no_workload_is_told_and_left_alone(story: Repaired, owner: str) -> None:
    story.plant(20005, owner)

    assert not story.look(begins=True).by_hand
    for _ in range(3):
        assert [finding.kind for finding in story.look().by_hand] == ["NoOwner"]
    assert story.world.leases() == {"20005/TCP": "active"}


def test_an_overlap_is_told_and_nobody_is_moved(story: Repaired) -> None:
    story.deploy("web")
    story.world.plant("main", "20000/TCP@n1", Lease("Deployment/default/other", since="2026-01-01T00:00:00Z"))
    story.deploy("other", "b:2=20000")

    story.look()

    told = [finding for finding in story.look().by_hand if finding.kind == "Overlap"]
    assert [finding.owners for finding in told] == [("Deployment/default/other", "Deployment/default/web")]
    assert story.world.shown("web") == [20000]


def test_what_is_seen_once_and_then_no_more_is_nothing(story: Repaired) -> None:
    story.plant(20005, "Deployment/default/ghost")
    assert story.look().fresh
    story.world.plant("main", "20005/TCP", None)

    assert story.look() == Repairs()
    story.plant(20005, "Deployment/default/ghost")
    assert not story.look().leaks


# Random histories

_NAMES = st.sampled_from(["w1", "w2", "w3"])
_PORTS = st.integers(20000, 20019)
_OWNERS = st.sampled_from(["Deployment/default/ghost", "StatefulSet/default/w1", "Deployment/default/w1"])


def _spoil(story: Repaired, draw: Callable[[Any], Any]) -> None:
    """One thing that a crash, a hand or an old backup does."""
    what = draw(st.sampled_from(["deploy", "vanish", "plant", "lose", "strip", "run", "look"]))
    if what == "deploy":
        story.deploy(draw(_NAMES), draw(st.sampled_from(["a:1", "a:1 b:2", "a:1 b:2/UDP"])))
    elif what == "plant":
        port, owner = draw(_PORTS), draw(_OWNERS)
        if not story.world.state.occupancy.takers(*_tcp(port)):
            story.plant(port, owner, port="app/a", grant=draw(st.sampled_from(["abcde/1", "abcde/3"])))
    elif what == "look":
        story.look(begins=draw(st.booleans()))
    elif story.there:
        _spoil_one(story, what, draw(st.sampled_from(sorted(story.there))), draw)


def _spoil_one(story: Repaired, what: str, name: str, draw: Callable[[Any], Any]) -> None:
    if what == "vanish":
        story.vanish(name)
    elif what == "strip":
        story.world.strip(name)
    elif what == "run" and all(story.world.shown(name)):
        story.world.run(name, on=draw(st.sampled_from(["n1", "n2"])))
    elif what == "lose":
        owner = f"Deployment/default/{name}"
        for pool, key in list(story.world.state.book.of_owner(owner)):
            if draw(st.booleans()):
                story.world.plant(pool, str(key), None)


def _numbers(story: Repaired) -> set[tuple[Any, int]]:
    """What somebody has a lease of that does not rest."""
    leases = truths.leases(story.world.state).items()
    return {(key.protocol, key.port) for (_, key), lease in leases if not lease.released}


def _tcp(port: int) -> tuple[Any, int]:
    return truths.key(f"{port}/TCP").protocol, port


@settings(deadline=None)
@given(data=st.data())
def test_after_repair_nothing_is_leaked_and_nothing_freed_that_is_used(data: st.DataObject) -> None:
    story = Repaired()
    for _ in range(data.draw(st.integers(1, 12))):
        _spoil(story, data.draw)

    before = _numbers(story)
    story.settle()

    assert story.findings() == []
    leases = truths.leases(story.world.state)
    takers = story.world.state.occupancy.taken_ports()
    used = {(protocol, port) for protocol, port, users in takers if any(not user.lease for user in users)}
    assert used & before <= _numbers(story)
    owners = {lease.owner for lease in leases.values() if lease.state == "active"}
    assert owners <= {f"Deployment/default/{name}" for name in story.there}
    assert not story.look().fresh, "repairing again changes nothing"
