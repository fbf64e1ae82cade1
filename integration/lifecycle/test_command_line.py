"""The command line's grammar, and the verbs that need no container: spec, features, version, help."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs, only
from integration.framework.runtime import Runtime

VERBS = ("create", "run", "start", "exec", "state", "kill", "delete", "list", "spec", "features")
GO_FLAGS = differs("crun", reason="crun parses options as getopt does")


@pytest.mark.parametrize(
    "form",
    [
        "--bundle={}",
        "--bundle {}",
        "-b {}",
        *(pytest.param(form, marks=GO_FLAGS) for form in ("-bundle={}", "-bundle {}", "-b={}")),
    ],
)
def test_flag_forms(container: Container, form: str) -> None:
    """One dash or two, with = or a word of its own."""
    container.bundle.args("/bin/true").save()
    words = form.format(container.bundle.path).split()
    assert container.call("run", *words, container.id).rc == 0


@GO_FLAGS
def test_repeated_globals(container: Container) -> None:
    """Global flags may be given twice, as conmon-rs does; the last one counts."""
    container.bundle.args("/bin/true").save()
    root = str(container.runtime.root)
    result = container.call(
        "run",
        "-b",
        str(container.bundle.path),
        container.id,
        flags=("--root", "/nowhere", f"--root={root}", "--debug=false"),
    )
    assert result.rc == 0, result


@pytest.mark.parametrize("words", [("kill",), ("state",), ("start",), ("delete",), ("exec",), ("create",), ("run",)])
def test_missing_argument(runtime: Runtime, words: tuple[str, ...]) -> None:
    """A verb without its ID fails."""
    result = runtime.call(*words)
    assert result.rc != 0
    assert "Traceback" not in result.err + result.out


@GO_FLAGS
@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (("state", "--nonsense", "x"), "flag provided but not defined: -nonsense"),
        (("create", "-z", "x"), "flag provided but not defined: -z"),
        (("create", "--bundle"), "flag needs an argument: (-bundle|--bundle)"),
        (("list", "--format"), "flag needs an argument: (-format|--format)"),
        (("kill", "--all=maybe", "x"), "(?i)invalid boolean value|parse"),
    ],
)
def test_bad_flag(runtime: Runtime, words: tuple[str, ...], pattern: str) -> None:
    """Go's flag parser's words."""
    result = runtime.call(*words)
    assert result.rc == 1, result
    assert re.search(pattern, result.out + result.message), result


def test_unknown_verb(runtime: Runtime) -> None:
    """A verb that does not exist fails."""
    result = runtime.call("nonsense")
    assert result.rc != 0
    assert "Traceback" not in result.err + result.out


@pytest.mark.parametrize("too_many", [("state", "a", "b"), ("start", "a", "b")])
@differs("crun", reason="crun takes no notice of further arguments", strict=False)
def test_too_many_arguments(runtime: Runtime, too_many: tuple[str, ...]) -> None:
    """Verbs that take one ID refuse two."""
    assert runtime.call(*too_many).rc == 1


@pytest.mark.parametrize("flag", ["--version", "-v"])
@differs("crun", reason="crun has no -v", strict=False)
def test_version(runtime: Runtime, flag: str) -> None:
    """The lines that dockerd parses."""
    lines = runtime.call(flag).ok().out.splitlines()
    assert re.match(r"\S+ version \S+", lines[0])
    assert any(re.match(r"spec: 1\.\d+\.\d+", line) for line in lines)
    assert any(line.startswith("commit: ") for line in lines)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(runtime: Runtime, verb: str) -> None:
    """Each verb explains itself on stdout."""
    result = runtime.call(*([verb] if verb else []), "--help").ok()
    assert len(result.out.splitlines()) > 3
    assert "Traceback" not in result.err


@only("postern", reason="their users see other names")
@pytest.mark.parametrize("verb", VERBS)
def test_help_names_every_flag(runtime: Runtime, verb: str) -> None:
    """runc's flags of the verb are in its help."""
    flags = {
        "create": "bundle console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds",
        "run": "bundle console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds detach keep no-subreaper",
        "exec": "console-socket pidfd-socket cwd env tty user additional-gids process detach pid-file process-label "
        "apparmor no-new-privs cap preserve-fds cgroup ignore-paused",
        "delete": "force",
        "list": "format quiet",
        "spec": "bundle rootless",
    }.get(verb, "")
    text = runtime.call(verb, "--help").ok().out
    assert [flag for flag in flags.split() if f"--{flag}" not in text] == []


