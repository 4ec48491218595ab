"""The real thing: started, used, hurt, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from controlplane.cluster import ControlPlane
from controlplane.errors import ComponentError, ControlPlaneError, KubectlError

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster():
    with ControlPlane(service_node_port_range="20000-22767") as control_plane:
        control_plane.add_nodes(2)
        yield control_plane


def eventually(condition, timeout=120.0):
    deadline = time.monotonic() + timeout
    while not (outcome := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return outcome


def alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def deploy(cluster, name, replicas=3):
    cluster.kubectl("create", "deployment", name, "--image=nginx", f"--replicas={replicas}")
    cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")


def pods(cluster, app):
    return json.loads(cluster.kubectl("get", "pods", f"--selector=app={app}", "-o", "json"))["items"]


def test_a_deployment_runs_and_goes(cluster):
    deploy(cluster, "web")
    assert {pod["status"]["phase"] for pod in pods(cluster, "web")} == {"Running"}
    assert len({pod["status"]["podIP"] for pod in pods(cluster, "web")}) == 3
    cluster.kubectl("delete", "deployment", "web")
    eventually(lambda: not pods(cluster, "web"))


def test_nodes_get_the_labels_and_taints_they_were_given(cluster):
    taint = {"key": "games", "value": "yes", "effect": "NoSchedule"}
    assert cluster.add_nodes(["edge-a"], labels={"zone": "a"}, taints=[taint]) == ["edge-a"]
    node = json.loads(cluster.kubectl("get", "node", "edge-a", "-o", "json"))
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["spec"]["taints"] == [taint]
    assert node["status"]["allocatable"]["cpu"] == "64"


def test_nodes_by_number_continue_where_the_last_ones_ended(cluster):
    assert cluster.add_nodes(1) == ["node-3"]
    listed = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    addresses = [item["status"]["addresses"][0]["address"] for item in listed]
    assert len(set(addresses)) == len(addresses)


def test_a_service_account_may_do_what_rbac_grants_and_no_more(cluster):
    cluster.kubectl("create", "serviceaccount", "reader")
    cluster.kubectl("create", "rolebinding", "reader", "--clusterrole=view", "--serviceaccount=default:reader")
    kubeconfig = cluster.kubeconfig_for_service_account("default", "reader")
    assert cluster.kubectl("auth", "whoami", f"--kubeconfig={kubeconfig}", "-o", "name") is not None
    cluster.kubectl("get", "pods", f"--kubeconfig={kubeconfig}")
    with pytest.raises(KubectlError, match="forbidden"):
        cluster.kubectl("get", "secrets", f"--kubeconfig={kubeconfig}")


def test_the_node_port_range_is_the_one_that_was_asked_for(cluster):
    with pytest.raises(KubectlError, match="20000-22767"):
        cluster.kubectl("create", "service", "nodeport", "far", "--tcp=80", "--node-port=30080")


def test_kubectl_reads_what_it_is_given(cluster):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "given"}}
    assert "configmap/given created" in cluster.kubectl("apply", "-f", "-", input=json.dumps(manifest))


def test_data_and_pods_survive_a_crash_of_api_server_and_etcd(cluster):
    deploy(cluster, "survivor", replicas=1)
    cluster.kill_apiserver()
    with pytest.raises(KubectlError):
        cluster.kubectl("get", "pods", "--request-timeout=2s")
    cluster.start_apiserver()
    cluster.kill_etcd()
    cluster.start_etcd()
    assert len(pods(cluster, "survivor")) == 1
    deploy(cluster, "afterwards", replicas=1)


def test_a_running_control_plane_cannot_be_started_twice(cluster):
    with pytest.raises(ControlPlaneError, match="already running"):
        cluster.start()


def test_nothing_is_left_after_stop():
    control_plane = ControlPlane().start()
    children = [psutil.Process(process.pid) for process in control_plane.processes.values()]
    work = control_plane.kubeconfig.parent
    control_plane.stop()
    control_plane.stop()
    assert [child for child in children if child.is_running()] == []
    assert not work.exists()


def test_a_component_that_dies_at_start_is_named_and_its_last_words_are_shown():
    before = psutil.Process().children()
    with pytest.raises(ComponentError, match=r"(?s)kube-apiserver ended with code 1.*unknown flag: --no-such-flag"):
        ControlPlane(apiserver_flags=["--no-such-flag"]).start()
    assert psutil.Process().children() == before


STARTS_ONE = """
import sys, threading, time
from controlplane.cluster import ControlPlane
from controlplane.process import Process
control_plane = ControlPlane()
thread = threading.Thread(target=control_plane.start)  # its end must not be the children's end
thread.start()
thread.join()
print(*[process.pid for process in control_plane.processes.values()], flush=True)
time.sleep(600)
"""


@pytest.fixture
def parent():
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_the_children_of_a_killed_python_die_with_it(parent):
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert [alive(child) for child in children] == [True] * 5
    parent.send_signal(signal.SIGKILL)
    eventually(lambda: not any(alive(child) for child in children))
