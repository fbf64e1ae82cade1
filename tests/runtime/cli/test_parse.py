"""argv is taken apart as runc takes it apart, and refused in its words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.options import GLOBAL_FLAGS, NOT_BUILT, VERBS, flags_of
from runtime.cli.parse import Parsed, WrongUsage, parse_globals, parse_verb, take_flags
from runtime.errors import NotBuilt, OciError, UsageError


def parsed(*argv: str) -> Parsed:
    """Both halves of a parse."""
    return parse_verb(*parse_globals(list(argv)))


def test_containerd_create() -> None:
    """The shim's create: globals, then flags, then the ID."""
    found = parsed(
        "--root", "/run/x/moby", "--log", "B/log.json", "--log-format", "json", "--systemd-cgroup", "create", "--bundle", "B",
        "--pid-file", "B/init.pid", "--console-socket", "S", "--no-pivot", "web",
    )  # fmt: skip
    assert found.verb == "create"
    assert found.globals == {"root": "/run/x/moby", "log": "B/log.json", "log-format": "json", "systemd-cgroup": True}
    assert found.flags == {"bundle": "B", "pid-file": "B/init.pid", "console-socket": "S", "no-pivot": True}
    assert found.arguments == ["web"]


def test_one_dash_is_two() -> None:
    """go-runc passes `-no-subreaper`."""
    assert parsed("run", "-no-subreaper", "-bundle=B", "web").flags == {"no-subreaper": True, "bundle": "B"}


def test_flags_may_follow_the_id() -> None:
    """`delete web --force` is `delete --force web`."""
    assert parsed("delete", "web", "--force") == parsed("delete", "--force", "web")


@pytest.mark.parametrize("verb", ["exec", "kill", "ps"])
def test_flags_end_at_the_id(verb: str) -> None:
    """What follows the ID of exec, kill and ps is not ours."""
    tail = ["-9"] if verb == "kill" else ["ls", "--format", "x", "--", "-l"]
    assert parsed(verb, "web", *tail).arguments == ["web", *tail]


def test_double_dash_ends_flags() -> None:
    """After `--` a dash is no flag."""
    assert parsed("exec", "--tty", "--", "web", "--tty").arguments == ["web", "--tty"]
    assert parsed("state", "--", "-odd").arguments == ["-odd"]


def test_repeats() -> None:
    """conmon-rs writes its globals twice; list flags add up."""
    found = parsed("--root=a", "--root=b", "exec", "-e", "A=1", "--env=B=2", "-env", "C=", "web", "sh")
    assert found.globals == {"root": "b"}
    assert found.flags == {"env": ["A=1", "B=2", "C="]}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("T", True), ("1", True), ("false", False), ("0", False)])
def test_switch_with_value(text: str, value: bool) -> None:
    """Go's words for booleans, only after `=`."""
    assert parsed("delete", f"--force={text}", "web").flags == {"force": value}


def test_dash_alone_is_a_value() -> None:
    """`update --resources - ID` reads standard input."""
    assert parsed("update", "--resources", "-", "web").flags == {"resources": "-"}
    assert parsed("update", "--pids-limit", "-1", "web").flags == {"pids-limit": -1}


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["create", "--bundle"], "flag needs an argument: --bundle"),
        (["exec", "-u"], "flag needs an argument: -u"),
        (["--log"], "flag needs an argument: --log"),
        (["create", "--nope", "web"], "flag provided but not defined: -nope"),
        (["--nope", "create", "web"], "flag provided but not defined: -nope"),
        (["create", "---bundle", "web"], "bad flag syntax: ---bundle"),
        (["create", "--=x", "web"], "bad flag syntax: --=x"),
        (["delete", "--force=maybe", "web"], 'invalid boolean value "maybe" for -force: parse error'),
        (["run", "--preserve-fds", "x", "web"], 'invalid value "x" for flag -preserve-fds: parse error'),
        (["run", "--preserve-fds=٣", "web"], 'invalid value "٣" for flag -preserve-fds: parse error'),
        (["run", "--preserve-fds=1_0", "web"], 'invalid value "1_0" for flag -preserve-fds: parse error'),
        (["run", "--preserve-fds= 1", "web"], 'invalid value " 1" for flag -preserve-fds: parse error'),
        (["create"], 'postern: "create" requires exactly 1 argument(s)'),
        (["create", "a", "b"], 'postern: "create" requires exactly 1 argument(s)'),
        (["exec"], 'postern: "exec" requires a minimum of 1 argument(s)'),
        (["kill", "a", "9", "b"], 'postern: "kill" requires a maximum of 2 argument(s)'),
        (["dance"], "unknown command: dance"),
        (["help", "dance"], "No help topic for 'dance'"),
    ],
)
def test_wrong_usage(argv: list[str], text: str) -> None:
    """Each mistake has Go's or runc's words."""
    with pytest.raises(WrongUsage) as raised:
        parsed(*argv)
    assert str(raised.value) == text


