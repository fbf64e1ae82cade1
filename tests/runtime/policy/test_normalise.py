"""Policies to layers: names to numbers, defaults, and the line behind every rule."""

import ipaddress
import marshal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.normalise_network import parse_network
from runtime.policy.normalise_paths import normalise_pattern
from runtime.policy.sizes import parse_cpus, parse_duration, parse_ports, parse_size
from tests.runtime.policy.policies import layer_of, violations_of


def test_an_empty_policy_withholds_the_network_alone() -> None:
    """What is not mentioned is left as config.json has it; only sockets are denied by default."""
    layer = layer_of("")
    nothing = ("syscalls", "ioctl", "prctl", "clone_flags", "filesystem", "exec", "capabilities")
    assert [layer[key] for key in nothing] == [None] * len(nothing)
    assert layer["network"] == {
        "domains": [1],
        "types": None,
        "protocols": [],
        "egress": [],
        "ingress": [],
        "bind": [],
        "unix": None,
        "rule": 0,
    }
    assert layer["broker"] == {
        "mode": "enforce",
        "timeout_ms": 5000,
        "max_inflight": 64,
        "on_failure": "deny",
        "handler": None,
    }
    assert (layer["audit"], layer["resources"], layer["limits"]) == (
        "denials",
        {},
        {"wall_time_ms": None, "open_files": None},
    )
    assert layer_of("network: none")["network"] == layer["network"]
    assert layer_of("network: unrestricted")["network"] is None


def test_system_calls() -> None:
    """Groups are written out, conditions become the OCI's, and errors get their numbers."""
    text = """\
syscalls:
  errno: ENOSYS
  allow: ["@signal", {call: [socket, socketpair], when: ["arg0 == AF_UNIX", "arg1 & 0xf == SOCK_STREAM", "arg2 < 7"]}]
  deny: [{call: "@bpf", errno: EACCES}]
"""
    calls = layer_of(text)["syscalls"]
    assert calls["default"] == {"action": "deny", "errno": 38}
    deny, signal, socket = calls["rules"]
    assert (deny["names"], deny["action"], deny["errno"]) == (["bpf"], "deny", 13)
    assert {"kill", "rt_sigreturn"} <= set(signal["names"])
    assert (signal["action"], signal["errno"], signal["args"]) == ("allow", None, [])
    assert socket["args"] == [
        {"index": 0, "op": "SCMP_CMP_EQ", "value": 1, "value_two": 0},
        {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 15, "value_two": 1},
        {"index": 2, "op": "SCMP_CMP_LT", "value": 7, "value_two": 0},
    ]


def test_every_rule_has_its_line() -> None:
    """A rule's id is an index into the texts that a denial quotes."""
    layer = layer_of(
        "filesystem:\n  write:\n    - /a\n    - /b/*\nnetwork:\n  egress:\n    - deny: any\n      ports: [1, 5-7]\n"
    )
    assert [layer["rules"][rule] for _, rule in layer["filesystem"]["write"]] == [
        {"text": "filesystem.write: /a", "where": "test.yaml:4"},
        {"text": "filesystem.write: /b/*", "where": "test.yaml:5"},
    ]
    egress = layer["network"]["egress"]
    assert [rule["cidr"] for rule in egress] == ["0.0.0.0/0", "::/0"]
    assert [rule["ports"] for rule in egress] == [[[1, 1], [5, 7]]] * 2
    assert layer["rules"][egress[0]["rule"]] == {
        "text": "network.egress: deny any ports 1, 5-7",
        "where": "test.yaml:8",
    }


def test_numbers_and_names_are_the_same() -> None:
    """ioctl, prctl and clone flags take names, groups and numbers; flags become one mask."""
    layer = layer_of(
        "ioctl: [TCGETS, 0x5402, '@file']\nprctl: [PR_SET_NAME, 16]\nclone_flags: [CLONE_NEWUSER, CLONE_NEWPID]\n"
    )
    assert {0x5401, 0x5402, 0x541B} <= set(layer["ioctl"]["allow"])
    assert layer["prctl"]["allow"] == [15, 16]
    assert layer["clone_flags"]["allow"] == 0x30000000
    assert layer_of("clone_flags: []")["clone_flags"]["allow"] == 0
    assert layer_of("ioctl: []")["ioctl"]["allow"] == []


def test_what_follows_from_a_network_section() -> None:
    """Peers bring internet sockets with them; raw ones never come by themselves, and not beside rules about peers."""
    network = layer_of("network: {bind: [80], unix: {connect: [/run/x], abstract: true}}")["network"]
    assert (network["domains"], network["types"], network["protocols"]) == ([1, 2, 10], [1, 2, 5], [6, 17])
    assert network["bind"][0]["ports"] == [[80, 80]]
    assert network["bind"][0]["protocols"] == ["tcp", "udp"]
    assert network["unix"]["abstract"] is True
    assert layer_of("network: {domains: [AF_NETLINK], types: [SOCK_RAW]}")["network"]["domains"] == [16]
    assert "raw sockets go round" in violations_of("network: {types: [SOCK_RAW], egress: [any]}")[0]


