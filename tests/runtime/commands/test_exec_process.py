"""exec without --process: the container's process with the command line's words in it."""

from typing import Any

import pytest

from runtime.commands.exec_process import check_process, inline_process, parse_number, parse_sub_cgroup, parse_user
from runtime.commands.invocation import Invocation, Value
from runtime.errors import OciError, UsageError

OWN: dict[str, Any] = {
    "terminal": True,
    "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
    "args": ["sleep", "9"],
    "env": ["A=1"],
    "cwd": "/",
    "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]},
    "noNewPrivileges": True,
}


def merged(flags: dict[str, Value], *arguments: str) -> dict[str, Any]:
    """The merged process for some flags."""
    return inline_process(OWN, Invocation("exec", flags, ["web", *(arguments or ("true",))]))


def test_nothing_but_arguments() -> None:
    """Arguments replaced, terminal off, everything else the container's."""
    assert merged({}, "ls", "-l") == {**OWN, "args": ["ls", "-l"], "terminal": False}


def test_every_flag() -> None:
    """Each flag lands where the spec has it."""
    process = merged(
        {
            "cwd": "/tmp",
            "env": ["B=2", "A=3"],
            "tty": True,
            "user": "10:20",
            "additional-gids": ["8", "9"],
            "process-label": "l",
            "apparmor": "p",
            "no-new-privs": False,
        }
    )
    assert process == {
        **OWN,
        "args": ["true"],
        "cwd": "/tmp",
        "env": ["A=1", "B=2", "A=3"],
        "terminal": True,
        "user": {"uid": 10, "gid": 20, "additionalGids": [7, 8, 9]},
        "selinuxLabel": "l",
        "apparmorProfile": "p",
        "noNewPrivileges": False,
    }
    assert merged({"user": "10"})["user"]["gid"] == 6


def test_added_capabilities_are_never_inheritable() -> None:
    """CVE-2022-29162: exec --cap must not fill the inheritable set."""
    sets = merged({"cap": ["CAP_CHOWN"]})["capabilities"]
    assert sets == {name: ["CAP_KILL", "CAP_CHOWN"] for name in ("bounding", "effective", "permitted")}
    own = {**OWN, "capabilities": {"inheritable": []}}
    sets = inline_process(own, Invocation("exec", {"cap": ["CAP_CHOWN"]}, ["web", "true"]))["capabilities"]
    assert sets["inheritable"] == []
    assert sets["ambient"] == ["CAP_CHOWN"]


def test_the_container_s_process_is_not_changed() -> None:
    """Lists are copied before they grow."""
    merged({"env": ["X=1"], "cap": ["CAP_CHOWN"], "additional-gids": ["1"], "user": "0"})
    assert OWN["env"] == ["A=1"]
    assert OWN["user"] == {"uid": 5, "gid": 6, "additionalGids": [7]}


@pytest.mark.parametrize(
    "text", ["", "root", "1x", "x1", " 1", "1 ", "+1", "-1", "0x0", "1_0", "٣", "4294967295", "99999999999"]
)
def test_user_numbers_are_strict(text: str) -> None:
    """CVE-2026-30892: what is no number is refused, never taken for 0."""
    with pytest.raises(UsageError):
        parse_number(text, "uid")
    with pytest.raises(UsageError):
        parse_user(f"0:{text}")


def test_user() -> None:
    """With and without a group."""
    assert parse_user("0") == (0, None)
    assert parse_user("4294967294:7") == (4294967294, 7)


@pytest.mark.parametrize(("values", "path"), [([], None), (["/a/b"], "/a/b"), (["a//b/."], "/a/b"), (["/"], "/")])
def test_sub_cgroup(values: list[str], path: str | None) -> None:
    """A path below the container's cgroup, cleaned."""
    assert parse_sub_cgroup(values) == path


@pytest.mark.parametrize("values", [["a", "b"], ["cpu:/a"], ["../x"], ["/a/../../b"], ["cpu,memory:a"]])
def test_sub_cgroup_refusals(values: list[str]) -> None:
    """Escapes and what cgroup v2 does not have."""
    with pytest.raises(UsageError):
        parse_sub_cgroup(values)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"cwd": ""}, "Cwd property must not be empty"),
        ({"cwd": "tmp"}, "Cwd must be an absolute path"),
        ({"args": []}, "args must not be empty"),
        ({"args": ["a\0b"]}, "process: /args: contains a NUL byte"),
    ],
)
def test_check_process(change: dict[str, object], text: str) -> None:
    """runc's words."""
    check_process(OWN)
    with pytest.raises(OciError, match=text):
        check_process({**OWN, **change})


def test_no_command() -> None:
    """An ID alone runs nothing."""
    with pytest.raises(UsageError, match="process args cannot be empty"):
        inline_process(OWN, Invocation("exec", {}, ["web"]))
