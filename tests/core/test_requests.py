"""What annotations ask for; and that nonsense is an `InvalidAnnotation` that says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostport.api import names
from hostport.api.errors import InvalidAnnotation
from hostport.api.request import Request, parse_request
from hostport.api.workload import KINDS, Workload
from tests.core import build
from tests.core.build import deployment, ports

# Two containers with a name in common, a number in common, and one number with two protocols.
_POD = {
    "containers": [
        {"name": "web", "ports": ports("http:80 dns:53/UDP dns-tcp:53")},
        {"name": "side", "ports": ports("http:8080 metrics:9090 :7000 :53/UDP")},
    ],
    "initContainers": [{"name": "init", "ports": ports("setup:1234")}],
}


def _workload(**annotations: str) -> Workload:
    return build.workload(deployment("web", pod=_POD, **annotations))


def _request(**annotations: str) -> Request:
    request = parse_request(_workload(**annotations))
    assert request is not None
    return request


def _refusal(**annotations: str) -> str:
    with pytest.raises(InvalidAnnotation) as caught:
        parse_request(_workload(**annotations))
    return str(caught.value)


# hostport/auto


def test_who_does_not_ask_gets_nothing() -> None:
    assert parse_request(_workload(auto="false")) is None
    silent = deployment("web")
    del silent["metadata"]["annotations"]
    assert parse_request(build.workload(silent)) is None


def test_every_port_of_the_containers_is_meant_unless_some_are_named() -> None:
    refs = [entry.ref for entry in _request().entries]
    assert refs == [
        "web/http", "web/dns", "web/dns-tcp", "side/http", "side/metrics", "side/7000/TCP", "side/53/UDP",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["yes", "True", "TRUE", "1", "", " true", "true "])
def test_auto_is_true_or_false(value: str) -> None:
    assert _refusal(auto=value) == f'hostport/auto: "{value}": write "true" or "false"'


def test_a_template_without_ports_has_nothing_to_give_numbers_to() -> None:
    with pytest.raises(InvalidAnnotation, match="no container of the template declares a port"):
        parse_request(build.workload(deployment("web", "")))


def test_a_template_on_the_nodes_network_has_its_ports_already() -> None:
    with pytest.raises(InvalidAnnotation, match="hostNetwork"):
        parse_request(build.workload(deployment("web", pod={"hostNetwork": True})))


def test_a_port_that_is_declared_twice_is_one_port() -> None:
    request = parse_request(build.workload(deployment("web", ":80 http:81 :80")))
    assert request is not None
    assert [(entry.ref, entry.position) for entry in request.entries] == [("app/80/TCP", 0), ("app/http", 1)]


# hostport/ports


@pytest.mark.parametrize(
    ("word", "ref"),
    [
        ("web/http", "web/http"),
        ("side/http", "side/http"),
        ("dns", "web/dns"),
        ("dns-tcp", "web/dns-tcp"),
        ("80", "web/http"),
        ("80/TCP", "web/http"),
        ("web/80", "web/http"),
        ("web/80/TCP", "web/http"),
        ("9090", "side/metrics"),
        ("53/TCP", "web/dns-tcp"),
        ("web/53/UDP", "web/dns"),
        ("side/53", "side/53/UDP"),
        ("7000", "side/7000/TCP"),
        ("side/7000/TCP", "side/7000/TCP"),
        ("  metrics  ", "side/metrics"),
    ],
)
def test_a_port_is_named_by_name_or_number_with_or_without_container_and_protocol(word: str, ref: str) -> None:
    assert [entry.ref for entry in _request(ports=word).entries] == [ref]


def test_ports_are_taken_in_the_order_in_which_they_are_named() -> None:
    assert [entry.ref for entry in _request(ports="metrics, web/http,dns").entries] == [
        "side/metrics", "web/http", "web/dns",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("http", '"http" could be side/http or web/http'),
        ("53", '"53" could be side/53/UDP, web/dns or web/dns-tcp'),
        ("53/UDP", '"53/UDP" could be side/53/UDP or web/dns'),
        ("web/53", '"web/53" could be web/dns or web/dns-tcp'),
        ("nope", 'no port "nope"; the template has side/53/UDP, side/7000/TCP, side/http'),
        ("81", 'no port "81"'),
        ("80/UDP", 'no port "80/UDP"'),
        ("80/tcp", 'no port "80/tcp"'),
        ("80/", 'no port "80/"'),
        ("/80", 'no port "/80"'),
        ("side/80", 'no port "side/80"'),
        ("web/metrics", 'no port "web/metrics"'),
        ("WEB/http", 'no port "WEB/http"'),
        ("８０", 'no port "８０"'),
        ("-80", 'no port "-80"'),
        ("+80", 'no port "+80"'),
        ("8_0", 'no port "8_0"'),
        ("99999999999999999999", 'no port "99999999999999999999"'),
        ("setup", '"setup" is a port of an init container, and the kubelet maps none of those'),
        ("init/1234/TCP", '"init/1234/TCP" is a port of an init container'),
        ("", "an empty entry: separate by single commas"),
        ("dns,", "an empty entry: separate by single commas"),
        ("dns,,metrics", "an empty entry: separate by single commas"),
        ("dns,dns", "web/dns stands there twice"),
        ("dns,web/53/UDP", "web/dns stands there twice"),
    ],
)
def test_a_port_that_is_none_is_refused_with_what_is_wrong(word: str, problem: str) -> None:
    assert problem in _refusal(ports=word)


@pytest.mark.parametrize("nonsense", ["x," * 5000, "x" * 10000, "dns,dns" + "s" * 9000])
def test_long_nonsense_is_shown_shortened(nonsense: str) -> None:
    for annotation in ("ports", "request", "pool"):
        assert len(_refusal(**{annotation: nonsense})) < 400


def test_the_refusal_names_the_annotation() -> None:
    with pytest.raises(InvalidAnnotation) as caught:
        parse_request(_workload(prefer="nope=1"))
    assert caught.value.annotation == names.PREFER
    assert caught.value.reason == "InvalidAnnotation"


# hostport/request and hostport/prefer


def test_numbers_are_asked_for_by_port() -> None:
    request = _request(request="web/http=10012, 9090 = 10013", prefer="dns=10014")
    assert request.exact == {"web/http": 10012, "side/metrics": 10013}
    assert request.prefer == {"web/dns": 10014}


def test_one_number_can_be_asked_for_by_two_protocols() -> None:
    assert _request(request="dns=5353,dns-tcp=5353").exact == {"web/dns": 5353, "web/dns-tcp": 5353}


@pytest.mark.parametrize("annotation", ["request", "prefer"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10012", '"10012" must be PORT=NUMBER, such as http=10012 (1 to 65535)'),
        ("dns=", "must be PORT=NUMBER"),
        ("dns=0", "must be PORT=NUMBER"),
        ("dns=65536", "must be PORT=NUMBER"),
        ("dns=-5", "must be PORT=NUMBER"),
        ("dns=1e3", "must be PORT=NUMBER"),
        ("dns=１２", "must be PORT=NUMBER"),
        ("dns=80=81", "must be PORT=NUMBER"),
        ("dns=100000000000000000000000", "must be PORT=NUMBER"),
        ("=80", 'no port ""'),
        ("http=80", "could be side/http or web/http"),
        ("setup=80", "is a port of an init container"),
        ("dns=80,dns=81", "web/dns stands there twice"),
        ("dns=80,side/53=80", "80/UDP stands there twice"),
        ("", "an empty entry"),
    ],
)
def test_numbers_asked_for_wrongly_are_refused(annotation: str, text: str, problem: str) -> None:
    assert problem in _refusal(**{annotation: text})


def test_a_number_can_only_be_asked_for_a_port_that_is_wanted() -> None:
    assert "web/dns is not among the ports of hostport/ports" in _refusal(ports="metrics", request="dns=80")


def test_a_number_is_asked_for_either_exactly_or_rather() -> None:
    assert "web/dns is in hostport/request already" in _refusal(request="dns=80", prefer="dns=81")


def test_a_run_can_only_contain_numbers_that_are_near_each_other() -> None:
    entries = {"ports": "web/http,metrics", "contiguous": "true"}
    assert _request(**entries, request="web/http=10012,metrics=10013").contiguous
    assert "can't be in one run of 2" in _refusal(**entries, request="web/http=10012,metrics=10014")
    assert "hostport/contiguous" in _refusal(**entries, request="web/http=10012,metrics=10014")


# hostport/pool


def test_pools_in_order_of_preference() -> None:
    assert _request(pool="edge, games.eu").pools == ("edge", "games.eu")
    assert _request().pools is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an empty entry"),
        ("edge,,", "an empty entry"),
        ("edge,edge", "edge stands there twice"),
        ("Edge", "can't be the name of a HostPortPool"),
        ("edge/1", "can't be the name of a HostPortPool"),
        ("x" * 64, "can't be the name of a HostPortPool"),
        ("-edge", "can't be the name of a HostPortPool"),
        ("a\x00b", "can't be the name of a HostPortPool"),
    ],
)
def test_a_pool_that_can_not_be_one_is_refused(text: str, problem: str) -> None:
    assert problem in _refusal(pool=text)


# Anything at all

_WORDS = st.sampled_from(
    [
        "",
        "http",
        "web/http",
        "dns=80",
        "80",
        "53/UDP",
        "true",
        "false",
        "=",
        ",",
        "/",
        "\x00",
        "１２",
        "init/setup=1",
        "edge",
    ]
)
_TEXTS = st.one_of(st.text(max_size=40), st.lists(_WORDS, max_size=6).map(",".join), st.lists(_WORDS).map("".join))
_KEYS = ["pool", "ports", "request", "prefer", "contiguous", "passthrough", "env", "rollout", "per-pod", "assigned"]


@given(st.dictionaries(st.sampled_from(_KEYS), _TEXTS))
@example({"ports": "\x00"})
@example({"request": "dns=１２"})
@example({"ports": ",".join(f"p{i}" for i in range(20000))})
@example({"request": ",".join(f"dns={i}" for i in range(20000))})
@example({"pool": ",".join(f"pool-{i}" for i in range(20000))})
@example({"assigned": '{"web/http": 1e999, "web/dns": true, "x": [[[[]]]]}'})
def test_whatever_annotations_say_the_answer_is_a_request_or_a_refusal(annotations: dict[str, str]) -> None:
    workload = _workload(**annotations)
    assert all(isinstance(port, int) for port in workload.assigned().values())
    try:
        request = parse_request(workload)
    except InvalidAnnotation as refusal:
        assert refusal.annotation.removeprefix("hostport/") in {"auto", *annotations}
        assert len(str(refusal)) < 1000
        return
    assert request is not None
    assert {*request.exact, *request.prefer} <= {entry.ref for entry in request.entries}


@given(st.text())
def test_whatever_auto_says(value: str) -> None:
    if value in ("true", "false"):
        return
    assert _refusal(auto=value).startswith("hostport/auto: ")


# Objects


def test_the_template_is_found_in_every_kind_of_workload() -> None:
    spec = {"containers": [{"name": "app", "ports": ports("http:80")}], "nodeName": "n1"}
    for kind in KINDS.values():
        raw: dict[str, object] = {"spec": spec}
        for step in reversed(kind.template):
            raw = {step: raw}
        notes = {"hostport/auto": "true", "other/thing": "x"}
        meta = {"namespace": "ns", "name": "w", "uid": "u", "resourceVersion": "7", "annotations": notes}
        workload = Workload.parse(kind, {"metadata": meta, **raw})
        assert (workload.key, [entry.ref for entry in workload.entries]) == (f"{kind.name}/ns/w", ["app/http"])
        assert (workload.placement.node_name, workload.annotations) == ("n1", {"hostport/auto": "true"})


def test_a_note_that_is_nested_without_end_counts_as_nothing() -> None:
    assert build.workload(deployment("web", assigned="[" * 10**5)).assigned() == {}


@pytest.mark.parametrize(
    ("text", "assigned"),
    [
        ('{"app/http": 20000}', {"app/http": 20000}),
        ('{"app/http": "20000", "app/dns": 20001, "x": true, "y": 1.5, "z": null}', {"app/dns": 20001}),
        ("", {}),
        ("not json", {}),
        ("[1, 2]", {}),
        ("20000", {}),
        ("null", {}),
    ],
)
def test_what_is_noted_as_assigned_is_read_without_trusting_it(text: str, assigned: dict[str, int]) -> None:
    assert build.workload(deployment("web", assigned=text)).assigned() == assigned
