"""The hot loader: what it accepts, what it returns, what it refuses and how it says so."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from oci_schemas.validate import Invalid, load_config, load_process, load_resources, load_state
from tests.oci_schemas.documents import CONFIG, DOCUMENTS, PROCESS, RESOURCES, STATE, Place, changed, without
from tests.oci_schemas.loading import HOT, as_json, load_full, load_hot, violations

MINIMAL = {"ociVersion": "1.0.2-dev", "root": {"path": "rootfs"}}


@pytest.mark.parametrize("name", sorted(HOT))
def test_a_complete_document_comes_back_unchanged(name: str) -> None:
    """Every property of the specification is known, and its value is returned as it is."""
    assert load_hot(name, as_json(DOCUMENTS[name])) == (DOCUMENTS[name], [])


def test_what_is_not_given_stays_absent() -> None:
    """No default is filled in."""
    assert load_config(as_json(MINIMAL)) == MINIMAL


def test_null_means_not_given() -> None:
    """Null is accepted for whatever is optional, and comes back as None."""
    document = {**MINIMAL, "mounts": None, "linux": {"seccomp": None, "namespaces": None}, "hostname": None}
    assert load_config(as_json(document)) == document


def test_unknown_properties_are_dropped_at_every_level() -> None:
    """config.md#extensibility: they are ignored, whatever they hold."""
    document = {**MINIMAL, "x": {"y": [1.5]}, "linux": {"z": "\0", "resources": {"q": {}}}}
    assert load_config(as_json(document)) == {**MINIMAL, "linux": {"resources": {}}}


def test_a_repeated_property_counts_once_and_the_last_wins() -> None:
    """As in Go."""
    data = b'{"ociVersion": "1.0.0", "root": {"path": "a"}, "root": {"path": "b"}, "hostname": "x", "hostname": "y"}'
    assert load_config(data) == {"ociVersion": "1.0.0", "root": {"path": "b"}, "hostname": "y"}


@pytest.mark.parametrize("version", ["1.0.0", "1.0", "1.0.2-dev", "1.3.0+dev", "99.0.0", "1.0.0-rc5-dev"])
def test_any_semantic_version_is_accepted(version: str) -> None:
    """runc accepts versions that it does not know."""
    assert load_config(as_json({**MINIMAL, "ociVersion": version}))["ociVersion"] == version


@pytest.mark.parametrize("version", ["", "1", "v1.0.0", "1.x", "latest", "1.0.0.0", "\u0661.\u0660.\u0660"])
def test_what_is_no_version_is_refused(version: str) -> None:
    """config.md: a SemVer version."""
    assert list(violations("config", {**MINIMAL, "ociVersion": version})) == ["/ociVersion"]


def test_unknown_capabilities_are_accepted() -> None:
    """config.md#linux-process: they lead to a warning, never to an error."""
    process = {**PROCESS, "capabilities": {"bounding": ["CAP_NO_SUCH", "anything"]}}
    assert load_process(as_json(process))["capabilities"] == {"bounding": ["CAP_NO_SUCH", "anything"]}


@pytest.mark.parametrize("word", ["rshared", "rslave", "rprivate", "runbindable", ""])
def test_the_recursive_propagation_words_are_accepted(word: str) -> None:
    """Engines send them, runc takes them."""
    document = {**MINIMAL, "linux": {"rootfsPropagation": word}}
    assert load_config(as_json(document)) == document


def test_an_unset_swappiness_of_minus_one_is_accepted() -> None:
    """Engines that keep -1 for "unset" send it as an unsigned number."""
    resources = {"memory": {"swappiness": 2**64 - 1}}
    assert load_resources(as_json(resources)) == resources


