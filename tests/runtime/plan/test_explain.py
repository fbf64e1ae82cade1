"""The plan for people."""

import json

import pytest

from runtime.abi import mounts as abi
from runtime.plan.explain import describe, explain, explain_json
from runtime.plan.launch_plan import op
from runtime.plan.number_words import words_for
from runtime.plan.programs import encode_programs
from tests.runtime.plan.drafting import config, one, plan


def test_operations_are_numbered_through_the_stages() -> None:
    """As the executor's reports name them."""
    found = plan(config(hostname="h"))
    numbers = [
        int(line.split()[0]) for line in explain(found).splitlines() if line[:2] == "  " and line.split()[0].isdigit()
    ]
    assert numbers == list(range(sum(map(len, found.stages.values()))))


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (op("MAKE_DEV", "", root=2, mode=0o20666, rdev=0x103, owner=5 << 32 | 6, path="/dev/null"),
         "MAKE_DEV root=rootfs mode=c0666 rdev=1:3 owner=5:6 path=/dev/null"),
        (op("SET_ATTR", "", "RECURSIVE", tree=17, set=abi.MOUNT_ATTR_RDONLY | abi.MOUNT_ATTR_NOATIME, clear=0x70),
         "SET_ATTR tree=#17 set=noatime|ro clear=atime RECURSIVE"),
        (op("PROPAGATION", "", flags=abi.MS_SLAVE | abi.MS_REC, path="/"), "PROPAGATION flags=rec|slave path=/"),
        (op("UNSHARE", "", flags=0x02000000), "UNSHARE flags=cgroup"),
        (op("CAP_BOUNDING", "", keep=0), "CAP_BOUNDING keep=-"),
        (op("RLIMIT", "", resource=7, soft=1, hard=2**64 - 1), "RLIMIT resource=RLIMIT_NOFILE soft=1 hard=unlimited"),
        (op("SAVE_FILE", "", dir=0, mode=0o600, name="n", blob=b"abc"), "SAVE_FILE dir=state_dir mode=0600 name=n data=3 bytes, crc 352441c2"),
        (op("SECCOMP", "", "NOTIFY", flags=4, blob=bytes(16)), "SECCOMP flags=SPEC_ALLOW data=2 instructions, crc ecbb4b55 NOTIFY"),
        (op("AFFINITY", "", blob=(3,)), "AFFINITY mask=[0x3]"),
        (op("MEMPOLICY", "", mode=3 | 1 << 15, maxnode=65, blob=(1,)),
         "MEMPOLICY mode=MPOL_INTERLEAVE|MPOL_F_STATIC_NODES maxnode=65 mask=[0x1]"),
        (op("HOSTNAME", "", name="a\nb\\"), "HOSTNAME name=a\\nb\\\\"),
        (op("UMASK", "", mask=0), "UMASK mask=0000"),
        (op("SETSID", ""), "SETSID"),
        (op("LANDLOCK_RULESET", "", ruleset=16, fs=0b1011, net=2, scoped=3),
         "LANDLOCK_RULESET ruleset=#16 fs=EXECUTE|WRITE_FILE|READ_DIR net=CONNECT_TCP scoped=ABSTRACT_UNIX_SOCKET|SIGNAL"),
        (op("LANDLOCK_PATH", "", ruleset=16, access=4, path="/etc"), "LANDLOCK_PATH ruleset=#16 access=READ_FILE path=/etc"),
        (op("FIFO_WAIT", "", fifo=4, proc=3), "FIFO_WAIT fifo=fifo proc=proc"),
        (op("LANDLOCK_PORT", "", ruleset=16, access=1, port=80), "LANDLOCK_PORT ruleset=#16 access=BIND_TCP port=80"),
        (op("BPF_PROGRAMS", "", cgroup=1, blob=encode_programs(
            [(11, 8, 16, 0x81, bytes(48))], [("n", "l", 18, 10, bytes(16)), ("n", "l", 15, 6, bytes(8))])),
         "BPF_PROGRAMS cgroup=cgroup data=a map of 2 pairs, instructions: INET4_CONNECT 2 DEVICE 1, crc 32685b94"),
    ],
)  # fmt: skip
def test_places_are_decoded(step: op, line: str) -> None:  # type: ignore[valid-type]
    """Slots by name, flags as words, modes in octal; one line whatever the strings hold."""
    assert describe(step) == line


def test_long_strings_are_cut() -> None:
    """And say how long they were."""
    assert describe(op("HOSTNAME", "", name="x" * 150)).endswith("x… (150 characters)")


@pytest.mark.parametrize(
    ("name", "place", "value", "words"),
    [("SET_ATTR", "set", 0, "0"), ("SET_ATTR", "set", 1 << 40, "0x10000000000"), ("UMASK", "mask", 1, None)],
)
def test_words_for_numbers(name: str, place: str, value: int, words: str | None) -> None:
    """Unknown bits are shown, not lost."""
    assert words_for(name, place, value) == words


def test_as_data() -> None:
    """The same content; plain data throughout, nothing cut."""
    found = plan(config(hostname="x" * 60))
    data = json.loads(json.dumps(explain_json(found)))
    assert [stage["stage"] for stage in data["stages"]][:3] == ["HOST", "PARENT", "SETUP"]
    rows = [row for stage in data["stages"] for row in stage["operations"]]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    hostname = next(row for row in rows if row["op"] == "HOSTNAME")
    assert hostname == {
        "index": hostname["index"],
        "op": "HOSTNAME",
        "what": one(found, "HOSTNAME").what,
        "name": "x" * 60,
        "flags": [],
    }
    assert data["namespaces"] == ["pid", "network", "mount", "ipc", "uts"]
