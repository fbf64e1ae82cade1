"""What each verb imports: a list of allowed modules, so that no convenience slips onto the hot path unseen.

Every verb runs in an interpreter of its own, started as the front starts it, up to the moment at which it would become the
executor.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oci_schemas.json_text import dumps
from runtime.commands.spec_document import example_config
from runtime.state.store import process_start_time

# the interpreter without the virtual environment, as the bundle finds it
BASE_PYTHON: str = getattr(sys, "_base_executable", sys.executable)
CHECKOUT = Path(__file__).parents[2]

# start-up, posix.execve replaced, one command line, then the modules that were not there at the beginning
DRIVER = """
import sys, posix
before = set(sys.modules)
def finish(*_arguments):
    sys.stdout.flush()
    names = sorted(set(sys.modules) - before)
    posix.write(3, "\\n".join(names).encode())
    posix._exit(0)
posix.execve = finish
sys.path += [sys.argv.pop(1), sys.argv.pop(1)]
sys.argv[0] = sys.argv.pop(1)
from runtime.cli.main import main
code = main(posix.open("/dev/null", 0), sys.argv[1:])
finish() if code == 0 else sys.exit(code)
"""

# built into the interpreter or a small C module beside it; no Python source among them
FOREIGN = {
    "_blake2",
    "_datetime",
    "_operator",
    "_struct",
    "binascii",
    "errno",
    "fcntl",
    "itertools",
    "math",
    "pydantic_core._pydantic_core",
    "time",
}
EXPENSIVE = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "importlib",
    "inspect",
    "json",
    "jsonschema",
    "logging",
    "os",
    "pathlib",
    "pydantic",
    "pydantic_core",
    "pyroute2",
    "re",
    "shutil",
    "signal",
    "socket",
    "stat",
    "subprocess",
    "threading",
    "typing",
    "yaml",
}
# ours, but of other verbs or of failures: no hot verb may load them
COLD = (
    "oci_schemas.build",
    "oci_schemas.config",
    "oci_schemas.explain",
    "runtime.cli.usage",
    "runtime.commands.containers",
    "runtime.commands.features",
    "runtime.launch.front",
    "runtime.plan.explain",
    "runtime.syscalls",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bundle in `b`, and in `root` the state of a running container `web`: this very process."""
    config = example_config(rootless=False, uid=0, gid=0)
    config["process"]["terminal"] = False
    config["root"]["path"] = "/"
    (tmp_path / "b").mkdir()
    (tmp_path / "site").mkdir(mode=0o755)
    (tmp_path / "b" / "config.json").write_bytes(dumps(config))
    place = tmp_path / "root" / "web"
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(dumps(config))
    (place / "state.json").write_bytes(dumps(running_state()))
    return tmp_path


def running_state() -> dict[str, object]:
    """The state of a container whose init is this process."""
    return {
        "posternState": 1,
        "ociVersion": "1.3.0",
        "id": "web",
        "phase": "created",
        "pid": os.getpid(),
        "startTime": process_start_time(os.getpid()),
        "bundle": "/b",
        "rootfs": "/b/rootfs",
        "created": "2026-01-02T03:04:05Z",
        "owner": "root",
        "annotations": {},
        "cgroupMount": "",
        "cgroupPath": "",
        "cgroupManager": "cgroupfs",
        "ownPidNamespace": True,
        "terminal": False,
        "hooks": False,
        "needsPython": False,
        "rootless": False,
    }


def site() -> str:
    """Where this interpreter finds pydantic-core: the build may have noted another interpreter's."""
    spec = importlib.util.find_spec("pydantic_core")
    assert spec
    assert spec.origin
    return str(Path(spec.origin).parents[1])


def modules(home: Path, *argv: str, bundle: Path | None = None) -> set[str]:
    """The modules that a command line has loaded when it ends or becomes the executor; `bundle` stands for the one that is run."""
    reading, writing = os.pipe()
    program = "import os; os.dup2(int(os.sys.argv[1]), 3); os.execv(os.sys.argv[2], os.sys.argv[2:])"
    command = [
        BASE_PYTHON,
        "-I",
        "-S",
        "-c",
        DRIVER,
        str(CHECKOUT),
        site(),
        str(bundle or "-c"),
        "--root",
        str(home / "root"),
        *argv,
    ]
    result = subprocess.run(
        [sys.executable, "-c", program, str(writing), *command],
        capture_output=True,
        text=True,
        pass_fds=[writing],
        cwd=home,
    )
    os.close(writing)
    with os.fdopen(reading) as file:
        names = file.read().split()
    assert result.returncode == 0, result.stderr
    assert names, result.stderr
    return set(names)


def foreign(names: set[str]) -> set[str]:
    """Those that are not this project's."""
    return {name for name in names if name.partition(".")[0] not in {"runtime", "oci_schemas"}}


def compiled_schemas_fit() -> bool:
    """Whether the schemas were compiled for the pydantic-core that is installed."""
    try:
        from oci_schemas import _compiled
    except ImportError:
        return False
    from importlib.metadata import version

    return bool(version("pydantic-core") == _compiled.CORE_VERSION)


hot = pytest.mark.skipif(
    not compiled_schemas_fit(), reason="the schemas were not compiled for the installed pydantic-core"
)


