"""The three nginx Deployments: one wants no hostPort, one has taken 10012 by hand, one wants the same and hangs."""

from __future__ import annotations

import re

from controlplane.kubeconfig import REAL_NODE
from demo import sights
from demo.play import Play
from demo.shell import ON_NODE

_PAPER = (
    "API server, scheduler and controllers are real, and so is every command and all that it prints. Only the node "
    "is made of paper (kwok): Pods are scheduled onto it as onto any other, but no container starts."
)
_REAL = (
    "All of it is real, and so is every command and all that it prints: API server, scheduler and controllers, and a "
    "node of kubelet, containerd and CNI's portmap in namespaces of its own. Only nginx is a smaller web server, which "
    "answers with the name of its Pod."
)
EPILOGUE = (
    "# On a cluster of your own: the operator (its image: Dockerfile),",
    "kubectl apply -k manifests/",
    "# numbers to hand out,",
    "kubectl apply -f manifests/example-pool.yaml",
    "# and one of your Deployments asks for them.",
    "kubectl annotate deployment NAME hostport/auto=true",
    "",
    "# Without an image, from your own terminal: this instead of the first line.",
    "kubectl apply -f crds/",
    "pip install .",
    "KUBECONFIG=~/.kube/config hostport run",
)

_ONE, _TWO, _THREE = "nginx-deployment1", "nginx-deployment2", "nginx-deployment3"
_TAKEN, _GRANTED = 10012, 10013
_POOL = "edge"
_HOLDERS = "kubectl get pods -A -o custom-columns-file=demo/hostports.columns"
_STRATEGY = f"kubectl get deployment {_THREE} -o jsonpath='{{.spec.strategy.rollingUpdate}}'"
_NO_FREE_PORTS = "didn't have free ports for the requested pod ports"


def playbill(is_real: bool, why: str) -> tuple[str, ...]:
    """What is about to be played, and on what, which is so for this reason."""
    opening = "One node, three nginx Deployments, and a port number that two of them want."
    kind = "a real one (DEMO=kwok: one of paper)" if is_real else "one of paper (DEMO=node: a real one)"
    return opening, "", _REAL if is_real else _PAPER, "", f"The node is {kind}: {why}."


def two_that_get_along(play: Play) -> None:
    play.stage.scene("Two that get along")
    play.stage.say(f"{_ONE} wants no hostPort. Into {_TWO} somebody has written {_TAKEN}, by hand.")
    play.show(f"grep hostPort demo/manifests/{_ONE}.yaml demo/manifests/{_TWO}.yaml")
    play.show(f"kubectl apply -f demo/manifests/{_ONE}.yaml -f demo/manifests/{_TWO}.yaml")
    _runs(play, _ONE, ())
    _runs(play, _TWO, (_TAKEN,))
    play.show("kubectl get pods")
    play.stage.tick(f"Both run, and the Pod of {_TWO} holds hostPort {_TAKEN} of its node.")


def the_third_hangs(play: Play) -> None:
    play.stage.scene("The third picks the same number")
    play.stage.say(f"Nothing hands these numbers out. {_THREE} says {_TAKEN} too, and nobody objects.")
    play.show(f"grep hostPort demo/manifests/{_THREE}.yaml")
    play.show(f"kubectl apply -f demo/manifests/{_THREE}.yaml")
    sentence = _hangs(play)
    play.show("kubectl get pods")
    play.show(f"kubectl describe pod -l app={_THREE} | grep FailedScheduling")
    play.expect(
        "a sentence of the scheduler's that names neither port nor holder",
        lambda: sentence,
        lambda text: str(_TAKEN) not in text and _TWO not in text,
    )
    play.stage.tick(f"{_THREE} is Pending. The scheduler says why, but neither which port it is nor who has it.")
    if play.world.ground.is_real:
        _nobody_listens_and_somebody_answers(play)
    else:
        play.stage.say(
            "\nOn a real node `ss` shows no listener either: a hostPort is a rule of the packet filter and no socket."
        )
    play.stage.say("\nWithout the operator's commands one goes through all Pods of the cluster.")
    play.show(_HOLDERS)
    holder = play.expect(
        f"{_TWO} as the only one that runs with {_TAKEN}",
        lambda: [pod.name for pod in sights.pods(play.world, _ONE, _TWO, _THREE) if pod.settled and pod.host_ports],
        lambda names: len(names) == 1 and names[0].startswith(_TWO),
    )
    play.stage.tick(f"The holder is {holder[0]}.")


def the_operator_arrives(play: Play) -> None:
    play.stage.scene("The operator arrives")
    play.stage.say(
        "In your cluster `kubectl apply -k manifests/` does it. Here no image is built: the operator's own Deployment "
        "is left out, and it runs as a process, with its ServiceAccount's token alone."
    )
    play.show("kubectl apply -k demo/install")
    play.show("kubectl wait --for=condition=Established crd --all --timeout=60s")
    operator = play.world.bring_operator()
    play.stage.command(f"KUBECONFIG=…/{operator.kubeconfig.name} {operator.command} &")
    with play.stage.waiting("waiting for the operator to be ready"):
        operator.start()
    play.stage.output(operator.log)
    play.stage.tick("It is ready: before it grants anything, it has seen every Pod, Service and template there is.")


