"""Complete documents with one thing changed: each property in every general way, some in ways of their own."""

import itertools
from collections.abc import Iterator
from typing import Any

from tests.oci_schemas.documents import DOCUMENTS, Place, changed, places, pointer, value_at, without

_CHANGES: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "number": 7,
    "fraction": 1.5,
    "text": "x",
    "empty text": "",
    "array": [],
    "object": {},
    "array of null": [None],
    "-1": -1,
    "-2**31-1": -(2**31) - 1,
    "-2**63-1": -(2**63) - 1,
    "2**16": 2**16,
    "2**32": 2**32,
    "2**63": 2**63,
    "2**64": 2**64,
}
_LATE = ("-2**31-1", "2**16", "-2**63-1")  # only where a number is: they tell integer types apart

Case = tuple[str, str, str]  # document, change, place


def _special_changes() -> Iterator[tuple[str, str, Place, Any]]:
    """(document, change, place, new value) of what only makes sense at one place."""
    config = DOCUMENTS["config"]
    mappings: tuple[Place, ...] = (("linux", "uidMappings"), ("linux", "gidMappings"), ("mounts", 0, "uidMappings"))
    for place in mappings:
        yield "config", "size 0", (*place, 0, "size"), 0
    lists: tuple[Place, ...] = (("linux", "namespaces"), ("process", "rlimits"))
    for place in lists:
        value = value_at(config, place)
        yield "config", "duplicate", (*place, 0), value[0]
    maps: tuple[Place, ...] = (
        ("annotations",),
        ("linux", "netDevices"),
        ("linux", "sysctl"),
        ("linux", "resources", "rdma"),
        ("linux", "resources", "unified"),
    )
    for place in maps:
        value = value_at(config, place)
        yield "config", "empty name", place, {**value, "": next(iter(value.values()))}
    yield "config", "NUL", ("hostname",), "a\0b"
    yield "config", "NUL", ("annotations",), {"a\0b": "value"}
    yield "state", "NUL", ("bundle",), "/a\0b"
    yield "config", "RLIMIT_NOSUCH", ("process", "rlimits", 0, "type"), "RLIMIT_NOSUCH"
    yield "config", "8", ("process", "ioPriority", "priority"), 8
    yield "config", "10**9", ("linux", "timeOffsets", "monotonic", "nanosecs"), 10**9
    yield "config", "other name", ("linux", "timeOffsets"), {"realtime": {}}
    yield "config", "long name", ("linux", "netDevices"), {"a" * 16: {}}
    yield "config", "long name", ("linux", "netDevices", "ens4"), {"name": "a" * 16}
    yield "config", "no weight", ("linux", "resources", "blockIO", "weightDevice", 0), {"major": 8, "minor": 0}
    for name in ("major", "minor"):
        yield "config", "-2", ("linux", "resources", "devices", 0, name), -2
    yield "config", "slash", ("linux", "resources", "unified"), {"../memory.max": "max"}
    yield "config", "slash", ("linux", "intelRdt", "closID"), "../other"
    yield "config", "two lines", ("linux", "intelRdt", "schemata", 0), "L3:0=f\nMB:0=1"
    yield "config", "two lines", ("linux", "intelRdt", "l3CacheSchema"), "L3:0=f\nMB:0=1"
    yield "config", "two lines", ("linux", "intelRdt", "memBwSchema"), "MB:0=1\nL3:0=f"
    yield "config", "flag", ("linux", "personality", "flags"), ["ADDR_NO_RANDOMIZE"]
    yield "config", "6", ("linux", "seccomp", "syscalls", 0, "args", 0, "index"), 6
    yield "config", "SCMP_ACT_ALLOW", ("linux", "seccomp", "defaultAction"), "SCMP_ACT_ALLOW"
    yield "config", "SCMP_ACT_ALLOW", ("linux", "seccomp", "syscalls", 0, "action"), "SCMP_ACT_ALLOW"
    yield "config", "SCMP_ACT_TRACE", ("linux", "seccomp", "syscalls", 0, "action"), "SCMP_ACT_TRACE"


def _changes_for_engines() -> Iterator[tuple[str, str, Place, Any]]:
    """The same, of what engines send or other platforms use."""
    config = DOCUMENTS["config"]
    linux, process = config["linux"], config["process"]
    yield "config", "rslave", ("linux", "rootfsPropagation"), "rslave"
    yield "config", "8624", ("linux", "devices", 0, "fileMode"), 0o20660
    yield "state", "paused", ("status",), "paused"
    yield "config", "wrong windows", (), {**config, "windows": 5}
    yield "config", "wrong vm", (), {**config, "vm": {}}
    yield "config", "unknown property", (), {**config, "org.example": {"x": [1.5, None]}}
    yield "config", "wrong commandLine", ("process",), {**process, "commandLine": 5}
    yield "config", "wrong username", ("process", "user"), {"username": 5}
    yield "config", "unknown property", ("linux",), {**linux, "nosuch": 5}


def cases() -> Iterator[tuple[Case, Any]]:
    """Every changed document, with what was changed."""
    for name in ("config", "state", "features"):
        document = DOCUMENTS[name]
        for place in places(document):
            yield (name, "absent", pointer(place)), without(document, place)
            numeric = type(value_at(document, place)) is int
            for change, value in _CHANGES.items():
                if numeric or change not in _LATE:
                    yield (name, change, pointer(place)), changed(document, place, value)
    for name, change, place, value in itertools.chain(_special_changes(), _changes_for_engines()):
        document = DOCUMENTS[name]
        if change == "duplicate":
            items = [*value_at(document, place[:-1]), value]
            yield (name, change, pointer(place)), changed(document, place[:-1], items)
        else:
            yield (name, change, pointer(place)), changed(document, place, value)


def reduced(document: Any, original: Any) -> Any:
    """Only the changed section of a configuration: the rest is judged the same, and costs time."""
    if "ociVersion" not in original or "linux" not in original:
        return document
    kept = {k: v for k, v in document.items() if k in ("ociVersion", "root") or v is not original.get(k)}
    ours, theirs = kept.get("linux"), original["linux"]
    if isinstance(ours, dict) and ours:
        kept["linux"] = {k: v for k, v in ours.items() if v is not theirs.get(k)}
    return kept
