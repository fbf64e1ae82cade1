"""process: identity, capabilities, limits, scheduling, and everything else the program can see of itself."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs
from integration.framework.kernel import not_in_user_mode_linux

NO_REAL_TIME = not_in_user_mode_linux("no real-time budget can be given to a control group of version 2")
OLD_RUNC = "this runc does not know the field"
CAPS = {
    "CAP_CHOWN": 0,
    "CAP_KILL": 5,
    "CAP_SETUID": 7,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_RAW": 13,
    "CAP_SYS_CHROOT": 18,
    "CAP_AUDIT_WRITE": 29,
}


def mask(*names: str) -> int:
    """Bits of capability names."""
    return sum(1 << CAPS[name] for name in names)


def as_printed(text: str) -> str:
    """Text as the probe prints it: one character a byte."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("user", "want"),
    [
        ({"uid": 0, "gid": 0}, ([0, 0, 0], [0, 0, 0], [])),
        ({"uid": 1000, "gid": 1001}, ([1000] * 3, [1001] * 3, [])),
        ({"uid": 7, "gid": 0, "additionalGids": [10, 20, 30]}, ([7] * 3, [0] * 3, [10, 20, 30])),
        ({"uid": 4294967294, "gid": 4294967294}, ([4294967294] * 3, [4294967294] * 3, [])),
        ({"uid": 1, "gid": 1, "additionalGids": list(range(100, 164))}, ([1] * 3, [1] * 3, list(range(100, 164)))),
    ],
)
@differs("runc", "crun", reason="Go and int keep ids in 31 bits", strict=False)
def test_user(container: Container, user: dict[str, Any], want: tuple[list[int], ...]) -> None:
    """uid, gid and additionalGids become all three ids and the groups."""
    container.bundle.process["user"] = user
    facts = container.facts()
    assert (facts["uid"], facts["gid"], sorted(set(facts["groups"]) - {user["gid"]})) == want


@pytest.mark.parametrize("umask", [0, 0o002, 0o077, 0o777])
def test_umask(container: Container, umask: int) -> None:
    """process.user.umask."""
    container.bundle.process["user"]["umask"] = umask
    assert container.facts()["umask"] == umask


@pytest.mark.parametrize(
    ("uid", "home"),
    [(0, "/root"), (1000, "/home/worker"), (4321, "/")],
)
@differs("crun", reason="crun keeps HOME for uid 0 elsewhere", strict=False)
def test_home(container: Container, uid: int, home: str) -> None:
    """HOME comes from the container's passwd, / for an unknown user."""
    container.bundle.process["user"] = {"uid": uid, "gid": 0}
    assert f"HOME={home}" in container.facts()["env"]


@differs("crun", reason="crun keeps HOME for uid 0 elsewhere", strict=False)
def test_home_is_looked_up_in_the_root(container: Container) -> None:
    """It is the container's own /etc/passwd that counts, not one below the working directory."""
    container.bundle.file("tmp/etc/passwd", "root:x:0:0:root:/planted:/bin/sh\n")
    container.bundle.process["cwd"] = "/tmp"
    assert "HOME=/root" in container.facts()["env"]


def test_working_directory_of_root_alone(container: Container) -> None:
    """The working directory may be one that only root can enter: it is entered before the ids change."""
    (container.bundle.rootfs / "closed").mkdir(mode=0o700)
    container.bundle.process.update({"cwd": "/closed", "user": {"uid": 1000, "gid": 1000}})
    assert container.facts()["cwd"] == "/closed"


def test_home_is_kept(container: Container) -> None:
    """A HOME in env stays."""
    container.bundle.process["env"].append("HOME=/elsewhere")
    env = container.facts()["env"]
    assert [entry for entry in env if entry.startswith("HOME=")] == ["HOME=/elsewhere"]


@differs("crun", "runc<1.2", reason="duplicates are passed on", strict=False)
def test_env_order_and_duplicates(container: Container) -> None:
    """The last of a name wins; odd entries pass untouched."""
    container.bundle.process["env"] = ["PATH=/bin", "A=1", "B=", "A=2", "C=x=y", "HOME=/h", "ü=ß"]
    assert sorted(container.facts()["env"]) == sorted(["PATH=/bin", "B=", "A=2", "C=x=y", "HOME=/h", as_printed("ü=ß")])


@pytest.mark.parametrize("args", [["/probe", "facts", "a b", "", "ü", "*", "$HOME", "-x", "x" * 100_000]])
def test_args(container: Container, args: list[str]) -> None:
    """Arguments arrive byte by byte."""
    container.bundle.process["args"] = args
    assert json.loads(container.run().ok().out)["args"] == [as_printed(arg) for arg in args[2:]]


