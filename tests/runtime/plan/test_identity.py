"""User, groups and capabilities."""

import pytest

from runtime.abi.capabilities import CAP_SYS_ADMIN, CAPABILITY_BITS, capability_names
from runtime.errors import ConfigError
from runtime.plan.layout import OP_FLAGS
from tests.runtime.plan.drafting import (
    EVERY_CAPABILITY,
    ROOTLESS,
    config,
    names,
    one,
    ops,
    plan,
    violations,
    with_userns,
)

KILL, CHOWN = CAPABILITY_BITS["CAP_KILL"], CAPABILITY_BITS["CAP_CHOWN"]


def caps(**sets: list[str]) -> dict[str, object]:
    """`process` with these capability sets."""
    return {"capabilities": sets}


def test_sets_become_bits() -> None:
    """Each set by itself; what no set has is dropped."""
    given = caps(
        bounding=["CAP_KILL", "CAP_CHOWN"],
        permitted=["CAP_KILL", "CAP_CHOWN"],
        effective=["CAP_KILL"],
        inheritable=["CAP_CHOWN"],
        ambient=["CAP_CHOWN"],
    )
    found = plan(config(process=given))
    assert one(found, "CAP_BOUNDING").places == {"keep": KILL | CHOWN}
    assert one(found, "CAP_SET").places == {
        "effective": KILL,
        "permitted": KILL | CHOWN,
        "inheritable": CHOWN,
        "ambient": CHOWN,
    }


def test_no_section_means_no_capabilities() -> None:
    """As in runc, and never an inheritable one: CVE-2022-29162."""
    assert set(one(plan(), "CAP_SET").places.values()) == {0}


def test_unknown_capabilities_are_warned_about_once() -> None:
    """The specification lets a container start without what nobody knows."""
    warnings: list[str] = []
    found = plan(config(process=caps(permitted=["CAP_NEW", "CAP_KILL"], bounding=["CAP_NEW"])), warnings=warnings)
    assert warnings == ["ignoring unknown or unavailable capabilities: [CAP_NEW]"]
    assert one(found, "CAP_SET").places["permitted"] == KILL


def test_capabilities_that_cannot_be_granted() -> None:
    """What we do not hold, newer than the kernel, or not allowed by another set; in a user namespace all are there."""
    warnings: list[str] = []
    given = caps(permitted=["CAP_SYS_ADMIN"], effective=["CAP_SYS_ADMIN", "CAP_KILL"], ambient=["CAP_SYS_ADMIN"])
    found = plan(config(process=given), {"capabilities": EVERY_CAPABILITY & ~CAP_SYS_ADMIN}, warnings=warnings)
    assert set(one(found, "CAP_SET").places.values()) == {0}
    assert warnings == [
        "ignoring capabilities that cannot be granted: [CAP_SYS_ADMIN]",
        "ignoring capabilities in the effective set that other sets do not allow: [CAP_KILL]",
    ]
    inside = with_userns()
    inside["process"].update(caps(permitted=["CAP_SYS_ADMIN"]))
    assert one(plan(inside, {"capabilities": 1 << 21 | 0xC0}), "CAP_SET").places["permitted"] == CAP_SYS_ADMIN
    old: list[str] = []
    plan(config(process=caps(permitted=["CAP_BPF"])), {"last_capability": 37}, warnings=old)
    assert old == ["ignoring unknown or unavailable capabilities: [CAP_BPF]"]


def test_ids_and_the_order_around_them() -> None:
    """cwd as root, bounding set while that may be changed, stdio, ids, cwd again, the final sets."""
    user = {"uid": 5, "gid": 6, "additionalGids": [7, 8]}
    found = plan(config(process={"user": user, "cwd": "/w"}))
    expected = ["CHDIR", "CAP_BOUNDING", "STDIO_OWNER", "SET_IDS", "CHDIR", "CAP_SET", "HOME", "EXEC_PATH"]
    assert names(found, "FINAL") == expected
    ids = one(found, "SET_IDS")
    assert (ids.places, ids.blob, ids.flags) == ({"uid": 5, "gid": 6}, (7, 8), 0)
    assert [op.flags for op in ops(found, "CHDIR")] == [OP_FLAGS["OPTIONAL"], 0]


def test_groups_are_kept() -> None:
    """By crun's annotation, and where setgroups is not ours to call."""
    kept = plan(config(annotations={"run.oci.keep_original_groups": "1"}))
    assert one(kept, "SET_IDS").flags == OP_FLAGS["KEEP_GROUPS"]
    rootless = plan(with_userns(), ROOTLESS, {"rootless": True})
    assert one(rootless, "SET_IDS").flags == OP_FLAGS["KEEP_GROUPS"]
    made = with_userns()
    made["process"]["user"] = {"additionalGids": [5]}
    with pytest.raises(ConfigError, match="cannot set any additional groups in a rootless container"):
        plan(made, ROOTLESS, {"rootless": True})


def test_setgroups_may_be_denied_in_a_user_namespace() -> None:
    """There the executor goes on with the groups that it has; with the initial namespace's rights never."""
    assert one(plan(with_userns()), "SET_IDS").flags == OP_FLAGS["TOLERATE"]
    assert one(plan(host={"initial_userns": False}), "SET_IDS").flags == OP_FLAGS["TOLERATE"]
    assert one(plan(), "SET_IDS").flags == 0


def test_ids_must_be_mapped() -> None:
    """setuid would fail on them; said with every pointer at once."""
    made = with_userns()
    made["process"]["user"] = {"uid": 70000, "gid": 70001, "additionalGids": [1, 70002]}
    with pytest.raises(ConfigError) as caught:
        plan(made)
    assert list(violations(caught.value)) == [
        "/process/user/uid",
        "/process/user/gid",
        "/process/user/additionalGids/1",
    ]


def test_names_of_capabilities() -> None:
    """Lowest first; numbers that have no name yet say so."""
    assert capability_names(CHOWN | KILL | 1 << 45) == ["CAP_CHOWN", "CAP_KILL", "CAP_45"]