def a_pool(play: Play) -> None:
    play.stage.scene("A pool, and its lowest number is the one in dispute")
    play.show("cat demo/manifests/pool.yaml")
    play.show("kubectl apply -f demo/manifests/pool.yaml")
    _adds_up(play, capacity=20, allocated=0, cooling=0, foreign=1, free=19)
    play.show("kubectl get hostportpools -o wide")
    play.stage.tick(f"20 numbers, 19 of them free. One is FOREIGN: {_TAKEN}, which {_TWO} took without asking.")


def asking_instead_of_guessing(play: Play) -> None:
    play.stage.scene(f"{_THREE} asks instead of guessing")
    play.stage.say("It gives up the number that it had picked, and is annotated.")
    play.show(f"sed /hostPort/d demo/manifests/{_THREE}.yaml | kubectl apply -f -")
    play.show(f"kubectl annotate deployment {_THREE} hostport/auto=true")
    _has_number(play)
    play.show(f"kubectl rollout status deployment/{_THREE} --timeout=60s")
    _runs(play, _THREE, (_GRANTED,))
    play.show(_HOLDERS)
    if play.world.ground.is_real:
        _answers(play, _GRANTED, _THREE)
    _was_told(play, "PortsAssigned")
    play.show(f"kubectl describe deployment {_THREE} | grep PortsAssigned")
    play.stage.tick(f"{_THREE} runs with {_GRANTED}, the first free number, and its Pending Pod is gone.")
    play.stage.tick(f"{_TAKEN} was passed over: the pool knows that it is taken, though nobody asked for it here.")


def a_rollout_on_a_full_node(play: Play) -> None:
    play.stage.scene("A rollout that would have hung")
    play.stage.say(
        "A hostPort fits once per node. By default a Deployment begins with the new Pod, and on the only node that Pod "
        "would wait for ever for the port of the old one. So with the number came a safe strategy, in the same patch."
    )
    play.expect(
        f"an event RolloutAdjusted on {_THREE}",
        lambda: sights.notes(play.world, _THREE, "RolloutAdjusted", sights.OPERATOR),
        bool,
    )
    play.show(f"kubectl describe deployment {_THREE} | grep RolloutAdjusted")
    play.show(_STRATEGY)
    before = {pod.name for pod in sights.pods(play.world, _THREE)}
    play.show(f"kubectl rollout restart deployment {_THREE}")
    play.show(f"kubectl rollout status deployment/{_THREE} --timeout=60s")
    _runs(play, _THREE, (_GRANTED,))
    play.expect(
        f"another Pod than {', '.join(before)}",
        lambda: {pod.name for pod in sights.pods(play.world, _THREE)},
        before.isdisjoint,
    )
    play.show(_HOLDERS)
    play.stage.tick(f"The rollout has finished: the old Pod left first, and a new one runs with {_GRANTED}.")


def written_down(play: Play) -> None:
    play.stage.scene("It is written down")
    play.stage.say("The pool's status is the record. A number stands here before any template carries it.")
    _adds_up(play, capacity=20, allocated=1, cooling=0, foreign=1, free=18)
    play.show("kubectl get hostportpools")
    play.show(f"kubectl get hostportpool {_POOL} -o yaml | grep -A6 leases:")
    owner, uid = f"Deployment/default/{_THREE}", play.world.get("deployment", _THREE)["metadata"]["uid"]
    lease = {f"{_GRANTED}/TCP": (owner, uid)}
    play.expect(
        f"exactly one lease: {lease}",
        lambda: {key: (entry["owner"], entry["uid"]) for key, entry in sights.leases(play.world, _POOL).items()},
        lambda seen: seen == lease,
    )
    play.stage.tick(f"One lease: {_GRANTED}/TCP belongs to {owner}, and carries its uid.")


def as_prometheus_sees_it(play: Play) -> None:
    play.stage.scene("As Prometheus sees it")
    printed = play.show(f"{_fetch(play)} localhost:{play.world.metrics_port}/metrics | grep ^hostport_pool")
    scraped = re.findall(r"hostport_pool_(\w+)_ports\{.*\} (\d+)", printed)
    counts = sights.counts(play.world, _POOL)
    play.expect(
        f"the same figures as in the pool's status, {counts}",
        lambda: {what: int(value) for what, value in scraped},
        lambda seen: seen == counts,
    )
    play.stage.tick("The same figures as in the pool's status.")


