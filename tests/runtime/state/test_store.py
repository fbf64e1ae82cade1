"""State directories read by Python, judged by the C reader: what C accepts means the same in both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ContainerNotFound, InvalidId, LifecycleError, SafetyViolation, SyscallError
from runtime.state import store
from runtime.state.container_id import check_id
from runtime.syscalls._native import ffi, lib
from tests.runtime.native.containers import DEFAULTS, Containers, canonical, start_time

TEXTS = {
    "oci_version": "oci_version",
    "id": "container_id",
    "bundle": "bundle",
    "rootfs": "rootfs",
    "created": "created",
    "owner": "owner",
    "cgroup_mount": "cgroup_mount",
    "cgroup_path": "cgroup_path",
    "cgroup_manager": "cgroup_manager",
}
SAME = ("own_pid_namespace", "terminal", "hooks", "needs_python", "rootless", "pid", "start_time")

# one for the whole module: a megabyte that each parse fills from the start
NATIVE = ffi.new("struct container_state *")


def parse_native(data: bytes) -> dict[str, Any] | None:
    """What C reads out of a state.json, with Python's names; None when it is not in the canonical form."""
    assert len(data) < lib.STATE_MAX
    ffi.memmove(NATIVE.buffer, data + b"\0", len(data) + 1)
    if lib.state_parse(NATIVE, len(data)) != 0:
        return None
    facts: dict[str, Any] = {name: getattr(NATIVE, name) for name in SAME}
    facts["phase"] = "creating" if NATIVE.creating else "created"
    for name, attribute in TEXTS.items():
        raw = getattr(NATIVE, name)
        facts[attribute] = json.loads(b'"' + bytes(ffi.buffer(raw.data, raw.size)) + b'"')
    facts["annotations"] = json.loads(bytes(ffi.buffer(NATIVE.annotations.data, NATIVE.annotations.size)))
    return facts


def as_facts(state: store.ContainerState) -> dict[str, Any]:
    """A record as a mapping."""
    return {name: getattr(state, name) for name in store.ContainerState.__annotations__}


SAMPLE = {**DEFAULTS, "id": "web", "pid": 4422, "startTime": 123456, "annotations": {"a": "b", "c": "d"}}

text = st.text(st.characters(codec="utf-8"), max_size=30)
states = st.fixed_dictionaries(
    {key: st.just(value) for key, value in DEFAULTS.items()}
    | {
        "id": st.from_regex(r"[A-Za-z0-9_+.-]{1,20}", fullmatch=True),
        "phase": st.sampled_from(["creating", "created"]),
        "pid": st.integers(1, 2**31 - 1),
        "startTime": st.integers(0, 2**63 - 1),
        "annotations": st.dictionaries(text.filter(bool), text, max_size=5),
        "ownPidNamespace": st.booleans(),
        "terminal": st.booleans(),
        "hooks": st.booleans(),
        "needsPython": st.booleans(),
        "rootless": st.booleans(),
    }
    | dict.fromkeys(("ociVersion", "bundle", "rootfs", "created", "owner"), text)
    | dict.fromkeys(("cgroupMount", "cgroupPath", "cgroupManager"), text)
)


@given(states)
def test_property_both_readers_agree_on_what_the_planner_writes(values: dict[str, Any]) -> None:
    """Every state in the canonical form is read in C, with the values that Python reads."""
    data = canonical(values)
    assert parse_native(data) == as_facts(store.parse_state(data))


@given(states, st.data())
def test_property_what_c_accepts_python_accepts_too(values: dict[str, Any], data: st.DataObject) -> None:
    """A mutated file is refused, or means the same to both; C never reads a file that is no JSON."""
    raw = bytearray(canonical(values))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["byte", "insert", "cut", "delete"]))
        if kind == "byte":
            raw[at] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            raw[at:at] = data.draw(
                st.sampled_from(
                    [b'"', b"\\", b"\\u0000", b"\\ud83d\\ude00", b"\\ud800", b",", b"\0", b"\xff", b" ", b"0"]
                )
            )
        elif kind == "cut" and at > 0:
            del raw[at:]
        else:
            del raw[at : at + data.draw(st.integers(1, 40))]
        if not raw:
            break
    facts = parse_native(bytes(raw))
    if facts is not None:
        assert facts == as_facts(store.parse_state(bytes(raw)))