@pytest.mark.parametrize("cwd", ["/", "/tmp", "/made/for/us", "/proc/1"])
def test_cwd(container: Container, cwd: str) -> None:
    """The working directory, made when it is missing."""
    container.bundle.process["cwd"] = cwd
    assert container.facts()["cwd"] == cwd


@pytest.mark.parametrize(
    ("capabilities", "uid", "want"),
    [
        (None, 0, (0, 0, 0, 0, 0)),
        ({}, 0, (0, 0, 0, 0, 0)),
        ({"bounding": ["CAP_KILL"]}, 0, (mask("CAP_KILL"), mask("CAP_KILL"), 0, mask("CAP_KILL"), 0)),
        ({"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"]}, 0,
         (mask("CAP_KILL", "CAP_CHOWN"), mask("CAP_KILL", "CAP_CHOWN"), 0, mask("CAP_KILL", "CAP_CHOWN"), 0)),
        ({"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}, 1000,
         (0, 0, 0, mask("CAP_KILL"), 0)),
        ({key: ["CAP_NET_BIND_SERVICE"] for key in ("bounding", "effective", "permitted", "inheritable", "ambient")}, 1000,
         (mask("CAP_NET_BIND_SERVICE"),) * 5),
        ({key: ["CAP_NET_RAW"] for key in ("bounding", "effective", "permitted", "inheritable")}, 0,
         (mask("CAP_NET_RAW"),) * 4 + (0,)),
    ],
    ids=["absent", "empty", "bounding only", "execve of root", "plain user", "ambient user", "inheritable root"],
)  # fmt: skip
@differs("crun", reason="crun leaves the capabilities alone when the section is absent", strict=False)
@differs("runc", reason="runc leaves the capabilities alone when the section is absent", strict=False)
def test_capabilities(
    container: Container, capabilities: dict[str, list[str]] | None, uid: int, want: tuple[int, ...]
) -> None:
    """The five sets as the kernel computes them for the program; root's program gains what its bounding set allows."""
    container.bundle.process["user"]["uid"] = uid
    container.bundle.process["capabilities"] = capabilities
    if capabilities is None:
        del container.bundle.process["capabilities"]
    container.bundle.process["noNewPrivileges"] = False
    caps = container.facts()["caps"]
    got = tuple(caps[key] for key in ("effective", "permitted", "inheritable", "bounding", "ambient"))
    assert got == want


def test_unknown_capability_is_a_warning(container: Container) -> None:
    """A capability this kernel does not know is left out with a warning."""
    for names in container.bundle.process["capabilities"].values():
        names.append("CAP_FROM_THE_FUTURE")
    result = container.run()
    assert json.loads(result.ok().out)["caps"]["bounding"] == 1 << 29 | 1 << 5 | 1 << 10


@pytest.mark.parametrize("value", [True, False])
def test_no_new_privileges(container: Container, value: bool) -> None:
    """noNewPrivileges."""
    container.bundle.process["noNewPrivileges"] = value
    assert container.facts()["nnp"] == int(value)


@pytest.mark.parametrize(
    ("kind", "soft", "hard"),
    [
        ("RLIMIT_NOFILE", 100, 200), pytest.param("RLIMIT_NOFILE", 5, 5, marks=differs("runc", "crun", reason="these need more descriptors themselves")), ("RLIMIT_CORE", 0, 0), ("RLIMIT_FSIZE", 1 << 40, 1 << 41),
        ("RLIMIT_CPU", 1000, 2000), ("RLIMIT_AS", 1 << 40, 1 << 42), ("RLIMIT_NPROC", 500, 600), ("RLIMIT_STACK", 1 << 20, 1 << 23),
        ("RLIMIT_MEMLOCK", 0, 4096), ("RLIMIT_MSGQUEUE", 100, 200), ("RLIMIT_SIGPENDING", 10, 20), ("RLIMIT_DATA", 1 << 33, 1 << 34),
        ("RLIMIT_RTTIME", 1000, 2000), ("RLIMIT_LOCKS", 3, 4), ("RLIMIT_RSS", 1 << 30, 1 << 31), ("RLIMIT_NICE", 0, 0), ("RLIMIT_RTPRIO", 0, 0),
    ],
)  # fmt: skip
def test_rlimits(container: Container, kind: str, soft: int, hard: int) -> None:
    """Every resource limit, exactly."""
    container.bundle.process["rlimits"] = [{"type": kind, "soft": soft, "hard": hard}]
    assert container.facts()["rlimits"][kind] == [soft, hard]


@differs("crun", "runc", reason="runc takes the last one; crun, too", strict=False)
def test_duplicate_rlimit(container: Container) -> None:
    """Two entries of a type are an error."""
    entry = {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10}
    container.bundle.process["rlimits"] = [entry, {**entry, "soft": 5}]
    container.refuses_creation("RLIMIT_NOFILE")


