"""The schema of pools and blocks: what is accepted, what is refused, and with what sentence."""

from typing import Any

import pytest

from controlplane.cluster import ControlPlane
from tests.support.crds import accepted, block_manifest, manifest, patch, refusal, refused, write_status

pytestmark = pytest.mark.cluster

DEFAULTS = {
    "protocols": ["TCP", "UDP"],
    "hostIP": "",
    "policy": "RoundRobin",
    "cooldownSeconds": 300,
    "priority": 0,
    "default": True,
    "required": False,
}


# --- what is accepted ----------------------------------------------------------------------------------------------

ACCEPTED = {
    "a range": {"ranges": ["20000-29999"]},
    "one number": {"ranges": ["10012"]},
    "every number there is": {"ranges": ["1-65535"]},
    "a range of one": {"ranges": ["80-80"]},
    "exceptions": {"ranges": ["20000-29999"], "exclude": ["20080", "21000-21009"]},
    "SCTP alone": {"ranges": ["20000-29999"], "protocols": ["SCTP"]},
    "an IPv4 address": {"ranges": ["20000-29999"], "hostIP": "127.0.0.1"},
    "an IPv6 address": {"ranges": ["20000-29999"], "hostIP": "2001:db8::1"},
    "an IPv6 address in capitals": {"ranges": ["20000-29999"], "hostIP": "2001:DB8::1"},
    "selectors that match everything": {"ranges": ["20000-29999"], "nodeSelector": {}, "namespaceSelector": {}},
    "selectors of every kind": {
        "ranges": ["20000-29999"],
        "nodeSelector": {"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
        "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a", "b"]}]},
    },
    "ranges per node": {
        "ranges": ["20000-29999"],
        "nodes": [
            {"name": "edge-1", "ranges": ["24000-24099"], "exclude": []},
            {"name": "edge-2.example", "ranges": ["24000-24099"], "exclude": ["24010"]},
            {"nodeSelector": {"matchLabels": {"zone": "a"}}, "ranges": ["25000-25999"]},
        ],
    },
    "no resting at all": {"ranges": ["20000-29999"], "cooldownSeconds": 0},
    "the rest": {
        "ranges": ["20000-29999"],
        "quotaPerNamespace": 20,
        "policy": "Stable",
        "cooldownSeconds": 60,
        "priority": -5,
        "default": False,
        "required": True,
    },
    "as much as there is room for": {
        "ranges": [f"{60000 + i}-{65000 + i}" for i in range(64)],
        "exclude": [f"{60000 + i}" for i in range(64)],
        "nodes": [
            {
                "name": f"node-{n}",
                "ranges": [f"{60000 + i}-{65000 + i}" for i in range(64)],
                "exclude": [f"{60000 + i}" for i in range(64)],
            }
            for n in range(64)
        ],
    },
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_good_pool_is_accepted_and_its_defaults_filled_in(cluster: ControlPlane, spec: dict[str, Any]) -> None:
    assert accepted(cluster, manifest(spec))["spec"] == DEFAULTS | spec


# --- what is refused -----------------------------------------------------------------------------------------------

NOT_A_RANGE = 'is neither a port number nor a range: write "10012" or "20000-29999"'
OUT_OF_BOUNDS = "is out of bounds: port numbers go from 1 to 65535"
NOT_AN_IP = 'is not an IP address: write one such as "127.0.0.1" or "2001:db8::1", or "" for every address'

RANGES = [
    ("5-1", "range 5-1 runs backwards"),
    ("65535-1", "range 65535-1 runs backwards"),
    ("0", f'"0" {OUT_OF_BOUNDS}'),
    ("0-10", f'"0-10" {OUT_OF_BOUNDS}'),
    ("70000", f'"70000" {OUT_OF_BOUNDS}'),
    ("10-70000", f'"10-70000" {OUT_OF_BOUNDS}'),
    ("65536-1", f'"65536-1" {OUT_OF_BOUNDS}'),
    ("007", '"007" has a leading zero'),
    ("1-010", '"1-010" has a leading zero'),
    ("", f'"" {NOT_A_RANGE}'),
    (" ", f'" " {NOT_A_RANGE}'),
    ("-5", f'"-5" {NOT_A_RANGE}'),
    ("5-", f'"5-" {NOT_A_RANGE}'),
    ("-", f'"-" {NOT_A_RANGE}'),
    ("a-b", f'"a-b" {NOT_A_RANGE}'),
    ("http", f'"http" {NOT_A_RANGE}'),
    ("1-2-3", f'"1-2-3" {NOT_A_RANGE}'),
    ("+5", f'"+5" {NOT_A_RANGE}'),
    ("1e4", f'"1e4" {NOT_A_RANGE}'),
    ("20000 - 29999", f'"20000 - 29999" {NOT_A_RANGE}'),
    ("10012,10013", f'"10012,10013" {NOT_A_RANGE}'),
    ("10012/TCP", f'"10012/TCP" {NOT_A_RANGE}'),
    ("99999999999999999999", f'"99999999999999999999" {NOT_A_RANGE}'),
    ("٣", f'"٣" {NOT_A_RANGE}'),
    (10012, 'must be of type string: "integer"'),
    (None, 'must be of type string: "null"'),
]


