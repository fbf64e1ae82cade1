"""Profiles of others: what comes out is a policy, and what it does not say is told."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import PolicyError
from runtime.policy.import_notes import Notes
from runtime.policy.importing import import_text
from tests.runtime.policy.test_load import VALUES

PODMAN = Path("/usr/share/containers/seccomp.json")


def convert(profile: object) -> tuple[dict[str, object], list[str]]:
    """The policy as data, and what was not carried over."""
    text, lost = import_text(json.dumps(profile).encode(), "p.json", "made")
    policy: dict[str, object] = yaml.safe_load(text)
    return policy, [line.removeprefix("not carried over: ") for line in lost]


def test_a_policy_is_no_profile() -> None:
    """Read as one it would lose what it extends and what it leaves out, and come out weaker; also one that has mistakes."""
    for text in ("name: mine\nextends: [agent]\nadit: all\n", "name: mine\nfilesystem: {write: [/w]}\n"):
        with pytest.raises(PolicyError, match="is a policy already"):
            import_text(text.encode(), "p.yaml", "made")


@pytest.mark.parametrize(
    "text",
    [
        "broker: {max_inflight: 600}",
        "syscalls: {deny: [{call: reed}]}",
        'syscalls: {allow: ["@basic-io", reed]}',
        "syscalls: {errno: EPREM}",
        "filesystem: {write: [w]}\nresources: {pids: many}",
        "network: {egress: [{allow: any, prt: 3}]}",
        "network: {egress: [any], egres: []}",
        "network: {ingress: [example.com]}",
        "network: unrestricted\nioctl: [FROB]",
        "exec: [bin]",
    ],
)
def test_a_policy_with_mistakes_is_no_profile(text: str) -> None:
    """What only policies have tells that it is one; read as a profile it would lose the rest."""
    with pytest.raises(PolicyError, match=r"^policy: p.yaml:1: is a policy already"):
        import_text(f"name: mine\nadit: all\n{text}\n".encode(), "p.yaml", "made")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "name: x\nlandlock: {rw: [/w]}\nresources: {pids: 3}\n",
            "p.yaml:3: is neither: resources (line 3) is of a policy, landlock (line 2) of a profile; nothing is converted",
        ),
        (
            "syscalls:\n  allow: [{name: read, intent: x}]\n  deny: [{call: kcmp}]\n",
            "p.yaml:3: is neither: syscalls.deny[0] (line 3) is of a policy, syscalls.allow[0] (line 2) of a profile;",
        ),
        ("name: x\nsyscalls: {allow: [reed]}\n", "p.yaml:1: could be a policy with mistakes as well as a profile: "),
        ("name: x\nfilesystem: {write: [w]}\n", "p.yaml:1: could be a policy with mistakes as well as a profile: "),
    ],
)
def test_what_could_be_either_is_not_converted(text: str, line: str) -> None:
    """Evidence on both sides, or on none."""
    with pytest.raises(PolicyError) as error:
        import_text(text.encode(), "p.yaml", "made")
    assert error.value.violations[0].startswith(line)


def test_a_profile_without_a_name_needs_no_other_evidence() -> None:
    """A policy must have one."""
    assert convert({"syscalls": {"allow": ["read", "reed"]}})[0]["syscalls"] == {"allow": ["read"]}


def test_a_name_of_the_profiles_own_is_told() -> None:
    """The policy is called as its file."""
    _, lost = convert({"name": "ztest", "allow": ["read"], "network": {"mode": "none"}})
    assert "name: ztest; the policy is called made" in lost


def test_a_seccomp_profile() -> None:
    """Actions, errors and conditions; the network is left to config.json, as the profile left it."""
    policy, lost = convert(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
            "syscalls": [
                {"names": ["read", "write", "nosuch"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
                {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
                {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
                {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
                {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
                {"names": ["arm_fadvise64_64"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}},
                {"names": ["kcmp"], "action": "SCMP_ACT_TRAP", "surprise": 1},
            ],
        }
    )  # fmt: skip
    assert policy["network"] == "unrestricted"
    assert policy["syscalls"] == {
        "default": "deny",
        "errno": "ENOSYS",
        "allow": [
            {"call": ["read", "write"]},
            {"call": ["clone"], "when": ["arg0 & 0x7e020000 == 0x0"]},
            {"call": ["personality"], "when": ["arg0 == 0x8"]},
            {"call": ["ptrace"]},
        ],
        "deny": [{"call": ["clone3"], "errno": "ENOSYS"}, {"call": ["kcmp"]}],
    }
    assert lost == [
        "architectures SCMP_ARCH_X32: a policy takes calls of the machine's own alone",
        'syscalls[0]: unknown system calls "nosuch"',
        "syscalls[3] (deny clone3): excludes the capabilities CAP_SYS_ADMIN: holds whatever the capabilities",
        "syscalls[4] (allow mount): includes the capabilities CAP_SYS_ADMIN: left out",
        "syscalls[6] (allow arm_fadvise64_64): includes the architectures arm",
        "syscalls[7].surprise: 1",
        "syscalls[7].action SCMP_ACT_TRAP: SIGSYS; the policy denies the call",
    ]


@pytest.mark.skipif(not PODMAN.exists(), reason="no container engine's own profile on this machine")
def test_an_engines_own_profile() -> None:
    """The whole of a real one becomes a policy in which nothing is wrong."""
    text, lost = import_text(PODMAN.read_bytes(), "seccomp.json", "podman")
    policy = yaml.safe_load(text)
    allowed = {name for rule in policy["syscalls"]["allow"] for name in rule["call"]}
    assert {"read", "openat", "clone"} <= allowed
    assert any("CAP_SYS_PTRACE" in line for line in lost)


def test_a_zviz_profile_in_sections() -> None:
    """Calls, ioctl requests, paths, networks; every other key is named."""
    policy, lost = convert(
        {
            "version": 2,
            "description": "theirs",
            "syscalls": {"default": "deny", "allow": ["read", {"name": "write", "intent": "output"}], "broker": ["openat"], "deny": ["mount"], "trace": ["x"]},
            "ioctl": {"allow": ["TCGETS", "FROB", 21523]},
            "landlock": {"read_only": ["/usr", "relative"], "rw": ["/tmp/**"], "abi": 3},
            "network": {"egress": ["10.0.0.0/8", {"cidr": "192.0.2.1", "port": 443, "protocol": "tcp"}, {"cidr": "example.com"}], "dns": True},
            "audit": {"level": "all", "sink": "file"},
            "seccomp_notify": {"timeout": 3},
        }
    )  # fmt: skip
    assert policy == {
        "name": "made",
        "version": "2",
        "description": "theirs",
        "syscalls": {"default": "deny", "allow": ["read", "write"], "broker": ["openat"], "deny": ["mount"]},
        "ioctl": ["TCGETS", 21523],
        "filesystem": {"read": ["/usr"], "write": ["/tmp"]},
        "network": {"egress": [{"allow": "10.0.0.0/8"}, {"allow": "192.0.2.1", "ports": [443], "protocols": ["tcp"]}]},
        "audit": "all",
    }
    assert [line.partition(":")[0] for line in lost] == [
        "syscalls.trace",
        "ioctl",
        "landlock.read_only",
        "landlock.abi",
        "network.egress[2]",
        "network.dns",
        "audit.sink",
        "seccomp_notify",
    ]


def test_a_zviz_manifest() -> None:
    """One rule after the other; an intent is read by people, what else a rule holds is named."""
    rules = [
        {"syscall": "read", "action": "allow", "intent": "input"},
        {"syscalls": ["openat", "connect"], "decision": "broker"},
        {"syscall": "write", "action": "allow", "args": [1]},
        {"syscall": "kill", "action": "perhaps"},
        {"syscall": "mount", "action": "deny", "id": 7},
    ]
    policy, lost = convert({"name": "x", "manifest": rules, "hash": "abc"})
    assert policy["syscalls"] == {
        "default": "deny",
        "allow": ["read"],
        "broker": ["openat", "connect"],
        "deny": ["mount"],
    }
    assert [line.partition(":")[0] for line in lost] == ["manifest[2]", "manifest[3]", "manifest[4].id", "hash", "name"]
    assert convert(rules)[0]["syscalls"] == policy["syscalls"]


def test_what_is_no_profile() -> None:
    """Said in one line."""
    profiles: list[object] = [[], "x", {"frob": 1}, {}, {"linux": 3}]
    for profile in profiles:
        with pytest.raises(PolicyError, match=r"^policy: p.json:1: "):
            convert(profile)
    with pytest.raises(PolicyError, match="invalid JSON"):
        import_text(b"{", "p.json", "made")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "syscalls",
                "ioctl",
                "landlock",
                "filesystem",
                "network",
                "audit",
                "rules",
                "manifest",
                "allow",
                "defaultAction",
                "flags",
                "archMap",
                "name",
                "broker",
                "exec",
                "x",
            ]
        ),
        VALUES,
        max_size=5,
    )
)
def test_any_profile_is_converted_or_refused(profile: dict[str, object]) -> None:
    """Nothing but PolicyError is raised, and what comes out is a policy."""
    try:
        policy, lost = convert(profile)
    except PolicyError:
        return
    assert policy["name"] == "made"
    assert all(line.isprintable() for line in lost)


def test_the_same_loss_is_told_once() -> None:
    """And control characters are shown as escapes."""
    notes = Notes()
    notes.lost("a\x1b")
    notes.lost("a\x1b")
    assert notes.lines == ["not carried over: a\\x1b"]