@given(st.binary(max_size=400))
def test_property_random_bytes_are_refused_by_both(data: bytes) -> None:
    """Neither reader crashes, neither finds a container in noise."""
    assert parse_native(data) is None
    with pytest.raises(ValueError, match=r"."):
        store.parse_state(data)


@pytest.mark.parametrize(
    "change",
    [
        {"pid": 0},
        {"pid": 2**31},
        {"pid": True},
        {"pid": -1},
        {"startTime": -1},
        {"phase": "running"},
        {"posternState": 2},
        {"posternState": True},
        {"posternState": None},
        {"annotations": {"a": 1}},
        {"annotations": None},
        {"annotations": "a"},
        {"hooks": 1},
        {"hooks": "true"},
        {"bundle": None},
        {"bundle": 5},
    ],
)
def test_wrong_values_are_refused_by_both(change: dict[str, Any]) -> None:
    """Types and ranges are the file's contract."""
    data = canonical({**SAMPLE, **change})
    assert parse_native(data) is None
    with pytest.raises(ValueError, match=r"."):
        store.parse_state(data)


@pytest.mark.parametrize("key", list(DEFAULTS))
def test_a_missing_key_is_refused_by_both(key: str) -> None:
    """Nothing has a default."""
    data = canonical({name: value for name, value in SAMPLE.items() if name != key})
    assert parse_native(data) is None
    with pytest.raises(ValueError, match=r"."):
        store.parse_state(data)


def test_any_other_json_of_the_same_state_is_read_by_python() -> None:
    """Indented, reordered, with more keys: the front hands such a file over."""
    data = json.dumps({"more": 1, **dict(reversed(SAMPLE.items()))}, indent=4).encode()
    assert parse_native(data) is None
    assert as_facts(store.parse_state(data)) == parse_native(canonical(SAMPLE))


def test_escaped_surrogates_must_be_paired() -> None:
    """A lone one has no UTF-8 form."""
    pair, lone = (canonical(SAMPLE).replace(b'"/b"', value) for value in (rb'"\ud83d\ude00"', rb'"\ud83d\u0041"'))
    facts = parse_native(pair)
    assert facts is not None
    assert facts["bundle"] == "\N{GRINNING FACE}"
    assert parse_native(lone) is None


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """An empty state root."""
    made = Containers(tmp_path / "root")
    made.root.mkdir()
    yield made
    made.close()