def test_spec(runtime: Runtime, tmp_path: Path) -> None:
    """spec writes the default config and refuses to overwrite it."""
    runtime.call("spec", "--bundle", str(tmp_path)).ok()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["process"]["args"] == ["sh"]
    assert config["process"]["terminal"] is True
    assert config["root"]["readonly"] is True
    assert config["process"]["noNewPrivileges"] is True
    assert set(config["process"]["capabilities"]["bounding"]) == {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
    kinds = {entry["type"] for entry in config["linux"]["namespaces"]}
    assert kinds >= {"pid", "network", "ipc", "uts", "mount"}
    assert runtime.call("spec", "--bundle", str(tmp_path)).rc == 1


def test_spec_in_cwd(runtime: Runtime, tmp_path: Path) -> None:
    """Without --bundle the file lands in the working directory; tabs indent it."""
    runtime.call("spec", cwd=tmp_path).ok()
    text = (tmp_path / "config.json").read_text()
    assert "\n\t" in text or runtime.flavour == "crun"


@differs("crun", reason="crun leaves the mappings to the time of creation", strict=False)
def test_rootless_spec(runtime: Runtime, tmp_path: Path) -> None:
    """--rootless adds a user namespace with mappings and leaves the network alone."""
    runtime.call("spec", "--rootless", "--bundle", str(tmp_path)).ok()
    linux = json.loads((tmp_path / "config.json").read_text())["linux"]
    kinds = {entry["type"] for entry in linux["namespaces"]}
    assert "user" in kinds
    assert linux["uidMappings"]


def test_spec_runs(container: Container) -> None:
    """The default config is a container that runs, once its terminal and program are ours."""
    container.call("spec", "--bundle", str(container.bundle.path)).ok()
    config = json.loads((container.bundle.path / "config.json").read_text())
    config["process"].update(terminal=False, args=["/probe", "facts"])
    config["process"].pop("rlimits", None)
    config["linux"]["cgroupsPath"] = container.bundle.linux["cgroupsPath"]
    container.bundle.config = config
    facts = json.loads(container.run().ok().out)
    assert facts["nnp"] == 1
    assert facts["hostname"] in ("runc", "crun", "postern")


@differs("runc<1.2", "crun", reason="an older format; crun leaves out the time namespace", strict=False)
def test_features(runtime: Runtime) -> None:
    """features is one JSON document on a silent stderr, with what CRI engines look for."""
    result = runtime.call("features").ok()
    features = json.loads(result.out)
    assert result.err == ""
    assert features["ociVersionMin"] == "1.0.0"
    assert {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"} == set(
        features["hooks"]
    )
    assert {"rro", "ro", "rbind", "tmpcopyup"} <= set(features["mountOptions"])
    linux = features["linux"]
    assert {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"} <= set(linux["namespaces"])
    assert linux["mountExtensions"]["idmap"]["enabled"] is True
    assert linux["seccomp"]["enabled"] is True
    assert "SCMP_ACT_NOTIFY" in linux["seccomp"]["actions"]
    assert "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"]
    assert len(linux["capabilities"]) >= 41


@pytest.mark.parametrize("env", [{}, {"XDG_RUNTIME_DIR": ""}, {"PATH": "", "HOME": ""}])
def test_bare_environment(container: Container, env: dict[str, str]) -> None:
    """podman calls with next to no environment: nothing may be assumed."""
    container.bundle.args("/bin/true").save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_environment_does_not_leak(container: Container) -> None:
    """The container's environment is process.env and HOME, nothing of the caller's."""
    env = container.facts(env={"SECRET": "1", "LC_ALL": "C", "PYTHONPATH": "/nowhere", "LD_PRELOAD": ""})["env"]
    assert sorted(entry.partition("=")[0] for entry in env) == ["HOME", "PATH", "TERM"]
    assert "HOME=/root" in env


@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "LD_LIBRARY_PATH"])
def test_hostile_environment(container: Container, tmp_path: Path, variable: str) -> None:
    """Variables that steer interpreters do not steer the runtime."""
    for name in ("os", "sys", "json", "re", "posixpath", "encodings"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)\n")
    container.bundle.args("/bin/true").save()
    result = container.run(env={variable: str(tmp_path)})
    assert result.rc == 0, result


def test_runs_from_anywhere(container: Container, tmp_path: Path) -> None:
    """Engines start the runtime with any working directory, even one full of Python files."""
    for name in ("os", "sys", "json", "runtime", "errno"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)\n")
    container.bundle.args("/bin/true")
    assert container.run(cwd=tmp_path).rc == 0


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_callers_umask(container: Container, mask: int) -> None:
    """The caller's umask changes neither the container's files nor its process's umask."""
    before = os.umask(mask)
    try:
        facts = container.facts()
    finally:
        os.umask(before)
    assert facts["umask"] == 0o022


@differs("runc", "crun", reason="these keep the caller's signal mask", strict=False)
def test_signals_are_reset(container: Container) -> None:
    """Ignored and blocked signals of the caller are back to normal inside."""
    container.bundle.probe("facts").save()
    argv = container.runtime.argv("run", "--bundle", str(container.bundle.path), container.id)
    script = "import os, signal, sys; signal.signal(signal.SIGPIPE, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(["python3", "-c", script, *argv], capture_output=True, text=True, timeout=60, check=True)
    status = dict(line.split(":\t", 1) for line in json.loads(done.stdout)["status"].splitlines() if ":\t" in line)
    assert int(status["SigIgn"], 16) & (1 << 12) == 0
    assert int(status["SigBlk"], 16) == 0
    assert int(status["SigCgt"], 16) == 0