@pytest.mark.parametrize("verb", NOT_BUILT)
@pytest.mark.parametrize("tail", [["--help"], ["--lsm-mount-context"], [], ["--nope"], ["web"]])
def test_unbuilt_verbs_claim_nothing(verb: str, tail: list[str]) -> None:
    """An engine that probes for CRIU gets a plain no, whatever it asks."""
    for argv in ([verb, *tail], ["help", verb]):
        with pytest.raises(NotBuilt) as raised:
            parsed(*argv)
        assert "argument" not in str(raised.value)


def test_help_needs_no_id() -> None:
    """`create --help` is not short of arguments."""
    for argv in (["create", "--help"], ["create", "-h"], ["help", "create"]):
        assert parsed(*argv).flags == {"help": True}
    for argv in (["--help"], ["help"], [], ["--help", "create"]):
        assert parsed(*argv).verb == ""


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(["--bundle", "-b", "--env", "--", "-", "run", "exec", "--root="]))
)
def test_property_any_argv_is_parsed_or_refused(argv: list[str]) -> None:
    """No argv raises anything but our own errors."""
    with contextlib.suppress(OciError):
        parsed(*argv)


@given(st.sampled_from(sorted(VERBS)), st.data())
def test_property_spellings_agree(verb: str, data: st.DataObject) -> None:
    """One dash or two, `=` or a word of its own: the same value."""
    flags = flags_of(VERBS[verb][4])
    name = data.draw(st.sampled_from(sorted(flags)))
    value = {"number": "7", "text": "x", "list": "y", "switch": "true"}[flags[name].kind]
    spellings = [[f"-{name}={value}"], [f"--{name}={value}"]]
    if flags[name].kind != "switch":
        spellings += [[f"-{name}", value], [f"--{name}", value]]
    results = [take_flags(words, VERBS[verb][4], False) for words in spellings]
    assert all(result == results[0] for result in results)
    assert results[0][1:] == ([], [])


@pytest.mark.parametrize("lines", [GLOBAL_FLAGS, *(row[4] for row in VERBS.values())])
def test_tables_are_well_formed(lines: str) -> None:
    """Every flag has a text, a known kind, and a name that no other flag of its verb has."""
    names = [name for line in lines.splitlines() if line for name in line.partition("  ")[0].split(" ")]
    bare = [name.partition("=")[0] for name in names]
    assert len(bare) == len(set(bare))
    for flag in flags_of(lines).values():
        assert flag.text or flag.name in {
            "planned",
            "python",
            "entry",
            "worker",
            "adopt",
            "table",
            "observe",
        }  # not for people
        assert flag.kind in {"switch", "text", "number", "list"}


@pytest.mark.parametrize(
    "argv", [["--policy=a", "--policy", "b", "run", "c"], ["run", "--policy=a", "--policy=a", "c"]]
)
def test_a_second_policy_is_not_dropped(argv: list[str]) -> None:
    """Policies add up everywhere else: one of two would be missed.  The verb's own in place of the global one is something else."""
    with pytest.raises(WrongUsage, match="--policy is given twice"):
        parsed(*argv)
    assert parsed("--policy=a", "run", "--policy=b", "c").flags["policy"] == "b"


def test_unknown_flag_leaves_the_rest() -> None:
    """take_flags alone raises plain usage errors; whose usage is shown is its caller's business."""
    with pytest.raises(UsageError):
        take_flags(["--x"], "", stops=True)