@pytest.mark.parametrize(("text", "sentence"), RANGES, ids=[repr(text) for text, _ in RANGES])
def test_a_bad_range_is_refused_with_one_sentence(cluster: ControlPlane, text: object, sentence: str) -> None:
    said = refused(cluster, manifest({"ranges": ["20000-29999", text]}))
    assert said.count("spec.ranges[1]: ") == 1
    assert sentence in said


@pytest.mark.parametrize(
    ("place", "spec"),
    [
        ("spec.exclude[0]", {"exclude": ["5-1"]}),
        ("spec.nodes[0].ranges[0]", {"nodes": [{"name": "edge-1", "ranges": ["5-1"]}]}),
        ("spec.nodes[0].exclude[0]", {"nodes": [{"name": "edge-1", "ranges": ["1"], "exclude": ["5-1"]}]}),
    ],
)
def test_a_bad_range_is_refused_wherever_it_stands(cluster: ControlPlane, place: str, spec: dict[str, Any]) -> None:
    said = refused(cluster, manifest({"ranges": ["20000-29999"]} | spec))
    assert f'{place}: Invalid value: "5-1": range 5-1 runs backwards' in said


def _requirement(**entry: object) -> dict[str, Any]:
    return {"nodeSelector": {"matchExpressions": [{"key": "zone"} | entry]}}


REFUSED = [
    ("no ranges", {"ranges": None}, "spec.ranges: Required value"),
    ("an empty list of ranges", {"ranges": []}, "spec.ranges in body should have at least 1 items"),
    ("too many ranges", {"ranges": [str(n) for n in range(1, 66)]}, "spec.ranges: Too many: 65: must have at most 64"),
    ("a range twice", {"ranges": ["1", "1"]}, 'spec.ranges[1]: Duplicate value: "1"'),
    ("ranges as one string", {"ranges": "20000-29999"}, 'spec.ranges in body must be of type array: "string"'),
    ("an exception twice", {"exclude": ["1", "1"]}, 'spec.exclude[1]: Duplicate value: "1"'),
    ("a protocol nobody knows", {"protocols": ["ICMP"]}, 'supported values: "TCP", "UDP", "SCTP"'),
    ("a protocol in small letters", {"protocols": ["tcp"]}, 'supported values: "TCP", "UDP", "SCTP"'),
    ("a protocol twice", {"protocols": ["TCP", "TCP"]}, 'spec.protocols[1]: Duplicate value: "TCP"'),
    ("no protocol", {"protocols": []}, "spec.protocols in body should have at least 1 items"),
    ("no address", {"hostIP": "300.1.1.1"}, f'"300.1.1.1" {NOT_AN_IP}'),
    ("an address in brackets", {"hostIP": "[::1]"}, f'"[::1]" {NOT_AN_IP}'),
    ("an address with a zone", {"hostIP": "fe80::1%eth0"}, f'"fe80::1%eth0" {NOT_AN_IP}'),
    ("an IPv4 address in IPv6 clothes", {"hostIP": "::ffff:10.0.0.1"}, f'"::ffff:10.0.0.1" {NOT_AN_IP}'),
    ("a network", {"hostIP": "10.0.0.0/8"}, f'"10.0.0.0/8" {NOT_AN_IP}'),
    ("a host's name", {"hostIP": "localhost"}, f'"localhost" {NOT_AN_IP}'),
    ("In without values", _requirement(operator="In"), "operator In needs at least one of values"),
    ("NotIn of nothing", _requirement(operator="NotIn", values=[]), "operator NotIn needs at least one of values"),
    ("Exists with values", _requirement(operator="Exists", values=["a"]), "operator Exists takes no values"),
    ("an operator nobody knows", _requirement(operator="Gt", values=["1"]), '"In", "NotIn", "Exists", "DoesNotExist"'),
    ("a requirement without an operator", _requirement(), "matchExpressions[0].operator: Required value"),
    (
        "a namespace selector without values",
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        "operator In needs at least one of values",
    ),
    (
        "an entry for no node",
        {"nodes": [{"ranges": ["1"]}]},
        "spec.nodes[0]: Invalid value: exactly one of name and nodeSelector must be set",
    ),
    (
        "an entry for a node by name and by label",
        {"nodes": [{"name": "edge-1", "nodeSelector": {}, "ranges": ["1"]}]},
        "exactly one of name and nodeSelector must be set",
    ),
    ("an entry without ranges", {"nodes": [{"name": "edge-1"}]}, "spec.nodes[0].ranges: Required value"),
    ("an entry with empty ranges", {"nodes": [{"name": "edge-1", "ranges": []}]}, "should have at least 1 items"),
    ("no node's name", {"nodes": [{"name": "Edge_1", "ranges": ["1"]}]}, '"Edge_1" is not the name of a Node'),
    ("an empty node's name", {"nodes": [{"name": "", "ranges": ["1"]}]}, '"" is not the name of a Node'),
    (
        "a node twice",
        {"nodes": [{"name": "edge-1", "ranges": ["1"]}, {"name": "edge-1", "ranges": ["2"]}]},
        "a node is named twice: only its first entry would ever count",
    ),
    ("a quota of nothing", {"quotaPerNamespace": 0}, "should be greater than or equal to 1"),
    ("a policy nobody knows", {"policy": "Lowest"}, '"RoundRobin", "LowestFree", "Random", "Stable"'),
    ("a cooldown that ends before it begins", {"cooldownSeconds": -1}, "should be greater than or equal to 0"),
    ("a cooldown of a year", {"cooldownSeconds": 31536000}, "should be less than or equal to 2592000"),
    ("a cooldown in words", {"cooldownSeconds": "5m"}, 'must be of type integer: "string"'),
    ("a priority beyond all bounds", {"priority": 2**31}, "should be less than or equal to 2147483647"),
    ("yes for true", {"default": "yes"}, 'spec.default in body must be of type boolean: "string"'),
    ("a field nobody knows", {"range": ["1"]}, 'unknown field "spec.range"'),
]