@hot
@pytest.mark.parametrize(
    "argv",
    [
        ("create", "--bundle", "b", "new"),
        ("run", "--bundle", "b", "-d", "new"),
        ("exec", "web", "true"),
        ("exec", "-d", "--pid-file", "p", "web", "true"),
    ],
    ids=" ".join,
)
def test_hot_verbs_import_only_what_is_allowed(home: Path, argv: tuple[str, ...]) -> None:
    """Nothing foreign but C modules, and nothing of ours that belongs to other verbs."""
    names = modules(home, *argv)
    assert foreign(names) <= FOREIGN
    assert not [name for name in names if name.startswith(COLD)]


@hot
def test_no_filter_no_compiler(home: Path) -> None:
    """A config without seccomp loads neither the compiler nor a system call table."""
    names = modules(home, "create", "--bundle", "b", "new")
    assert {name for name in names if name.startswith("runtime.seccomp.")} <= {"runtime.seccomp.program"}
    assert not any(name.startswith("runtime.seccomp.tables") for name in names)


@hot
def test_a_container_without_a_policy_loads_nothing_of_policies(home: Path) -> None:
    """It costs one failed look for the site's config."""
    names = modules(home, "--policy-dir", str(home / "site"), "create", "--bundle", "b", "new")
    assert not [name for name in names if name.startswith("runtime.policy")]


@hot
@pytest.mark.parametrize("policy", ["agent", "mine"])
def test_a_policy_that_was_compiled_loads_no_compiler(home: Path, policy: str) -> None:
    """Neither one that is built in nor a file that was used before; and no YAML parser."""
    (home / "site" / "policies").mkdir(parents=True)
    (home / "site" / "policies" / "mine.yaml").write_text("name: mine\nfilesystem: {write: [/tmp]}\n")
    site = ("--policy-dir", str(home / "site"))
    modules(home, *site, "policy", "compile", policy)
    names = modules(home, *site, "create", "--bundle", "b", "--policy", policy, "new")
    assert foreign(names) <= FOREIGN
    compiler = ("compiling", "load", "lines", "schema", "normalise", "names", "categories", "site_file", "tables")
    assert not names & {f"runtime.policy.{name}" for name in compiler}


@hot
@pytest.mark.parametrize("argv", [("create", "--bundle", "b", "new"), ("exec", "web", "true")], ids=" ".join)
def test_no_policy_nothing_of_it(home: Path, argv: tuple[str, ...]) -> None:
    """Who asks for no policy does not pay for there being any."""
    names = modules(home, "--policy-dir", str(home / "site"), *argv)
    assert not [
        name for name in names if name.startswith(("runtime.policy.", "runtime.broker", "runtime.commands.gate_"))
    ]


@hot
def test_a_policy_stays_hot(home: Path) -> None:
    """Lowered and compiled in the planner: nothing of the language, nothing foreign but C modules."""
    names = modules(home, "--policy", "agent", "create", "--bundle", "b", "new")
    assert foreign(names) <= FOREIGN
    assert not [
        name
        for name in names
        if name.startswith((*COLD, "runtime.policy.schema", "runtime.policy.load", "runtime.broker."))
    ]


@hot
def test_exec_of_a_process_file(home: Path) -> None:
    """--process is checked by compiled schemas too."""
    process = {"cwd": "/", "args": ["true"], "user": {"uid": 0, "gid": 0}}
    (home / "process.json").write_text(json.dumps(process))
    assert foreign(modules(home, "exec", "--process", "process.json", "web")) <= FOREIGN


@hot
@pytest.mark.parametrize(
    "argv",
    [
        ("list",),
        ("list", "-f", "json"),
        ("state", "web"),
        ("features",),
        ("plan", "--bundle", "b"),
        ("--version",),
        ("--help",),
    ],
    ids=" ".join,
)
def test_cold_verbs_stay_light(home: Path, argv: tuple[str, ...]) -> None:
    """They may load more of ours, but nothing that costs milliseconds."""
    assert not EXPENSIVE & foreign(modules(home, *argv))


@hot
@pytest.mark.parametrize("verb", ["start", "kill", "delete"])
def test_verbs_that_call_back(home: Path, verb: str) -> None:
    """What the front hands over reaches the front again without anything expensive."""
    assert not EXPENSIVE & foreign(modules(home, verb, "web"))


def test_importing_the_command_line_costs_few_modules() -> None:
    """Parsing argv needs no more than a dozen modules; the verb brings the rest."""
    code = "import sys; sys.path.append(sys.argv[1]); import runtime.cli.main; print(*(n for n in sys.modules if n[:7] == 'runtime'))"
    result = subprocess.run(
        [BASE_PYTHON, "-I", "-S", "-c", code, str(CHECKOUT)], capture_output=True, text=True, check=True
    )
    assert len(result.stdout.split()) <= 14


def test_asking_for_a_broker_lowers_nothing() -> None:
    """Each create and exec under a policy that needs one does it, also where everything else is known from before."""
    code = "import sys; sys.path.append(sys.argv[1]); import runtime.commands.brokering; print(*(n for n in sys.modules if n[:7] == 'runtime'))"
    result = subprocess.run(
        [BASE_PYTHON, "-I", "-S", "-c", code, str(CHECKOUT)], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    assert {name for name in loaded if name.startswith("runtime.policy.")} <= {
        "runtime.policy.broker_rights",
        "runtime.policy.trusted",
    }
    assert not {name for name in loaded if name.startswith(("runtime.seccomp.", "runtime.plan."))}