@differs("runc", "crun", reason="these need descriptors of their own after the limits are set", strict=False)
def test_tight_limits_do_not_break_the_runtime(container: Container) -> None:
    """Limits that leave nothing to the program do not keep it from being started."""
    container.bundle.process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3},
        {"type": "RLIMIT_NPROC", "soft": 1, "hard": 1},
        {"type": "RLIMIT_AS", "soft": 1 << 24, "hard": 1 << 24},
    ]
    container.bundle.probe("exit", "5")
    assert container.run().rc == 5


@pytest.mark.parametrize("value", [None, 0, 500, 1000])
def test_oom_score(container: Container, value: int | None) -> None:
    """oomScoreAdj is set when present and inherited when not."""
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    if value is not None:
        container.bundle.process["oomScoreAdj"] = value
    assert container.facts()["oom_score_adj"].strip() == (own if value is None else str(value))


@pytest.mark.parametrize(
    ("scheduler", "want"),
    [
        ({"policy": "SCHED_OTHER", "nice": 7}, {"policy": 0, "nice": 7}),
        ({"policy": "SCHED_BATCH", "nice": 3}, {"policy": 3, "nice": 3}),
        ({"policy": "SCHED_IDLE"}, {"policy": 5}),
        pytest.param({"policy": "SCHED_FIFO", "priority": 10}, {"policy": 1, "priority": 10}, marks=NO_REAL_TIME),
        pytest.param(
            {"policy": "SCHED_RR", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
            {"policy": 2, "priority": 5, "flags": 1},
            marks=NO_REAL_TIME,
        ),
    ],
    ids=lambda value: value.get("policy") if isinstance(value, dict) else None,
)
@differs("runc<1.2", reason=OLD_RUNC)
def test_scheduler(container: Container, scheduler: dict[str, Any], want: dict[str, int]) -> None:
    """process.scheduler through sched_setattr."""
    container.bundle.process["scheduler"] = scheduler
    got = container.facts()["scheduler"]
    assert {key: got[key] for key in want} == want


@pytest.mark.parametrize(("kind", "number"), [("RT", 1), ("BE", 2), ("IDLE", 3)])
@pytest.mark.parametrize("priority", [0, 4, 7])
@differs("runc<1.2", reason=OLD_RUNC)
def test_io_priority(container: Container, kind: str, number: int, priority: int) -> None:
    """process.ioPriority through ioprio_set."""
    container.bundle.process["ioPriority"] = {"class": f"IOPRIO_CLASS_{kind}", "priority": priority}
    assert container.facts()["ioprio"] == number << 13 | priority


def test_affinity_is_whole(container: Container) -> None:
    """The caller's CPU affinity is not the container's."""
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        cpus = container.facts()["cpus"]
    finally:
        os.sched_setaffinity(0, whole)
    assert cpus >= 1
    if container.runtime.flavour == "postern":
        assert cpus == len(whole)


def test_limits_of_the_caller_are_inherited(container: Container) -> None:
    """What process.rlimits does not name is the caller's."""
    assert container.facts()["rlimits"]["RLIMIT_CORE"] == [
        value if value >= 0 else -1 for value in resource.getrlimit(resource.RLIMIT_CORE)
    ]


@differs("crun", reason="crun does not name the keyring")
def test_session_keyring(container: Container) -> None:
    """The session keyring is the container's own, named after it, unless it is switched off."""
    assert f"_ses.{container.id}" in container.facts()["keyring"]


@pytest.mark.parametrize("flags", [("--no-new-keyring",)])
def test_no_new_keyring(container: Container, flags: tuple[str, ...]) -> None:
    """--no-new-keyring leaves the caller's."""
    assert f"_ses.{container.id}" not in container.facts(*flags)["keyring"]


def test_no_pivot(container: Container) -> None:
    """--no-pivot gives the same container with a root that was moved instead."""
    facts = container.facts("--no-pivot")
    assert facts["cwd"] == "/"
    assert facts["hostname"] == "gate"


def test_session_and_group(container: Container) -> None:
    """init leads a session and a process group, and no signal waits for its parent's death."""
    facts = container.facts()
    assert (facts["sid"], facts["pgid"], facts["deathsig"], facts["dumpable"]) == (1, 1, 0, 1)


@pytest.mark.parametrize("uid", [0, 1000])
def test_streams_belong_to_the_user(container: Container, uid: int) -> None:
    """A user without privileges can open its own standard streams again."""
    container.bundle.process["user"] = {"uid": uid, "gid": 0}
    container.bundle.shell("echo again > /proc/self/fd/1")
    result = container.run()
    assert "again" in result.out or "/dev/null" in result.err