def native_status(directory: Path) -> str:
    """The status that C computes."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        assert lib.state_read(fd, NATIVE) == 0
        return store.STATUSES[lib.state_status(fd, NATIVE)]
    finally:
        os.close(fd)


def python_status(root: Path, name: str) -> str:
    """The status that Python computes."""
    _state, status, fd = store.load_container(str(root), name)
    os.close(fd)
    return status


def test_both_readers_see_the_same_status(containers: Containers) -> None:
    """In every status, from the same files and processes."""
    group = containers.root.parent / "cg"
    group.mkdir()
    (group / "cgroup.freeze").write_text("1\n")
    pid = containers.process().pid
    frozen = {"cgroupMount": str(containers.root.parent), "cgroupPath": "cg"}
    expected = {
        "creating": containers.make("creating", pid, phase="creating"),
        "created": containers.make("created", pid, fifo=True),
        "running": containers.make("running", pid),
        "paused": containers.make("paused", pid, fifo=True, **frozen),
        "stopped": containers.ended("stopped", **frozen),
    }
    expected["running"].joinpath("unrelated").write_text("")
    for status, directory in expected.items():
        assert native_status(directory) == status
        assert python_status(containers.root, status) == status


def test_start_times_agree(containers: Containers) -> None:
    """For a live process, and none for a process that is gone."""
    process = containers.process()
    expected = start_time(process.pid)
    assert store.process_start_time(process.pid) == lib.process_start_time(process.pid) == expected
    process.kill()
    process.wait()
    assert store.process_start_time(process.pid) == lib.process_start_time(process.pid) == 0


@given(
    st.one_of(
        st.text(max_size=12),
        st.text("abcXYZ019_+.-/", max_size=12),
        st.sampled_from([".", "..", "a" * 1023, "a" * 1024]),
    )
)
def test_property_both_doors_know_the_same_ids(container_id: str) -> None:
    """A path is only ever made of what both accept."""
    if "\0" in container_id:
        return
    if lib.id_is_valid(container_id.encode()):
        assert check_id(container_id) == container_id
    else:
        with pytest.raises(InvalidId, match=r"^(container id cannot be empty|invalid container ID format)$"):
            check_id(container_id)


def test_missing_containers_have_runcs_words(containers: Containers) -> None:
    """Engines search for them."""
    (containers.root / "empty").mkdir()
    for name in ("none", "empty"):
        with pytest.raises(ContainerNotFound, match=r"^container does not exist$"):
            store.load_container(str(containers.root), name)


def test_a_damaged_state_names_what_is_wrong(containers: Containers) -> None:
    """One line, no traceback, and the descriptor is not leaked."""
    directory = containers.make("web", os.getpid())
    directory.joinpath("state.json").write_text("{")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LifecycleError, match=r"^state\.json cannot be understood: "):
        store.load_container(str(containers.root), "web")
    assert len(os.listdir("/proc/self/fd")) == before


def test_symlinks_are_not_followed(containers: Containers) -> None:
    """Neither as the directory nor as a file in it."""
    directory = containers.make("web", os.getpid())
    (containers.root / "link").symlink_to("web")
    with pytest.raises(SyscallError, match="not a directory"):
        store.open_directory(str(containers.root), "link")
    directory.joinpath("state.json").rename(directory / "real")
    directory.joinpath("state.json").symlink_to("real")
    with pytest.raises(SyscallError, match="too many levels of symbolic links"):
        store.load_container(str(containers.root), "web")


def test_a_fifo_or_a_huge_file_does_not_stop_a_reader(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are refused at once."""
    directory = containers.make("web", os.getpid())
    (directory / "state.json").unlink()
    os.mkfifo(directory / "state.json")
    with pytest.raises(LifecycleError):
        store.load_container(str(containers.root), "web")
    monkeypatch.setattr(store, "FILE_MAX", 100)
    (directory / "big").write_bytes(bytes(101))
    fd = store.open_directory(str(containers.root), "web")
    try:
        with pytest.raises(SafetyViolation, match="more than 100 bytes"):
            store.read_file(fd, "big")
    finally:
        os.close(fd)


def test_list_skips_what_it_cannot_read(containers: Containers) -> None:
    """By ID, with a warning for each broken entry, silent about those that are no containers or can be none."""
    containers.make("b", os.getpid())
    containers.make("a", os.getpid())
    containers.make("broken", os.getpid()).joinpath("state.json").write_text("[]")
    (containers.root / "empty").mkdir()
    (containers.root / "file").write_text("")
    (containers.root / "not an id").mkdir()
    containers.make("@filters", os.getpid())
    warnings: list[str] = []
    found = store.list_containers(str(containers.root), warnings.append)
    assert [(state.container_id, status) for state, status in found] == [("a", "running"), ("b", "running")]
    assert [line.partition(":")[0] for line in warnings] == [
        "load container broken",
        "load container file",
    ]
    assert store.list_containers(f"{containers.root}/none", warnings.append) == []


def test_the_document_is_what_the_front_prints() -> None:
    """Same keys in the same order; a stopped container has no pid."""
    state = store.parse_state(canonical(SAMPLE))
    assert list(store.state_document(state, "running")) == [
        "ociVersion",
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
        "annotations",
        "owner",
    ]
    assert store.state_document(state, "stopped")["pid"] == 0
    bare = store.parse_state(canonical({**SAMPLE, "annotations": {}}))
    assert "annotations" not in store.state_document(bare, "running")
