"""Policies as an administrator has them: ValidatingAdmissionPolicies that refuse hostPorts in one namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controlplane.errors import KubectlError
from tests.support.scene import Scene, deployment
from tests.support.wait import until

Json = dict[str, Any]

_GROUPS = {"pods": "", "deployments": "apps"}


@contextmanager
def deny(scene: Scene, resource: str, containers: str, message: str, unless: str = "false") -> Iterator[None]:
    """Refuse hostPorts in a resource (`pods` or `deployments`) of the scene's namespace, in force until the end.

    `containers`: where they stand, as CEL says it; `unless`: which objects are let in all the same.
    """
    name = f"{scene.name}-{resource}"
    none = f"{containers}.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))"
    rule = {
        "apiGroups": [_GROUPS[resource]],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
    }
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": f"({unless}) || {none}", "message": message}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.name}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": here}
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        manifest = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
        scene.kubectl("apply", "-f", "-", input=json.dumps({**manifest, "spec": spec}))
    try:
        until(lambda: _is_in_force(scene, resource), "the policy is in force")
        yield
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        scene.kubectl("delete", kinds, name, "--ignore-not-found")


def _is_in_force(scene: Scene, resource: str) -> bool:
    manifest = deployment("probe", [{"containerPort": 80, "hostPort": 2}])
    if resource == "pods":
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}}
        manifest = {**pod, "spec": manifest["spec"]["template"]["spec"]}
    try:
        scene.kubectl("-n", scene.name, "create", "--dry-run=server", "-f", "-", input=json.dumps(manifest))
    except KubectlError as error:
        return "denied request" in error.stderr
    return False
