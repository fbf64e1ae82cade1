"""postern seccomp: the actions, from files to what is printed."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from runtime.commands.invocation import Invocation
from runtime.commands.seccomp import execute, run
from runtime.errors import FilterError, UsageError

SECTION: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "syscalls": [
        {"names": ["read", "socket", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 8}],
        },
    ],
}


@pytest.fixture
def profile(tmp_path: Path) -> str:
    """The section as a file."""
    return write(tmp_path / "profile.json", SECTION)


def write(path: Path, document: object) -> str:
    """A JSON file."""
    path.write_text(json.dumps(document))
    return str(path)


def output(capfd: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Exit code and standard output."""
    code = run(list(argv))
    return code, capfd.readouterr().out


def test_compile_and_disassemble(profile: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file is an array of instructions, which is what is printed of profile and program alike."""
    target = str(tmp_path / "filter.bpf")
    code, text = output(capfd, "compile", profile, "--arch", "x86_64", "-o", target)
    assert code == 0
    size = os.path.getsize(target)
    assert size % 8 == 0
    assert text == f"{size // 8} instructions\n"
    listing = output(capfd, "disassemble", target, "--arch=x86_64")[1]
    assert listing.count("\n") == size // 8
    assert listing == output(capfd, "disassemble", profile, "--arch=x86_64")[1]
    assert json.loads(output(capfd, "disassemble", profile, "--arch", "x86_64", "--json")[1]) == listing.splitlines()


@pytest.mark.parametrize(
    ("argv", "verdict", "cause"),
    [
        (("read",), "ALLOW", "rule 0"),
        (("personality", "8"), "ALLOW", "rule 1"),
        (("personality", "0x9"), "ERRNO(1)", "the default"),
        (("personality", "-1"), "ERRNO(1)", "the default"),
        (("9999",), "ERRNO(38)", "newer than every call that the profile names"),
    ],
)
def test_simulate(
    profile: str, argv: tuple[str, ...], verdict: str, cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Verdict, cause and instructions, for people and for programs."""
    code, text = output(capfd, "simulate", profile, "--arch", "x86_64", *argv)
    assert code == 0
    assert text.splitlines()[:2] == [f"verdict       {verdict}", f"given by      {cause}"]
    found = json.loads(output(capfd, "simulate", profile, "--json", "--arch", "x86_64", *argv)[1])
    assert (found["verdict"], found["cause"]) == (verdict, cause)
    assert found["instructions"] > 3


def test_stat(profile: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Unknown names are told; with several --arch those are decided on."""
    text = output(capfd, "stat", profile, "--arch", "aarch64", "--arch", "arm")[1]
    assert "unknown, skipped: no_such_call\n" in text
    assert "SCMP_ARCH_AARCH64: " in text
    assert "SCMP_ARCH_ARM: " in text
    found = json.loads(output(capfd, "stat", profile, "--arch", "x86_64", "--json")[1])
    assert found["unknown"] == ["no_such_call"]
    assert found["architectures"][0]["allowed"] == 2


def test_diff(profile: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 is a proof; otherwise each difference has calls, arguments, verdicts and an example."""
    assert output(capfd, "diff", profile, profile, "--arch", "x86_64") == (0, "no difference on any call\n")
    changed = json.loads(json.dumps(SECTION))
    changed["syscalls"][1]["args"][0]["value"] = 9
    other = write(tmp_path / "other.json", changed)
    code, text = output(capfd, "diff", profile, other, "--arch", "x86_64")
    assert code == 1
    assert text.splitlines() == [
        "SCMP_ARCH_X86_64 personality if args[0].low in 0x8 and args[0].high in 0x0: ALLOW -> ERRNO(1)",
        "SCMP_ARCH_X86_64 personality if args[0].low in 0x9 and args[0].high in 0x0: ERRNO(1) -> ALLOW",
    ]
    found = json.loads(output(capfd, "diff", profile, other, "--arch", "x86_64", "--json")[1])
    assert found[0]["example"] == {"nr": 135, "args": [8, 0, 0, 0, 0, 0]}


def test_forms_of_a_profile(profile: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A config with the section, and the engines' form, mean the same as the section."""
    config = write(tmp_path / "config.json", {"ociVersion": "1.2.0", "linux": {"seccomp": SECTION}})
    engine = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            *SECTION["syscalls"],
            {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}},
        ],
    }
    docker = write(tmp_path / "docker.json", engine)
    for path in (config, docker):
        assert output(capfd, "diff", profile, path, "--arch", "x86_64")[0] == 0
    assert output(capfd, "diff", profile, docker, "--arch", "x86_64", "--cap", "CAP_SYS_BOOT")[0] == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("nonsense",), "unknown action 'nonsense'"),
        (("stat",), "wrong number of arguments"),
        (("stat", "PROFILE", "--colour"), "flag provided but not defined: --colour"),
        (("stat", "PROFILE", "--arch"), "flag needs an argument: --arch"),
        (("stat", "PROFILE", "--arch", "vax"), "unknown architecture 'vax'"),
        (("compile", "PROGRAM", "-o", "x"), "is a program already"),
        (("diff", "PROGRAM", "BITS"), "single bits"),
        (("compile", "PROFILE"), "-o FILE is required"),
        (("compile", "PROFILE", "-o", "/nowhere/file"), "open /nowhere/file: no such file or directory"),
        (("stat", "/nowhere"), "open /nowhere: no such file or directory"),
        (("simulate", "PROFILE", "no_such_call"), "has no system call 'no_such_call'"),
        (("simulate", "PROFILE", "read", "x"), "'x' is not a number"),
    ],
)
def test_wrong_usage(profile: str, tmp_path: Path, argv: tuple[str, ...], message: str) -> None:
    """One line that names what is wrong."""
    files = {"PROFILE": profile, "PROGRAM": str(tmp_path / "program"), "BITS": str(tmp_path / "bits")}
    (tmp_path / "program").write_bytes(RETURN_ALLOW)
    (tmp_path / "bits").write_bytes(instructions((0x20, 0, 0, 0), (0x45, 0, 1, 1), (6, 0, 0, 0), (6, 0, 0, 1)))
    with pytest.raises(UsageError, match=message):
        run([files.get(word, word) for word in argv])