@pytest.mark.parametrize(("spec", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_bad_pool_is_refused(cluster: ControlPlane, spec: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(cluster, manifest({"ranges": ["20000-29999"]} | spec))


def test_a_pool_without_a_spec_is_refused(cluster: ControlPlane) -> None:
    assert "spec: Required value" in refused(cluster, manifest(None))


def test_a_name_of_63_characters_is_the_longest(cluster: ControlPlane) -> None:
    assert accepted(cluster, manifest({"ranges": ["1"]}, name="a" * 63))
    said = refused(cluster, manifest({"ranges": ["1"]}, name="a" * 64))
    assert "the name of a pool may have at most 63 characters" in said


@pytest.mark.parametrize("numbers", ["20256-20511", "0-255", "65280-65535", "7-7"])
def test_a_block_is_a_run_of_numbers(cluster: ControlPlane, numbers: str) -> None:
    assert accepted(cluster, block_manifest(numbers))


@pytest.mark.parametrize("numbers", ["", "20256", "20511-20256", "65280-65536", "a-b", "020-030", "20256-20511 "])
def test_a_block_of_anything_else_is_refused(cluster: ControlPlane, numbers: str) -> None:
    said = refused(cluster, block_manifest(numbers))
    assert f'"{numbers}" is not a run of port numbers: write "20256-20511"' in said


# --- what can't be changed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["127.0.0.2", "", None])
def test_the_address_of_a_pool_stays(cluster: ControlPlane, pool: str, other: str | None) -> None:
    said = refusal(cluster, "patch", pool, *patch({"spec": {"hostIP": other}}))
    assert "hostIP can't be changed, because the leases are written for it: create another pool instead" in said


def test_everything_else_may_change(cluster: ControlPlane, pool: str) -> None:
    change = {"ranges": ["30000"], "exclude": ["1"], "protocols": ["UDP"], "policy": "Random", "priority": 7}
    cluster.kubectl("patch", pool, *patch({"spec": change}))


@pytest.mark.parametrize("change", [{"numbers": "20256-20300"}, {"pool": "another"}])
def test_a_block_stays_what_it_is(cluster: ControlPlane, block: str, change: dict[str, str]) -> None:
    said = refusal(cluster, "patch", block, *patch({"spec": change}))
    assert "a block can't be changed: its leases are written for the numbers it has" in said


def test_the_numbers_that_a_pool_keeps_itself_are_fixed_once(cluster: ControlPlane, pool: str) -> None:
    write_status(cluster, pool, {"block": "20000-20255"})
    write_status(cluster, pool, {"block": "20000-20255", "free": 1})
    said = refusal(cluster, "patch", pool, "--subresource=status", *patch({"status": {"block": "20256-20511"}}))
    assert "the block of a pool is fixed at the first grant" in said
