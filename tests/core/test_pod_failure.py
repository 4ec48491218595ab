"""Which of the reasons why a workload has no Pods is its hostPort's doing."""

from __future__ import annotations

import pytest

from hostport.api.pod_failure import is_denial, pod_failure
from tests.core.build import Json

BASELINE = (
    'pods "web-1" is forbidden: violates PodSecurity "baseline:latest": hostPort (container "app" uses hostPort 1)'
)


@pytest.mark.parametrize(
    "message",
    [
        BASELINE,
        'admission webhook "validate.kyverno.svc-fail" denied the request: disallow-host-ports',
        "pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'no-ports' with binding 'x' denied request: not here",
        'create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: violates PodSecurity "baseline"',
    ],
)
def test_admission_that_refuses_such_pods_is_a_denial(message: str) -> None:
    assert is_denial(message)


@pytest.mark.parametrize(
    "message",
    [
        'pods "web-1" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1',
        'pods "web-1" is forbidden: failed quota: mem: must specify limits.memory for: app',
        'Internal error occurred: failed calling webhook "a.b": Post "https://a.b": context deadline exceeded',
        'pods "web-1" is forbidden: unable to create new content in namespace a because it is being terminated',
        'pods "web-1" is forbidden: error looking up service account a/b: serviceaccount "b" not found',
        'pods "web-1" is forbidden: no PriorityClass with name high was found',
        'pods "web-1" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
        "etcdserver: request timed out",
    ],
)
def test_what_passes_or_has_nothing_to_do_with_ports_is_none(message: str) -> None:
    assert not is_denial(message)


def _deployment(message: str = BASELINE, progress: str = "ReplicaSetUpdated", **status: object) -> Json:
    conditions = [
        {"type": "Progressing", "status": "True", "reason": progress},
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
    ]
    shown = {"observedGeneration": 2, "replicas": 1, "unavailableReplicas": 1, "conditions": conditions, **status}
    return {"metadata": {"generation": 2}, "status": shown}


def test_a_deployment_none_of_whose_new_pods_can_be_made_says_so() -> None:
    assert pod_failure("Deployment", _deployment()) == BASELINE
    assert pod_failure("ReplicaSet", _deployment()) == BASELINE


@pytest.mark.parametrize(
    ("case", "raw"),
    [
        ("some of them could", _deployment(updatedReplicas=1)),
        ("its rollout had come to its end before", _deployment(progress="NewReplicaSetAvailable")),
        ("the condition is about the template of before", _deployment(observedGeneration=1)),
        ("a quota is in the way", _deployment('pods "web" is forbidden: exceeded quota: pods')),
        ("there is no status yet", {"metadata": {"generation": 1}, "status": None}),
    ],
)
def test_it_says_nothing_where(case: str, raw: Json) -> None:
    assert pod_failure("Deployment", raw) == "", case


def test_kinds_without_such_a_condition_say_nothing() -> None:
    assert pod_failure("StatefulSet", _deployment()) == ""
