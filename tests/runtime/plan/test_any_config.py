"""Whatever config is valid either has a plan or is refused in one line; nothing else comes out of the planner."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from oci_schemas.validate import Invalid, load_config, load_process
from runtime.errors import OciError
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.exec_plan import compile_exec
from runtime.plan.explain import explain, explain_json
from runtime.plan.mount_options import MOUNT_OPTIONS
from runtime.seccomp.program import Filter
from tests.oci_schemas.documents import DOCUMENTS, Place, places, without
from tests.runtime.plan.drafting import FILTER, ROOTLESS, exec_options, facts, options

_PROGRAM = Path(__file__).parents[3] / "build" / "postern"
_NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
_HOSTS: tuple[dict[str, Any], ...] = (
    {},
    {"cgroup_mount": None},
    {"cgroup_controllers": ("hugetlb",), "cgroup_hybrid": True},
    {"initial_userns": False, "capabilities": 0x1FF},
    {"lsms": ("apparmor", "selinux")},
    ROOTLESS,
)
_CALLS: tuple[dict[str, Any], ...] = (
    {},
    {"mode": "RUN"},
    {"mode": "RUN", "detach": True, "keep": True},
    {"console_socket": "/c", "pidfd_socket": "/p", "pid_file": "/f"},
    {"rootless": True, "no_pivot": True, "no_new_keyring": True},
    {"cgroup_manager": "disabled", "listen_fds": 1, "notify_socket": "/n"},
)
# what the planner refuses in the document that has everything
_REFUSED: tuple[Place, ...] = (
    ("linux", "intelRdt"),
    ("linux", "netDevices"),
    ("linux", "resources", "cpu", "realtimeRuntime"),
    ("linux", "resources", "cpu", "realtimePeriod"),
    ("linux", "resources", "memory", "swappiness"),
    ("linux", "resources", "blockIO", "leafWeight"),
    ("linux", "resources", "blockIO", "weightDevice", 0, "leafWeight"),
    ("linux", "resources", "network"),
    ("linux", "sysctl"),
    ("linux", "mountLabel"),
    ("process", "apparmorProfile"),
    ("process", "selinuxLabel"),
    ("process", "terminal"),
    ("process", "user", "additionalGids"),
    ("hostname",),
    ("domainname",),
)
_NEEDED: tuple[Place, ...] = (("linux",), ("process",))
_FILTERS = (None, FILTER, Filter(FILTER.program, 0x3, True, ()))


def _one_line(error: OciError) -> None:
    assert str(error)
    assert "\n" not in str(error)


@st.composite
def mounts(draw: st.DrawFn) -> dict[str, Any]:
    """Any mount that the schema lets through."""
    kind = draw(st.sampled_from(["bind", "tmpfs", "proc", "sysfs", "cgroup", "devpts", "none", "ext4", None]))
    places_ = ["/", "/proc", "/proc/cpuinfo", "/proc/x", "/dev", "/sys/fs/cgroup", "a/../b", "/tmp"]
    made: dict[str, Any] = {"destination": draw(st.sampled_from(places_)), "type": kind}
    if draw(st.booleans()):
        made["source"] = draw(st.sampled_from(["/src", "src", "", "/proc"]))
    made["options"] = draw(st.lists(st.sampled_from([*MOUNT_OPTIONS, "size=1m", "x"]), max_size=6))
    if draw(st.booleans()):
        made["uidMappings"] = made["gidMappings"] = [{"containerID": 0, "hostID": 1, "size": 2}]
    return made


def _is_valid(made: dict[str, Any]) -> bool:
    try:
        load_config(json.dumps(made).encode())
    except Invalid:
        return False
    return True


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """The document that has everything, with parts left out and the parts that decide most drawn anew."""
    made: dict[str, Any] = DOCUMENTS["config"]
    for place in _REFUSED:
        if draw(st.integers(0, 30)) != 7:  # mostly, or nothing else would ever be looked at
            made = without(made, place)
    for _ in range(draw(st.integers(0, 8))):
        fewer = without(made, draw(st.sampled_from([place for place in places(made) if place not in _NEEDED])))
        if _is_valid(fewer):
            made = fewer
    kinds = draw(st.lists(st.sampled_from(_NAMESPACES), unique=True))
    spaces = [{"type": kind, **({"path": "/ns"} if draw(st.integers(0, 3)) == 0 else {})} for kind in ("mount", *kinds)]
    for kind, needing in (("user", ("uidMappings", "gidMappings")), ("time", ("timeOffsets",))):
        if kind not in kinds:
            made = {**made, "linux": {**made["linux"], **dict.fromkeys(needing)}}
    made = {**made, "linux": {**made["linux"], "namespaces": list({space["type"]: space for space in spaces}.values())}}
    if draw(st.booleans()):
        made["mounts"] = draw(st.lists(mounts(), max_size=2))
    return made


@given(configs(), st.sampled_from(_HOSTS), st.sampled_from(_CALLS), st.sampled_from(_FILTERS))
def test_a_valid_config_has_a_plan_or_a_reason(
    made: dict[str, Any], host: dict[str, Any], call: dict[str, Any], compiled: Filter | None
) -> None:
    """One line as the reason; equal bytes for equal inputs; every plan can be printed."""
    try:
        config = load_config(json.dumps(made).encode())
    except Invalid:
        event("invalid")
        return
    warnings: list[str] = []
    try:
        found = compile_create(config, options(**call), facts(**host), compiled, warnings)
    except OciError as error:
        event(type(error).__name__)
        _one_line(error)
        return
    event("planned")
    image = encode_plan(found)
    assert image == encode_plan(compile_create(config, options(**call), facts(**host), compiled, []))
    assert all("\n" not in line for line in warnings)
    assert explain(found).endswith("\n")
    json.dumps(explain_json(found))


@pytest.mark.skipif(not _PROGRAM.exists(), reason="build/postern is not built: make build")
@settings(max_examples=80)
@given(configs(), st.sampled_from(_HOSTS), st.sampled_from(_CALLS), st.sampled_from(_FILTERS))
def test_the_executor_accepts_every_plan(
    made: dict[str, Any], host: dict[str, Any], call: dict[str, Any], compiled: Filter | None
) -> None:
    """Its reader checks halves of stages, slots filled before they are used, bounds: the planner breaks none of it."""
    try:
        found = compile_create(load_config(json.dumps(made).encode()), options(**call), facts(**host), compiled, [])
    except (Invalid, OciError):
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(encode_plan(found))
        file.flush()
        result = subprocess.run([str(_PROGRAM), "plan-check", file.name], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@given(st.data())
def test_a_valid_process_can_be_added(data: st.DataObject) -> None:
    """exec: the same promise."""
    process: dict[str, Any] = DOCUMENTS["process"]
    for _ in range(data.draw(st.integers(0, 8))):
        if process:
            process = without(process, data.draw(st.sampled_from(places(process))))
    try:
        section = load_process(json.dumps(process).encode())
    except Invalid:
        return
    config = DOCUMENTS["config"]
    host = facts(**data.draw(st.sampled_from(_HOSTS)))
    asked: dict[str, Any] = data.draw(st.sampled_from([{}, {"detach": True, "console_socket": "/c"}, {"cgroup": "/x"}]))
    try:
        found = compile_exec(section, config, exec_options(**asked), host, data.draw(st.sampled_from(_FILTERS)))
    except OciError as error:
        _one_line(error)
        return
    encode_plan(found)
    explain(found)
