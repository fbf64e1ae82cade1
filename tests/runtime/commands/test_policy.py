"""postern policy: the actions that need no container, from files to what is printed."""

import json
from pathlib import Path

import pytest

from runtime.commands import policy
from runtime.commands.invocation import Invocation
from runtime.commands.policy_call import parse_call
from runtime.errors import NotBuilt, PolicyError, SyscallError, UsageError
from tests.runtime.policy.test_compiling import write


@pytest.fixture
def invocation(tmp_path: Path) -> Invocation:
    """A call of the verb, with a site and a state root of its own."""
    made = Invocation("policy", {}, [])
    made.root = str(tmp_path / "root")
    made.policy_dir = str(tmp_path / "site")
    return made


def run(invocation: Invocation, *argv: str) -> int:
    """The exit code of one action."""
    invocation.arguments = list(argv)
    return policy.execute(invocation)


def test_check_lists_what_is_wrong(invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of all files, as they were named, and of a site's config as well."""
    good = write(tmp_path / "good.yaml", "name: good\nextends: agent\n")
    bad = write(tmp_path / "bad.yaml", "name: bad\nadit: all\naudit: al\n")
    toml = write(tmp_path / "config.toml", '[policy]\nflor = ["agent"]\n')
    assert run(invocation, "check", good) == 0
    assert capfd.readouterr().out == ""
    assert run(invocation, "check", bad, good, toml) == 1
    assert capfd.readouterr().out.splitlines() == [
        f'{bad}:2: adit: unknown key, did you mean "audit"?',
        f'{bad}:3: audit: unknown value "al", did you mean "all"?',
        f'{toml}:2: flor: unknown key, did you mean "floor"?',
    ]
    assert run(invocation, "check", "--json", bad) == 1
    assert len(json.loads(capfd.readouterr().out)["violations"]) == 2
    assert run(invocation, "check", f"{tmp_path}/gone.toml") == 1
    assert capfd.readouterr().out == f"{tmp_path}/gone.toml: no such file\n"


def test_every_action_lists_what_is_wrong_in_lines(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """On standard error, one violation each; what is extended is found by the line that names it."""
    (tmp_path / "dir.yaml").mkdir()
    bad = write(tmp_path / "bad.yaml", "name: bad\nadit: all\nextends: [dir.yaml, bad.yaml]\n")
    for action in ("explain", "compile"):
        assert run(invocation, action, bad) == 1
        out, error = capfd.readouterr()
        assert out == ""
        assert [line.partition("msg=")[2] for line in error.splitlines()] == [
            f'"policy: {bad}:2: adit: unknown key, did you mean \\"audit\\"?"',
            f'"policy: {bad}:3: extends: {tmp_path}/dir.yaml: is no regular file"',
            f'"policy: {bad}:3: extends: \\"bad.yaml\\" leads back to itself: {bad} -> {bad}"',
        ]
    with pytest.raises(UsageError, match="an empty word names no file"):
        run(invocation, "check", "")


def test_check_names_what_no_host_enforces(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the same pass as other mistakes, with the line, and without looking at this host; a mistake is no second one."""
    path = write(
        tmp_path / "p.yaml",
        """\
name: p
adit: all
filesystem:
  execute: ["/usr/*/bin"]
  read: [usr]
  hide: [/]
exec: ["/bin/*"]
syscalls:
  default: allow
  deny: [read, execve]
""",
    )
    assert run(invocation, "check", path) == 1
    assert sorted(capfd.readouterr().out.replace(path, "p").splitlines()) == [
        'p:2: adit: unknown key, did you mean "audit"?',
        "p:4: filesystem.execute: /usr/*/bin: no mechanism knows wildcards where programs are executed",
        'p:5: filesystem.read[0]: "usr" must be absolute: paths are those of the container',
        "p:6: filesystem.hide: /: the root cannot be hidden",
        "p:7: exec: /bin/*: no mechanism knows wildcards where programs are executed",
        "p:8: syscalls: denies what starting a program takes: read, execve",
    ]
    write(tmp_path / "p.yaml", "name: p\nexec: []\nsyscalls: {allow: [reed]}\n")
    assert run(invocation, "check", path) == 1
    assert [line.partition(path)[2][:9] for line in capfd.readouterr().out.splitlines()] == [":3: sysca", ":2: exec:"]
    for name in ("agent", "batch-job", "development"):
        assert run(invocation, "check", write(tmp_path / "q.yaml", f"name: q\nextends: {name}\n")) == 0


def test_check_of_a_config_checks_what_it_names(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that the first container does not find out."""
    toml = write(
        tmp_path / "s" / "config.toml",
        '[policy]\ndefault = "agent"\nannotation = ["none", "mine"]\nfloor = ["f.yaml"]\n',
    )
    write(tmp_path / "s" / "f.yaml", "name: f\naudit: no\n")
    assert run(invocation, "check", toml) == 1
    assert capfd.readouterr().out.splitlines() == [
        f'{toml}:3: annotation: no policy is called "mine": neither built in nor in {tmp_path}/s/policies; postern policy list names what there is',
        f'{tmp_path}/s/f.yaml:2: audit: unknown value "no", did you mean "none"?',
    ]
    write(tmp_path / "s" / "f.yaml", "name: f\n")
    write(tmp_path / "s" / "policies" / "mine.yaml", "name: mine\n")
    assert run(invocation, "check", toml) == 0


def test_check_of_a_config_says_everything_at_once(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Wrong keys hide no policy, the broker's section is looked at too, and who names a file that is not there is told."""
    toml = write(
        tmp_path / "s" / "config.toml",
        """\
[policy]
defalt = "agent"
floor = [
  "agent",
  "gone.yaml",
]
[broker]
log = "syslog"
handlers = ["approval"]
handler_path = "here"
hander = 1
""",
    )
    assert run(invocation, "check", toml) == 1
    assert sorted(capfd.readouterr().out.replace(f"{tmp_path}/s/", "").splitlines()) == [
        "config.toml:10: handler_path: must be an absolute path",
        'config.toml:11: hander: unknown key, did you mean "handlers"?',
        'config.toml:2: defalt: unknown key, did you mean "default"?',
        "config.toml:5: floor: gone.yaml: no such file",
        "config.toml:8: log: must be file or journald",
        'config.toml:9: handlers: must be a list of "module:function"',
    ]


def test_list_names_built_in_policies_and_the_sites(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line each, with what they are for."""
    path = write(tmp_path / "site" / "policies" / "mine.yaml", "name: mine\ndescription: for me\n")
    write(tmp_path / "site" / "policies" / "broken.yml", "- x")
    assert run(invocation, "list") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("agent           tools of an LLM agent;")
    assert f"mine            for me  ({path})" in lines
    assert "cannot be read: see postern policy check" in lines[6]
    run(invocation, "list", "--json")
    assert {"name": "mine", "source": path, "description": "for me"} in json.loads(capfd.readouterr().out)


def test_names_that_mislead_are_noted(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that its name does not find, and one that calls itself otherwise: no mistakes, but list and check say so."""
    shadowed = write(tmp_path / "site" / "policies" / "agent.yaml", "name: agent\n")
    other = write(tmp_path / "site" / "policies" / "qqq.yaml", "name: zzz\n")
    elsewhere = write(tmp_path / "agent.yaml", "name: mine\n")
    notes = [
        "the built-in agent is taken by that name, this one only by its path",
        "is called zzz in logs, chosen as qqq",
    ]
    assert run(invocation, "check", shadowed, other, elsewhere) == 0
    assert capfd.readouterr().out.splitlines() == [f"{shadowed}: note: {notes[0]}", f"{other}: note: {notes[1]}"]
    run(invocation, "list")
    shown = capfd.readouterr().out
    assert all(f"{note}  (" in shown for note in notes)
    with pytest.raises(UsageError, match="standard input is not read"):
        run(invocation, "check", "-")


def test_show_prints_a_policy_as_written_or_as_layers(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A built-in has a text too."""
    path = write(tmp_path / "mine.yaml", "name: mine # here\nextends: agent\n")
    for word, first in (("agent", "# What a language model starts"), (path, "name: mine # here")):
        assert run(invocation, "show", word) == 0
        assert capfd.readouterr().out.startswith(first)
    run(invocation, "show", "--json", path)
    shown = json.loads(capfd.readouterr().out)
    assert [layer["name"] for layer in shown["layers"]] == ["agent", "mine"]
    with pytest.raises(PolicyError, match='no policy is called "nosuch"'):
        run(invocation, "show", "nosuch")


def test_compile_keeps_the_policy(invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For the first container; with -o the result is a document."""
    path = write(tmp_path / "mine.yaml", "name: mine\n")
    assert run(invocation, "compile", path, "-o", str(tmp_path / "out.json")) == 0
    out = capfd.readouterr().out
    document = json.loads((tmp_path / "out.json").read_text())
    assert out == f"mine: 1 layer, {document['hash']}\n"
    assert len(list((tmp_path / "root" / "@policies").iterdir())) == 1
    run(invocation, "compile", path, "--output=-")
    assert json.loads(capfd.readouterr().out) == document
    with pytest.raises(SyscallError, match="no such file or directory"):
        run(invocation, "compile", path, "-o", str(tmp_path / "gone" / "x"))


def test_import_says_what_it_lost(invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The policy goes to standard output or a file, what it does not say to standard error."""
    path = write(tmp_path / "My Profile.json", '{"defaultAction": "SCMP_ACT_ALLOW", "x": 1}')
    assert run(invocation, "import", path) == 0
    shown = capfd.readouterr()
    assert shown.out.startswith("name: my-profile\n")
    assert shown.err == f"{path}: not carried over: x: 1\n"
    assert run(invocation, "import", "--name", "other", "-o", str(tmp_path / "o.yaml"), path) == 0
    assert run(invocation, "check", str(tmp_path / "o.yaml")) == 0
    with pytest.raises(SyscallError):
        run(invocation, "import", str(tmp_path / "gone"))


def test_import_says_what_check_would(
    invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A profile that leaves out what starting takes here; and never is a profile written over by what it was made of."""
    rule = {"names": ["read", "write", "close", "openat", "execve", "exit_group"], "action": "SCMP_ACT_ALLOW"}
    path = write(tmp_path / "old.json", json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}))
    assert run(invocation, "import", path) == 0
    why = "syscalls: denies what starting a program takes: close_range"
    assert capfd.readouterr().err == f"{path}: policy check refuses what was made of it: line 4: {why}\n"
    (tmp_path / "link.json").symlink_to("old.json")
    with pytest.raises(UsageError, match="is the profile itself"):
        run(invocation, "import", path, "-o", str(tmp_path / "link.json"))


def test_schema_is_the_published_one(invocation: Invocation, capfd: pytest.CaptureFixture[str]) -> None:
    """For editors."""
    assert run(invocation, "schema") == 0
    assert "properties" in json.loads(capfd.readouterr().out)


def test_what_the_command_line_may_say(invocation: Invocation, capfd: pytest.CaptureFixture[str]) -> None:
    """Help, and one line for everything that is not understood."""
    assert run(invocation, "--help") == run(invocation, "help") == 0
    assert run(invocation) == 1
    assert capfd.readouterr().out.count("\n   learn ") == 3
    for argv, complaint in (
        (["frob"], "unknown action 'frob'"),
        (["check"], "wrong number of arguments"),
        (["show", "a", "b"], "wrong number of arguments"),
        (["list", "--frob"], "unknown flag --frob"),
        (["list", "--json=1"], "--json takes no value"),
        (["compile", "x", "-o"], "-o needs a value"),
    ):
        with pytest.raises(UsageError, match=complaint):
            run(invocation, *argv)


def test_an_action_that_is_not_built_is_refused(invocation: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; a fault inside an action is no missing action."""
    monkeypatch.setitem(policy.ACTIONS, "nothing", ("", "", ""))
    with pytest.raises(NotBuilt, match="policy nothing is not supported"):
        run(invocation, "nothing")


def test_words_are_taken_apart(invocation: Invocation) -> None:
    """Values may stand apart or behind =, flags anywhere, and -- ends them."""
    call = parse_call(
        invocation, "x", "--config=DIR,-b --json", ["a", "-b", "d", "--config=e", "-", "--json", "--", "--json", "-b"]
    )
    assert call.arguments == ["a", "-", "--json", "-b"]
    assert (call.text("config"), call.texts("config"), call.switch("json"), call.text("none")) == (
        "e",
        ["d", "e"],
        True,
        None,
    )


def test_a_name_that_no_policy_has_is_answered_with_a_near_one(invocation: Invocation) -> None:
    """Or with where the names are."""
    with pytest.raises(PolicyError, match='did you mean "agent"'):
        run(invocation, "show", "agnet")
    with pytest.raises(PolicyError, match="postern policy list names what there is"):
        run(invocation, "show", "qqqq")


def test_the_help_of_one_action_explains_its_flags(invocation: Invocation, capfd: pytest.CaptureFixture[str]) -> None:
    """And leaves the others out; every flag of every action is explained."""
    assert run(invocation, "apply", "--help") == 0
    shown = capfd.readouterr().out
    assert "apply [--loosen] [--json] ID POLICY" in shown
    assert "let the new policy allow what the old one did not" in shown
    assert "learn" not in shown
    assert {flag for _, _, flags in policy.ACTIONS.values() for flag in flags.split()} == set(policy.FLAGS)
