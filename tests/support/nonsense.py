"""What people write by mistake or for fun: annotations and pools that nobody can make sense of.

Hand-picked ones, and as many again from a seed: the same ones every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

Json = dict[str, Any]

_SEED = 20260923
_SNOW, _RTL, _ZERO_WIDTH, _NUL = "\u2603", "\u202e", "\u200b", "\x00"


class Note(NamedTuple):
    """Annotations of a Deployment with the ports `http` (80), `admin` (9000) and `dns` (53/UDP) in container `app`.

    `about` is the annotation that is to blame.
    """

    about: str
    annotations: dict[str, object]


# fmt: off
# Neither "true" nor "false".
_FLAGS = [
    "True", "TRUE", "yes", "on", "1", "0", "t", "", " ", " true", "true ", "true\n", "true,false", "truetrue",
    "null",
    "true" + _ZERO_WIDTH, "tr" + _NUL + "ue", _RTL + "eurt", "\u0442rue", "\uff54\uff52\uff55\uff45", _SNOW,
    "[true]",
    *("{}", "0x1", "-1", "1.0", "NaN", "true" * 5000, "\U0001f7e2" * 300),
]
_ROLLOUTS = [
    "Safe", "SAFE", "", "true", "unsafe", "safe,keep", "safe ", "0%", _SNOW, "keep" + _NUL, "surge=0", "k" * 9999,
]

# No list of PORTs of that template.
_PORTS = [
    "", " ", ",", "http,", ",http", "http,,admin", "http;admin", "http admin", "http|admin", "HTTP", "Http",
    "nosuch",
    "*", ".", "all", "[]", '["http"]', "{http}", "'http'", '"http"', "http=1", "http:80", "http\nadmin",
    "http\tadmin",
    *("80/tcp", "80/XYZ", "80/UDP", "53/TCP", "/80", "80/", "80//TCP", "TCP/80", "80/TCP/80", "80-81", "80..81"),
    *("-80", "+80", "80.0", "8e1", "0x50", "\uff18\uff10", "\u0668\u0660", "0", "65536", "99999", "123456", "1" * 5000),
    *("app/", "/http", "app//http", "app/http/80", "other/http", "APP/http", "app/80/tcp", "app/nosuch", "../http"),
    *("http,http", "http,80", "80,80/TCP", "app/http,http", "admin,http,admin", ",".join(["http"] * 10_000)),
    "http" + _ZERO_WIDTH, "http" + _NUL, _RTL + "ptth", "h\u0442tp", "h\u00a0ttp", _SNOW * 500, "\U0001f600",
    "ht\u0301tp",
    ",".join(f"port-{i}" for i in range(5000)), "true", "null", "None", "\ufffd", "\u2028", "%s%s%n", "${HOME}",
    "`id`",
]

# No PORT=NUMBER of that template.
_NUMBERS = [
    *("", "=", ",", "http", "http=", "=20000", "http==20000", "http=20000=20000", "http:20000", "http 20000", "20000"),
    "http=0", "http=-1", "http=+1", "http=65536", "http=99999", "http=1000000", "http=1.5", "http=20000.0",
    "http=2e4",
    "http=0x4e20", "http=\uff12\uff10\uff10\uff10\uff10", "http=20_000", "http=20,000", "http=true", "http=null",
    "http=*",
    "http=20000-20009", "http=20000;admin=20001", "http=20000,", "nosuch=20000", "HTTP=20000", "app/=20000",
    *("http=20000,http=20001", "http=20000,80=20000", "http=20000,admin=20000", "http=" + "9" * 4999, "http=" + _SNOW),
    *("http=2000" + _NUL, "http=" + _ZERO_WIDTH + "20000", "{'http': 20000}", '{"http": 20000}', "http=20000/TCP"),
    ",".join(f"http={n}" for n in range(20000, 25000)),
]

# No list of names of pools.
_POOLS = [
    *("", " ", ",", "a,", ",a", "a,,b", "a,a", "a;b", "a b", "a|b", "Edge", "EDGE", "edge_1", "edge/1", "edge:1", "*"),
    "-edge", "edge-", ".edge", "edge.", "../edge", "ed\nge", "ed\tge", "a" * 64, "a" * 100_000, "\u00fcber",
    "\u0435dge",
    _SNOW, "edge" + _NUL, "edge" + _ZERO_WIDTH, _RTL + "egde", '"edge"', "['edge']", "{}", "edge,Edge", "a,b,c,a",
    "%2e",
    ",".join(["edge"] * 5000),
]

# fmt: on

# What no annotation may be at all: the API server's own business.
_NOT_EVEN_TEXT: list[object] = [True, 1, 1.5, ["true"], {"true": True}]


def notes() -> list[Note]:
    """At least two hundred, each about one annotation."""
    made = [Note("hostport/auto", {"hostport/auto": value}) for value in (*_FLAGS, *_NOT_EVEN_TEXT)]
    for key, values in {
        "hostport/contiguous": _FLAGS[:12],
        "hostport/env": _FLAGS[12:20],
        "hostport/rollout": _ROLLOUTS,
        "hostport/ports": _PORTS,
        "hostport/request": _NUMBERS,
        "hostport/prefer": _NUMBERS[:24],
        "hostport/pool": _POOLS,
        "hostport/passthrough": ["", ",", "game,", "game,game", _SNOW, "game/XYZ", "80", "g" * 16],
    }.items():
        made += [Note(key, {key: value}) for value in values]
    return made + _contradictions() + list(_mutations(Random(_SEED), 60))


def _contradictions() -> list[Note]:
    """Each of them makes sense, together they don't."""
    return [
        Note("hostport/prefer", {"hostport/request": "http=20000", "hostport/prefer": "http=20001"}),
        Note("hostport/request", {"hostport/request": "http=20000", "hostport/ports": "admin"}),
        Note("hostport/prefer", {"hostport/prefer": "dns=20000", "hostport/ports": "http,admin"}),
        Note("hostport/request", {"hostport/request": "http=20000,admin=40000", "hostport/contiguous": "true"}),
        Note("hostport/request", {"hostport/request": "app/http=20000,app/80=20001"}),
        Note("hostport/auto", {"hostport/auto": "true" + " " * 200_000}),
    ]


