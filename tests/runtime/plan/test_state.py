"""What is remembered: state.json in the front's form, the OCI state for hooks, the saved config."""

import json

import pytest

from runtime.plan.launch_plan import LaunchPlan
from tests.runtime.plan.drafting import config, names, one, ops, plan


def saved(found: LaunchPlan) -> str:
    """state.json as the executor puts it together."""
    places = one(found, "SAVE_STATE", "COMMIT").places
    return f'{places["head"]}created",\n"pid": 5,\n"startTime": 6{places["tail"]}'


def test_state_is_json_with_one_key_a_line() -> None:
    """In the order of runtime/native/state_file.h, which the front relies on."""
    made = config(annotations={"a": 'q"\n', "b": "é"})
    text = saved(plan(made, asked={"bundle": "/b c"}))
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("{", "}")
    assert [line.partition('"')[2].partition('"')[0] for line in lines[1:-1]] == [
        "posternState",
        "ociVersion",
        "id",
        "phase",
        "pid",
        "startTime",
        "bundle",
        "rootfs",
        "created",
        "owner",
        "annotations",
        "cgroupMount",
        "cgroupPath",
        "cgroupManager",
        "ownPidNamespace",
        "terminal",
        "hooks",
        "needsPython",
        "rootless",
    ]
    data = json.loads(text)
    assert data["annotations"] == made["annotations"]
    assert (data["bundle"], data["rootfs"], data["cgroupPath"]) == ("/b c", "/b c/rootfs", "/system.slice/web")
    assert data["ownPidNamespace"] is True


def test_a_container_without_a_cgroup_says_so() -> None:
    """Empty strings, not absent keys."""
    data = json.loads(saved(plan(asked={"cgroup_manager": "disabled"})))
    assert (data["cgroupMount"], data["cgroupPath"], data["cgroupManager"]) == ("", "", "disabled")


def test_state_is_saved_before_anything_is_made() -> None:
    """kill -9 at any step leaves what delete --force finds."""
    found = plan()
    assert names(found, "HOST")[:2] == ["STATE_DIR", "SAVE_STATE"]
    first, last = ops(found, "SAVE_STATE")
    assert first.flags
    assert not last.flags
    assert first.places == last.places
    assert names(found, "COMMIT")[0] == "SAVE_STATE"


@pytest.mark.parametrize("annotations", [None, {"k": "v"}])
def test_oci_state(annotations: dict[str, str] | None) -> None:
    """runtime.md#state; annotations only when there are any."""
    found = plan(config(annotations=annotations))
    state = json.loads(f'{found.state_head}running","pid":7{found.state_tail}')
    expected = {"ociVersion": "1.3.0", "id": "web", "status": "running", "pid": 7, "bundle": "/b"}
    assert state == (expected | {"annotations": annotations} if annotations else expected)


def test_the_config_is_saved_for_exec() -> None:
    """As it was read when the caller has the bytes, written anew otherwise."""
    assert one(plan(asked={"config_json": b'{"raw": 1}'}), "SAVE_FILE").blob == b'{"raw": 1}'
    made = config()
    blob = one(plan(made), "SAVE_FILE").blob
    assert isinstance(blob, bytes)
    assert json.loads(blob) == made