def instructions(*fields: tuple[int, int, int, int]) -> bytes:
    """A program in this machine's byte order."""
    return b"".join(struct.pack("=HBBI", *one) for one in fields)


RETURN_ALLOW = instructions((0x06, 0, 0, 0x7FFF0000))


def test_programs_of_others(profile: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A program without a profile: figures, verdicts and differences, but no rule to blame."""
    program = tmp_path / "program"
    program.write_bytes(RETURN_ALLOW)
    text = output(capfd, "simulate", str(program), "--arch", "x86_64", "read")[1]
    assert text == "verdict       ALLOW\ninstructions  1\n"
    assert "0 at most" in output(capfd, "stat", str(program), "--arch", "x86_64")[1]
    code, text = output(capfd, "diff", str(program), profile, "--arch", "x86_64")
    assert code == 1
    assert text.count("other architectures 0-4294967295: ALLOW -> KILL_THREAD\n") == 1
    assert "SCMP_ARCH_X86_64 write open close stat " in text
    loads = instructions((0x20, 0, 0, 8), (0x15, 0, 1, 7), (0x06, 0, 0, 0), (0x06, 0, 0, 0x7FFF0000))
    (tmp_path / "loads").write_bytes(loads)
    text = output(capfd, "diff", str(program), str(tmp_path / "loads"), "--arch", "x86_64")[1]
    assert "if instruction_pointer[0] in 0x7: ALLOW -> KILL_THREAD" in text


def test_a_call_of_another_architecture(profile: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One that the machine's program decides on is tried there; another one on a program of its own."""
    for arch in ("x86", "aarch64"):
        found = json.loads(output(capfd, "simulate", profile, "--json", "--arch", arch, "--", "read")[1])
        assert found["arch"] == f"SCMP_ARCH_{arch.upper()}"
        assert found["rule"] == 0


def test_names_of_other_architectures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Told apart from names that nobody knows."""
    rules = [{"names": ["s390_pci_mmio_read", "read"], "action": "SCMP_ACT_ALLOW"}]
    path = write(tmp_path / "profile.json", {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})
    assert "of other architectures, skipped: s390_pci_mmio_read\n" in output(capfd, "stat", path, "--arch", "x86_64")[1]


def test_a_file_without_an_end(tmp_path: Path) -> None:
    """Not read to its end."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UsageError, match="too large"):
        run(["stat", str(path)])


def test_verb(profile: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As the command line calls it."""
    assert execute(Invocation("seccomp", {}, ["simulate", profile, "--arch", "x86_64", "read"])) == 0
    assert capfd.readouterr().out.startswith("verdict       ALLOW\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "profile.json: "),
        ('{"ociVersion": "1.2.0"}', "this config has no seccomp section"),
        ("not BPF", "are no array"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, text: str, message: str) -> None:
    """Named with the reason."""
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        run(["stat", str(path)])
    assert "\n" not in str(caught.value)


def test_files_of_the_wrong_shape(tmp_path: Path) -> None:
    """Every violation at once, as in a config."""
    rules = [5, {"names": "read", "args": {}}, {"names": [1], "args": [2]}]
    path = write(tmp_path / "profile.json", {"defaultAction": "SCMP_ACT_ALLOW", "flags": "x", "syscalls": rules})
    with pytest.raises(FilterError) as caught:
        run(["stat", path])
    pointers = [pointer for pointer, _ in caught.value.violations]
    assert pointers == [
        "/flags",
        "/syscalls/0",
        "/syscalls/1/names",
        "/syscalls/1/args",
        "/syscalls/2/names/0",
        "/syscalls/2/args/0",
    ]


def test_rules_are_called_by_their_place_in_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where an engine's profile has rules before them that do not apply."""
    engine: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}],
        "syscalls": [
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
            {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}},
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        ],
    }
    path = write(tmp_path / "docker.json", engine)
    assert "given by      rule 2\n" in output(capfd, "simulate", path, "--arch", "x86_64", "read")[1]
    found = json.loads(output(capfd, "simulate", path, "--arch", "x86_64", "--json", "read")[1])
    assert (found["rule"], found["cause"]) == (2, "rule 2")
    asked = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    engine["syscalls"] += [
        {"names": ["write", "close"], "action": "NO", "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]},
        {"names": ["dup"], "action": "SCMP_ACT_ALLOW", "args": asked},
        {"names": ["dup"], "action": "SCMP_ACT_LOG", "args": asked},
    ]
    for form in ("stat", "simulate"):
        with pytest.raises(FilterError) as caught:
            run(
                [
                    form,
                    write(tmp_path / "wrong.json", engine),
                    "--arch",
                    "x86_64",
                    *(["read"] if form == "simulate" else []),
                ]
            )
        assert caught.value.violations == [
            ("/syscalls/3/action", "unknown action 'NO' (rule 3: write and 1 more)"),
            ("/syscalls/3/args/0/index", "9 is not an argument's index, 0 to 5 (rule 3: write and 1 more)"),
            ("/syscalls/5/args", "rule 5 gives dup another action than rule 4 under the same condition"),
        ]


def test_every_contradiction_of_an_engines_profile(tmp_path: Path) -> None:
    """At once, as everywhere."""
    engine = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrno": "ENOTHING",
        "architectures": ["SCMP_ARCH_X86"],
        "archMap": [{"architecture": "SCMP_ARCH_X86_64"}],
        "syscalls": [
            {"name": "read", "names": ["write"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["write"], "action": "SCMP_ACT_ERRNO", "errno": "ENONE", "excludes": {"minKernel": "new"}},
        ],
    }
    with pytest.raises(FilterError) as caught:
        run(["stat", write(tmp_path / "wrong.json", engine), "--arch", "x86_64"])
    assert [pointer for pointer, _ in caught.value.violations] == [
        "/defaultErrno",
        "/archMap",
        "/syscalls/0/name",
        "/syscalls/1/errno",
        "/syscalls/1/minKernel",
    ]


def test_what_no_config_can_say_is_dropped(profile: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Properties of policies' sections mean nothing in a profile, as in a config."""
    twice = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (8, 9)]
    rules = [*SECTION["syscalls"][:1], {**SECTION["syscalls"][1], "args": twice}]
    joint = [rules[0], {**rules[1], "joint": True}]
    plain = write(tmp_path / "plain.json", {**SECTION, "syscalls": rules})
    policy = write(tmp_path / "policy.json", {**SECTION, "syscalls": joint, "otherwise": "SCMP_ACT_ALLOW"})
    assert output(capfd, "diff", plain, policy, "--arch", "x86_64")[0] == 0
    assert output(capfd, "diff", profile, policy, "--arch", "x86_64")[0] == 1


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    """Asked for: exit code 0.  Nothing asked for: the same text and 1."""
    code, text = output(capfd, "--help")
    assert code == 0
    assert "postern seccomp ACTION [ARGUMENT...]" in text
    assert output(capfd) == (1, text)