@pytest.mark.parametrize(
    ("place", "value", "where", "message"),
    [
        (("process", "args"), [], "/process/args", "args must not be empty"),
        (("process", "cwd"), "tmp", "/process/cwd", "Cwd must be an absolute path"),
        (("process", "cwd"), "", "/process/cwd", "Cwd property must not be empty"),
        (("process", "env"), ["A=b", "A"], "/process/env/1", 'environment variable "A" is not NAME=value'),
        (("process", "env"), ["=b"], "/process/env/0", 'environment variable "=b" is not NAME=value'),
        (("process", "terminal"), 1, "/process/terminal", "must be a boolean, not 1"),
        (("process", "user", "uid"), 2**32, "/process/user/uid", "must be at most 4294967295, not 4294967296"),
        (("process", "user", "uid"), -1, "/process/user/uid", "must be at least 0, not -1"),
        (("process", "user", "uid"), 1.0, "/process/user/uid", "must be an integer, not 1.0"),
        (("process", "user", "uid"), "1", "/process/user/uid", "must be an integer, not a string"),
        (("process", "user", "uid"), True, "/process/user/uid", "must be an integer, not true"),
        (("process", "args", 0), None, "/process/args/0", "must be a string, not null"),
        (("process", "user"), [], "/process/user", "must be an object, not an array"),
        (("root", "path"), "", "/root/path", "must not be empty"),
        (("annotations",), {"": "x"}, "/annotations/", "the property name must not be empty"),
        (("annotations",), {"a/b~c": 1}, "/annotations/a~1b~0c", "must be a string, not 1"),
        (("hooks", "poststop", 0, "timeout"), 0, "/hooks/poststop/0/timeout", "must be at least 1, not 0"),
        (("hooks", "poststop", 0, "path"), "x", "/hooks/poststop/0/path", 'must be an absolute path, not "x"'),
        (("linux", "maskedPaths"), ["/a", "b"], "/linux/maskedPaths/1", 'must be an absolute path, not "b"'),
        (("linux", "namespaces", 0, "path"), "ns", "/linux/namespaces/0/path", 'must be an absolute path, not "ns"'),
        (
            ("linux", "namespaces", 0, "type"),
            "filesystem",
            "/linux/namespaces/0/type",
            'unknown value "filesystem", must be one of pid, network, mount, ipc, uts, user, cgroup, time',
        ),
        (
            ("linux", "seccomp", "defaultAction"),
            "scmp_act_err",
            "/linux/seccomp/defaultAction",
            'unknown value "scmp_act_err", did you mean "SCMP_ACT_ERRNO"?',
        ),
        (
            ("linux", "resources", "unified"),
            {"a/b": "x"},
            "/linux/resources/unified/a~1b",
            'unified resource "a/b" must be a file name (no slashes)',
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_reason(place: Place, value: Any, where: str, message: str) -> None:
    """One violation each, in words that a person can act on."""
    assert violations("config", changed(CONFIG, place, value)) == {where: message}


def test_a_missing_property_is_named_where_it_should_be() -> None:
    """The pointer leads to the absent property."""
    document = without(CONFIG, ("linux", "seccomp", "syscalls", 0, "action"))
    assert violations("config", document) == {"/linux/seccomp/syscalls/0/action": "required property is missing"}


def test_every_violation_is_reported_in_one_line() -> None:
    """Wrong types, broken patterns and broken rules of one document come together, at the document's own indices."""
    document = {
        "ociVersion": 1,
        "process": {"cwd": "x", "args": [], "env": ["a", 5, "b=c", "=d"]},
        "linux": {
            "maskedPaths": ["a", 1, "b"],
            "namespaces": [{"type": "pids"}, {"type": "pid"}, {"type": "pid"}],
            "z": "\0",
        },
    }
    with pytest.raises(Invalid) as caught:
        load_config(as_json(document))
    assert [pointer for pointer, _ in caught.value.violations] == [
        "/linux/maskedPaths/0",
        "/linux/maskedPaths/1",
        "/linux/maskedPaths/2",
        "/linux/namespaces/0/type",
        "/linux/namespaces/2/type",
        "/ociVersion",
        "/process/args",
        "/process/cwd",
        "/process/env/0",
        "/process/env/1",
        "/process/env/3",
        "/root",
    ]
    assert str(caught.value).startswith('/linux/maskedPaths/0: must be an absolute path, not "a"; ')
    assert "\n" not in str(caught.value)


def test_a_wrong_value_does_not_cause_violations_that_only_follow_from_it() -> None:
    """A broken `args` is no empty `args`, and broken mappings are no missing mappings."""
    document = changed(CONFIG, ("process", "args"), 5)
    document = changed(document, ("mounts", 0, "gidMappings"), "x")
    assert list(violations("config", document)) == ["/mounts/0/gidMappings", "/process/args"]


def test_a_message_stays_on_one_line_and_short() -> None:
    """Control characters are escaped, long values are cut."""
    document = changed(CONFIG, ("linux", "maskedPaths", 0), "a\n\x1b[31m" + "b" * 500)
    ((_, message),) = violations("config", document).items()
    assert message.startswith('must be an absolute path, not "a\\n\\x1b[31mbbb')
    assert len(message) < 120
    document = changed(CONFIG, ("annotations",), {"a\nb": 1})
    assert list(violations("config", document)) == ["/annotations/a\\nb"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"ociVersion": "\xff"}',
        b'{"ociVersion": "\\ud800"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 100000,
        b'{"ociVersion":' + b"9" * 10000 + b"}",
        b"{'ociVersion': '1.0.0'}",
    ],
)
@pytest.mark.parametrize("name", sorted(HOT))
def test_text_that_is_no_document_is_refused(name: str, data: bytes) -> None:
    """Truncated, foreign, badly encoded, too deep or too big: one violation of the whole."""
    value, found = load_hot(name, data)
    assert value is None
    assert found
    assert all("\n" not in message for _, message in found)


@pytest.mark.parametrize("place", [("hostname",), ("process", "args", 0), ("linux", "sysctl", "net.ipv4.ip_forward")])
def test_a_nul_character_is_refused(place: Place) -> None:
    """It would cut a path, an argument or a value short in the kernel."""
    pointer = "".join(f"/{step}" for step in place)
    assert violations("config", changed(CONFIG, place, "a\0b")) == {pointer: "contains a NUL character"}


def test_a_nul_character_in_a_name_is_refused() -> None:
    """Names of maps become files and devices."""
    document = {**MINIMAL, "linux": {"sysctl": {"a\0b": "1"}}}
    assert violations("config", document) == {"/linux/sysctl/a\\x00b": "the property name contains a NUL character"}


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    """The text of the escape, not the character."""
    document = {**MINIMAL, "hostname": "\\u0000"}
    assert load_config(as_json(document)) == document


def test_a_state_needs_a_pid_only_while_there_is_a_process() -> None:
    """runtime.md#state."""
    stopped = {**without(STATE, ("pid",)), "status": "stopped"}
    assert load_state(as_json(stopped)) == stopped
    assert violations("state", {**stopped, "status": "created"}) == {"/pid": "a created container needs a pid"}


def test_the_hot_loader_falls_back_to_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing compiled, or compiled for another pydantic-core: the same data and the same violations."""
    good, bad = as_json(CONFIG), as_json({**CONFIG, "hostname": 5, "root": {}})
    compiled = load_hot("config", good), load_hot("config", bad)
    monkeypatch.setattr("oci_schemas.validate._compiled", SimpleNamespace(CORE_VERSION="0.0.0"))
    assert (load_hot("config", good), load_hot("config", bad)) == compiled
    monkeypatch.setattr("oci_schemas.validate._compiled", None)
    assert (load_hot("config", good), load_hot("config", bad)) == compiled


def test_the_models_say_the_same_by_themselves() -> None:
    """A model that is used directly, without the hot loader, applies the rules too."""
    for name, document in (("config", CONFIG), ("process", PROCESS), ("resources", RESOURCES), ("state", STATE)):
        assert load_full(name, json.dumps(document).encode()) == (document, [])
    twice = changed(CONFIG, ("linux", "namespaces"), [{"type": "pid"}, {"type": "pid"}])
    assert load_full("config", as_json(twice))[1] == [
        ("/linux/namespaces/1/type", 'malformed spec file: duplicated ns "pid"')
    ]