def _mutations(dice: Random, count: int) -> Iterator[Note]:
    """Right ones with one character put in that has no business there."""
    right = {
        "hostport/auto": ["true", "false"],
        "hostport/ports": ["http", "app/http,admin", "53/UDP"],
        "hostport/request": ["http=20000", "app/admin=20001,dns=20002"],
        "hostport/pool": ["edge", "edge,core"],
    }
    for turn in range(count):
        key = list(right)[turn % len(right)]
        value = dice.choice(right[key])
        place = dice.randrange(len(value) + 1)
        yield Note(
            key, {key: value[:place] + dice.choice("!\"#$%&'()*;<>?@\\^`{|}~\u00a7\u2603\u4e2d") + value[place:]}
        )


class Spec(NamedTuple):
    """A pool's spec beside ranges of its own. `refused`: the API server must not have it."""

    spec: Json
    refused: bool = True


# fmt: off
_RANGES: list[object] = [
    [], None, "20000", 20000, [20000], [20000.5], [True], [None], [["20000"]], [{}], {"from": 1, "to": 2},
    "20000-20009",
    *([""], [" "], ["-"], ["0"], ["65536"], ["0-10"], ["1-65536"], ["99999"], ["5-1"], ["20009-20000"], ["1-"], ["-1"]),
    *(["1--2"], ["1-2-3"], ["+1"], ["1.5"], ["1e3"], ["0x10"], ["01"], ["1-010"], ["1 -2"], [" 1"], ["1 "], ["1\n"]),
    ["1,2"], ["1..2"], ["1:2"], ["all"], ["*"], ["http"], ["\uff11"], ["\u0661-\u0669"], ["1\u20132"], [_SNOW],
    ["1" + _NUL],
    *(["1", "1"], ["20000-20009"] * 2, ["1" * 33], ["9" * 5000], [str(n) for n in range(1, 66)], ["1" + _ZERO_WIDTH]),
]
# fmt: on
_ADDRESSES: list[object] = [
    *("localhost", "256.1.1.1", "1.2.3", "1.2.3.4.5", "::g", "127.0.0.1/8", " 127.0.0.1", "127.0.0.1 ", "127.0.0.1\n"),
    *("[::1]", "01.2.3.4", "*", "eth0", _SNOW, "1" * 65, 127, ["127.0.0.1"], "fe80::1%eth0", "\uff11.2.3.4"),
]
_SELECTORS: list[object] = [
    *("zone=a", ["zone"], {"matchLabels": "zone=a"}, {"matchLabels": {"zone": 1}}, {"matchLabels": {"zone": "a" * 64}}),
    *({"matchExpressions": {}}, {"matchExpressions": [{}]}, {"matchExpressions": [{"key": "zone"}]}),
    {"matchExpressions": [{"key": "zone", "operator": "Is", "values": ["a"]}]},
    {"matchExpressions": [{"key": "zone", "operator": "In"}]},
    {"matchExpressions": [{"key": "zone", "operator": "In", "values": []}]},
    {"matchExpressions": [{"key": "zone", "operator": "Exists", "values": ["a"]}]},
    {"matchExpressions": [{"key": "", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "zone", "operator": "Exists"}] * 33},
]
_NODES: list[object] = [
    *("node-1", {}, [{}], [{"name": "node-1"}], [{"ranges": ["1"]}], [{"name": "Node 1", "ranges": ["1"]}]),
    [{"name": "node-1", "nodeSelector": {}, "ranges": ["1"]}],
    [{"name": "node-1", "ranges": []}],
    [{"name": "node-1", "ranges": ["2-1"]}],
    [{"name": "node-1", "ranges": ["1"], "exclude": ["x"]}],
    [{"name": "node-1", "ranges": ["1"]}, {"name": "node-1", "ranges": ["2"]}],
    [{"name": f"node-{i}", "ranges": ["1"]} for i in range(65)],
]
_OTHERS: list[Json] = [
    *(
        {"protocols": value}
        for value in ([], ["tcp"], ["ICMP"], ["TCP", "TCP"], "TCP", [6], ["TCP", "UDP", "SCTP", "X"])
    ),
    *({"policy": value} for value in ("", "random", "FirstFit", 1, ["Random"], _SNOW)),
    *({"quotaPerNamespace": value} for value in (0, -1, 1.5, "20", 10**7, 10**30, [20])),
    *({"cooldownSeconds": value} for value in (-1, 1.5, "300", "5m", 10**8, {})),
    *({"priority": value} for value in (0.5, "high", 2**31, -(2**31) - 1)),
    *({"default": value} for value in ("true", 1, "yes", [])),
    *({"required": value} for value in ("no", 0)),
]
_ODD: list[Json] = [
    {"exclude": ["1-65535"]},
    {"exclude": ["1", "1-2", "1-3", "2-65535"]},
    {"ranges": ["1-65535", "1-65534", "1"]},
    {"ranges": ["65535"], "exclude": ["65535"]},
    {"nodeSelector": {}},
    {"nodeSelector": {"matchLabels": {"no such key!": "\u2603"}}},
    {"nodeSelector": {"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}},
    {"namespaceSelector": {"matchLabels": {"": ""}}},
    {"nodes": [{"name": "no-such-node", "ranges": ["1-65535"], "exclude": ["1-65535"]}]},
    {"nodes": [{"nodeSelector": {}, "ranges": ["7"]}, {"nodeSelector": {}, "ranges": ["8"]}]},
    {"hostIP": "::ffff:127.0.0.1"},
    {"hostIP": "2001:DB8:0:0::1"},
    {"hostIP": "0.0.0.0"},  # noqa: S104 - nobody listens there
    {"hostIP": "::"},
    {"quotaPerNamespace": 1_000_000, "cooldownSeconds": 0, "priority": -(2**31)},
    {"ranges": [str(n) for n in range(1, 65)], "exclude": [str(n) for n in range(1, 65)]},
    {"noSuchField": {"deep": [1, 2, 3]}},
    {"policy": None, "protocols": None, "cooldownSeconds": None, "hostIP": None},
]


def specs() -> list[Spec]:
    """At least a hundred that nobody may write, and some that one may, whatever for."""
    bad: list[Json] = [{"ranges": value} for value in _RANGES]
    bad += [{"exclude": value} for value in _RANGES if value not in ([], None)]
    bad += [{"hostIP": value} for value in _ADDRESSES]
    bad += [{"nodeSelector": value} for value in _SELECTORS]
    bad += [{"namespaceSelector": value} for value in _SELECTORS[:6]]
    bad += [{"nodes": value} for value in _NODES]
    return [*(Spec(spec) for spec in (*bad, *_OTHERS)), *(Spec(spec, refused=False) for spec in _ODD)]