def giving_it_back(play: Play) -> None:
    play.stage.scene("Giving it back, and coming back")
    play.stage.say("Without the annotation the number goes out of the template, and rests before anybody else gets it.")
    play.show(f"kubectl annotate deployment {_THREE} hostport/auto-")
    _runs(play, _THREE, ())
    _adds_up(play, capacity=20, allocated=0, cooling=1, foreign=1, free=18)
    play.show("kubectl get hostportpools -o wide")
    _was_told(play, "PortsReleased")
    play.show(f"kubectl describe deployment {_THREE} | grep PortsReleased")
    rest = play.world.get("hostportpool", _POOL)["spec"]["cooldownSeconds"]
    play.stage.tick(f"{_GRANTED} is COOLING: for {rest} seconds it is kept for {_THREE}.")
    strategy = play.show(_STRATEGY)
    play.expect("the strategy as it was", lambda: strategy, lambda printed: '"maxSurge":"25%"' in printed)
    play.stage.tick("The strategy went back with it, to what stood there before.")
    play.show(f"kubectl annotate deployment {_THREE} hostport/auto=true")
    _has_number(play)
    _runs(play, _THREE, (_GRANTED,))
    play.show(_HOLDERS)
    play.stage.tick(f"Asked again it gets {_GRANTED} again: it was kept for it.")
    play.expect(
        "all three Deployments running",
        lambda: sights.pods(play.world, _ONE, _TWO, _THREE),
        lambda pods: len(pods) == 3 and all(pod.settled for pod in pods),
    )
    play.stage.tick("All three run.")


SCENES = (
    two_that_get_along,
    the_third_hangs,
    the_operator_arrives,
    a_pool,
    asking_instead_of_guessing,
    a_rollout_on_a_full_node,
    written_down,
    as_prometheus_sees_it,
    giving_it_back,
)


def _nobody_listens_and_somebody_answers(play: Play) -> None:
    play.stage.say("\nOne looks at the node. Nobody listens on that number, and yet somebody answers.")
    sockets = play.show(f"{ON_NODE} ss -Htuln 'sport = :{_TAKEN}' | wc -l")
    play.expect("no listener", lambda: sockets, lambda printed: printed == "0")
    _answers(play, _TAKEN, _TWO)
    play.stage.say(
        "\nA hostPort is a rule of the packet filter and no socket. One of the operator's commands reads it."
    )
    traced = play.show(f"{ON_NODE} hostport trace {_TAKEN}/TCP --node {REAL_NODE}")
    play.expect(f"{_TWO} as the one who is traced", lambda: traced, lambda said: f"Deployment default/{_TWO}" in said)


def _answers(play: Play, port: int, deployment: str) -> None:
    """Ask the node from outside."""
    play.expect(
        f"an answer of a Pod of {deployment} on {port}",
        lambda: play.world.answer(port),
        lambda said: said.startswith(deployment),
    )
    play.show(f"{_fetch(play)} {play.world.ground.address}:{port}")


def _runs(play: Play, deployment: str, ports: tuple[int, ...]) -> None:
    play.expect(
        f"one Pod of {deployment} and no other, Running, hostPorts {list(ports)}",
        lambda: sights.pods(play.world, deployment),
        lambda pods: len(pods) == 1 and pods[0].settled and pods[0].host_ports == ports,
    )


def _hangs(play: Play) -> str:
    """The scheduler's sentence, once it stands in the Pod and in an event."""
    pods = play.expect(
        f"a Pod of {_THREE} in Pending, because the node {_NO_FREE_PORTS}",
        lambda: sights.pods(play.world, _THREE),
        lambda pods: len(pods) == 1 and pods[0].phase == "Pending" and _NO_FREE_PORTS in pods[0].complaint,
    )
    return play.expect(
        f"an event FailedScheduling on {pods[0].name}",
        lambda: sights.notes(play.world, pods[0].name, "FailedScheduling"),
        lambda notes: any(_NO_FREE_PORTS in note for note in notes),
    )[0]


def _has_number(play: Play) -> None:
    play.expect(
        f"hostPort {_GRANTED} in the template of {_THREE}",
        lambda: sights.host_ports(play.world, _THREE),
        lambda ports: ports == [_GRANTED],
    )


def _was_told(play: Play, reason: str) -> None:
    play.expect(
        f"an event {reason} on {_THREE} that names {_GRANTED}",
        lambda: sights.notes(play.world, _THREE, reason, sights.OPERATOR),
        lambda notes: any(str(_GRANTED) in note for note in notes),
    )


def _adds_up(play: Play, **counts: int) -> None:
    play.expect(
        f"these counts in pool {_POOL}: {counts}",
        lambda: sights.counts(play.world, _POOL),
        lambda seen: seen == counts,
    )


def _fetch(play: Play) -> str:
    """A program that fetches a page, whichever of them this machine has."""
    python = "python -c 'import sys, urllib.request as u; print(u.urlopen(\"http://\" + sys.argv[1]).read().decode())'"
    known = {"curl": "curl -s", "wget": "wget -qO-"}
    return next((command for name, command in known.items() if play.world.shell.find(name)), python)