def test_bounds_and_limits() -> None:
    """Resources have the form of config.json; times are milliseconds."""
    layer = layer_of(
        "resources: {memory: 512MiB, swap: 0, pids: 9, cpus: 1.5}\nlimits: {wall_time: 1h30m, open_files: 64}\n"
    )
    assert layer["resources"] == {
        "memory": {"limit": 512 << 20, "swap": 512 << 20},
        "pids": {"limit": 9},
        "cpu": {"quota": 150_000, "period": 100_000},
    }
    assert layer["limits"] == {"wall_time_ms": 5_400_000, "open_files": 64}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("clone_flags: [CLONE_NEWUSR]", 'did you mean "CLONE_NEWUSER"?'),
        ("clone_flags: [3]", "0x3 is no CLONE_NEW flag"),
        ("ioctl: [0x123456789]", "has more than 32 bits"),
        ("prctl: ['@ordinry']", 'unknown category "@ordinry" of prctl, did you mean "@ordinary"?'),
        ("capabilities: [CAP_SYS_ADMN]", 'did you mean "CAP_SYS_ADMIN"?'),
        ("syscalls: {errno: 0}", "with 0 the call would seem to work"),
        ("syscalls: {allow: [{call: read, errno: EPERM}]}", "only a denied call fails"),
        ("syscalls: {deny: [{call: read, when: ['arg6 == 1']}]}", "is no condition"),
        ("syscalls: {deny: [{call: read, when: ['arg0 & 1 != 1']}]}", "with a mask only == can be asked"),
        ("syscalls: {deny: [{call: read, when: ['arg0 & 1 == 2']}]}", "never holds"),
        ("network: {egress: [{allow: any, deny: any}]}", "needs exactly one of allow and deny"),
        ("network: {egress: [example.com]}", "names of hosts are not looked up"),
        ("network: {egress: ['::ffff:10.0.0.0/104']}", "write 10.0.0.0/8"),
        ("network: {egress: ['fe80::1%eth0']}", "without a scope"),
        ("network: {bind: [70000]}", "out of range"),
        ("network: {bind: [9-1]}", "the wrong way round"),
        ("resources: {swap: 1g}", "only be limited together with memory"),
        ("broker: {mode: ask}", "needs somebody to ask"),
        ("broker: {handler: relative.sock}", "must be unix:/PATH of a socket"),
    ],
)
def test_what_means_nothing_is_refused(text: str, complaint: str) -> None:
    """Each with its line, and where something is near with what may have been meant."""
    (found,) = violations_of(text)
    assert found.startswith("test.yaml:2: ")
    assert complaint in found


@pytest.mark.parametrize(
    ("pattern", "one_form"),
    [
        ("/a/", "/a"),
        ("/a/**", "/a"),
        ("/a/**/**", "/a"),
        ("/", "/"),
        ("/**", "/"),
        ("/a/*/b", "/a/*/b"),
        ("/a/**/b*", "/a/**/b*"),
    ],
)
def test_patterns_have_one_form(pattern: str, one_form: str) -> None:
    """A directory covers what is below it, however that is written."""
    assert normalise_pattern(pattern) == one_form


@pytest.mark.parametrize(
    "pattern", ["a", "", "/a/../b", "/./a", "//a", "/a//b", "/a**", "/a?", "/[a]", "/{a,b}", "/a\n", "/" + "a" * 256]
)
def test_patterns_that_could_mislead(pattern: str) -> None:
    """What other tools take for a wildcard, and what could leave its place, is refused."""
    with pytest.raises(ValueError, match=r"."):
        normalise_pattern(pattern)


@given(st.text(st.sampled_from("/ab.*?[]\n"), max_size=16))
def test_any_pattern_is_taken_or_refused(text: str) -> None:
    """A pattern that is taken is absolute, keeps its form, and has no component that means another place."""
    try:
        pattern = normalise_pattern(text)
    except ValueError:
        return
    assert normalise_pattern(pattern) == pattern
    assert pattern[0] == "/"
    assert not {"..", "."} & set(pattern.split("/"))
    assert pattern == "/" or not pattern.endswith(("/", "/**"))


@given(st.ip_addresses(), st.integers(0, 128))
def test_any_network_is_taken_or_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int) -> None:
    """What is taken is the same network; what is refused has bits beyond its prefix, or is IPv4 in disguise."""
    text = f"{address}/{prefix}"
    try:
        (found,) = parse_network(text)
    except ValueError:
        return
    assert ipaddress.ip_network(found) == ipaddress.ip_network(text)


@given(st.integers(0, 2**33 - 1), st.sampled_from(["", "k", "KiB", "M", "MiB", "GiB", "gb"]))
def test_any_size(number: int, unit: str) -> None:
    """Units are powers of 1024."""
    assert parse_size(f"{number}{unit}") == number << 10 * " kmg".index((unit[:1] or " ").lower())


def taken(parse: Callable[[str], Any], text: str) -> Any:
    """What a parser makes of a text; None when it refuses."""
    try:
        return parse(text)
    except ValueError:
        return None


@given(st.text(st.sampled_from("0123456789.-hmsdKiB "), max_size=8))
def test_any_quantity_is_taken_or_refused(text: str) -> None:
    """Nothing but ValueError is raised, and what is taken is in range."""
    for parse, least, most in (
        (parse_size, 0, 2**63),
        (parse_duration, 1, 365 * 86_400_000),
        (parse_cpus, 1000, 10**12),
    ):
        found = taken(parse, text)
        assert found is None or least <= found <= most
    ports = taken(parse_ports, text)
    assert ports is None or 0 <= ports[0] <= ports[1] <= 65535


def test_layers_are_plain_data() -> None:
    """A layer survives being kept between runs."""
    layer = layer_of("syscalls: {allow: [read]}\nnetwork: {egress: [loopback]}\nfilesystem: {hide: [/a]}\n")
    assert marshal.loads(marshal.dumps(layer, 2)) == layer
