"""What is said of Pods that can't be placed, and of those who have come onto a leased number."""

from __future__ import annotations

from hostport.allocation.state import ForeignUse
from hostport.api.podspec import Claim
from hostport.api.ports import Protocol
from hostport.cluster.foreign import pod_use
from hostport.cluster.paths import owned
from hostport.cluster.stuck import is_leaving, is_preempted, stuck_pod
from hostport.diagnosis.intruders import Intrusion, intrusions, to_the_intruder, to_the_owner
from hostport.diagnosis.pending import NO_FREE_PORTS, Conflict, Stuck, diagnose
from tests.core import build
from tests.core.build import Json
from tests.core.world import World

WEB = Claim(Protocol.TCP, 20000)


def pod(name: str, owner: str = "", *, on: str = "", uid: str = "") -> Json:
    """A Pod with hostPort 20000; `owner` is Kind/name."""
    raw = build.pod(name, "http:80=20000", on=on)
    kind, _, of = owner.partition("/")
    raw["metadata"] |= {"uid": uid or f"uid-{name}"}
    if owner:
        raw["metadata"]["ownerReferences"] = [{"kind": kind, "name": of, "controller": True}]
    return raw


def refused(raw: Json, message: str = f"0/3 nodes are available: 3 node(s) {NO_FREE_PORTS}.") -> Json:
    return {**raw, "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}}


def see(world: World, raw: Json) -> None:
    use = pod_use(raw)
    assert use is not None
    world.state.see_use(use.by, use)


def stuck(world: World, raw: Json) -> Stuck:
    see(world, raw)
    found = stuck_pod(refused(raw))
    assert found is not None
    return found


def said(world: World, waiting: Stuck, *leaving: str) -> Conflict:
    found = diagnose(world.state, {}, waiting, frozenset(leaving))
    assert found is not None
    return found


def only(world: World) -> Intrusion:
    (found,) = intrusions(world.state)
    return found


# Pods that can't be placed


def test_only_a_pod_refused_for_its_ports_is_stuck() -> None:
    waits = pod("a")
    assert stuck_pod(refused(waits)) is not None
    assert stuck_pod(refused(waits, "0/3 nodes are available: 3 Insufficient cpu.")) is None
    assert stuck_pod(waits) is None
    assert stuck_pod(refused(pod("a", on="n1"))) is None


def test_without_a_pool_that_helps_it_is_said_that_there_is_none() -> None:
    world = World("n1")
    see(world, pod("holder", on="n1"))
    waiting = stuck(world, pod("waiter"))

    text = said(world, waiting).text

    assert text.startswith("hostPort 20000/TCP is taken: on n1 by Pod default/holder")
    assert "there is no HostPortPool to give it another number" in text


def test_an_unassigned_pod_holds_nothing_and_where_nobody_is_seen_nothing_is_said() -> None:
    world = World("n1")
    see(world, pod("other"))
    assert diagnose(world.state, {}, stuck(world, pod("waiter"))) is None


def test_a_holder_that_is_being_deleted_is_no_lasting_conflict() -> None:
    world = World("n1")
    see(world, pod("holder", on="n1"))
    waiting = stuck(world, pod("waiter"))

    assert said(world, waiting, "default/holder").passing
    assert not said(world, waiting).passing


def test_a_daemon_set_waits_for_its_own_old_pod() -> None:
    world = World("n1")
    see(world, pod("agent-old", "DaemonSet/agent", on="n1"))
    waiting = stuck(world, pod("agent-new", "DaemonSet/agent"))

    text = said(world, waiting).text

    assert "this rollout waits for its own old Pod default/agent-old on n1" in text
    assert "spec.updateStrategy.rollingUpdate" in text


def test_holders_of_many_nodes_are_counted_not_listed() -> None:
    names = [f"n{i:03}" for i in range(200)]
    world = World(*names)
    for name in names:
        see(world, pod(f"holder-{name}", "DaemonSet/holder", on=name))

    text = said(world, stuck(world, pod("waiter"))).text

    assert "and 197 more nodes" in text
    assert len(text) < 500


def test_the_signs_of_an_end_are_read() -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    assert is_preempted({**pod("a"), "status": {"conditions": [target]}})
    assert not is_preempted({**pod("a"), "status": {"conditions": [{**target, "reason": "EvictionByEvictionAPI"}]}})
    leaving = pod("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert is_leaving(leaving)
    assert not is_leaving(pod("a"))


# Those who have come onto a leased number


def leased(*nodes: str) -> World:
    world = World(*nodes or ("n1",))
    world.pool("main", "20000-20005", policy="LowestFree")
    world.apply(build.deployment("web"))
    return world


def test_a_pod_of_a_kind_that_nobody_knows_is_told_itself() -> None:
    world = leased()
    see(world, pod("late-0", "Rollout/late", on="n1"))

    found = only(world)

    assert (found.intruder, found.told) == ("Rollout/default/late", "Pod/default/late-0")
    assert "20001 is free in pool main" in to_the_intruder(world.state, {}, found)
    assert "Rollout/default/late has come onto it on n1" in to_the_owner(world.state, {}, found)


def test_a_process_of_a_nodes_own_is_told_about_to_the_owner_alone() -> None:
    world = leased()
    by = "process nginx (pid 7) on node n1"
    world.state.see_use("HostPortNode n1 x", ForeignUse("Node/n1", by, frozenset((WEB,)), frozenset(("n1",))))

    found = only(world)

    assert found.told == ""
    text = to_the_owner(world.state, {}, found)
    assert by in text
    assert "give that process or static Pod another port" in text


def test_a_static_pod_is_told_in_place_of_its_node() -> None:
    world = leased()
    see(world, pod("static-n1", "Node/n1", on="n1"))

    found = only(world)

    assert (found.intruder, found.told) == ("Node/default/n1", "Pod/default/static-n1")


def test_a_pod_without_a_node_or_on_a_node_of_no_concern_is_on_nothing() -> None:
    world = leased("n1", "n2")
    world.pool("main", "20000-20005", policy="LowestFree", nodeSelector={"matchLabels": {"no": "one"}})
    see(world, pod("elsewhere", on="n2"))
    see(world, pod("waits"))
    assert not list(intrusions(world.state))


def test_where_an_owner_is_to_be_found() -> None:
    assert owned("Pod/a/b") == "/api/v1/namespaces/a/pods/b"
    assert owned("Service/a/b") == "/api/v1/namespaces/a/services/b"
    assert owned("Deployment/a/b") == "/apis/apps/v1/namespaces/a/deployments/b"
    assert (owned("Node/n1"), owned("Node/a/n1"), owned("Rollout/a/b"), owned("")) == ("", "", "", "")
