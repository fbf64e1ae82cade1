"""The shape of policies: every violation at once, with its line and what may have been meant."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.load import format_found, load_policy
from runtime.policy.schema import Policy
from tests.runtime.policy.policies import violations_of


def test_every_violation_is_reported_at_once() -> None:
    """Wrong names, wrong shapes and wrong values in one go, in the order of the file."""
    text = """\
syscals: {}
syscalls:
  default: alow
  allow:
    - reed
    - {cal: write}
    -
    - {call: "@basic-io", when: ["arg0 = 1"]}
filesystem:
  write: [workspace, /tmp]
  execute: /usr
network:
  egress: [10.0.0.1/8, {allow: any, port: 3}]
limits: {wall_time: soon}
"""
    assert violations_of(text) == [
        'test.yaml:2: syscals: unknown key, did you mean "syscalls"?',
        'test.yaml:4: syscalls.default: unknown value "alow", did you mean "allow"?',
        'test.yaml:6: syscalls.allow[0]: unknown system call "reed", did you mean "read"?',
        'test.yaml:7: syscalls.allow[1].cal: unknown key, did you mean "call"?',
        "test.yaml:7: syscalls.allow[1].call: required property is missing",
        "test.yaml:8: syscalls.allow[2]: has no value",
        'test.yaml:9: syscalls.allow[3].when[0]: "arg0 = 1" is no condition, such as "arg0 == AF_UNIX" or "arg1 & 0xff == 3"',
        'test.yaml:11: filesystem.write[0]: "workspace" must be absolute: paths are those of the container',
        "test.yaml:12: filesystem.execute: must be an array, not a string",
        'test.yaml:14: network.egress[0]: "10.0.0.1/8" has bits beyond its prefix, did you mean "10.0.0.0/8"?',
        'test.yaml:14: network.egress[1].port: unknown key, did you mean "ports"?',
        'test.yaml:15: limits.wall_time: "soon" is no duration: numbers with d, h, m, s, ms, as in "1h30m"',
    ]


def test_a_key_without_a_value_is_no_policy() -> None:
    """Somebody who comments out every entry of a list must not get everything allowed."""
    assert violations_of("filesystem:\n  write:\n  # - /workspace\n") == ["test.yaml:3: filesystem.write: has no value"]
    assert violations_of("syscalls:\n") == ["test.yaml:2: syscalls: has no value"]


def test_one_container_cannot_ask_for_every_place_in_the_broker() -> None:
    """Decisions at a time are bounded by far less than what the broker holds for all."""
    assert violations_of("broker: {max_inflight: 512}\n") == []
    assert len(violations_of("broker: {max_inflight: 513}\n")) == 1


def test_what_follows_from_a_mistake_is_no_further_one() -> None:
    """A list is not empty, and a key not missing, because what stands there is wrong."""
    text = """\
network:
  egress: [{alow: any}]
  bind: [{ports: 1, protocols: [sctp]}, {ports: {}}]
broker: {mode: ask, handler: {}}
"""
    found = violations_of(text)
    assert [line.split(": ")[1] for line in found] == [
        "network.egress[0].alow",
        "network.bind[0].protocols[0]",
        "network.bind[1].ports[0]",
        "broker.handler",
    ]


def test_only_near_names_are_suggested() -> None:
    """A prefix in common makes nothing near."""
    text = "clone_flags: [CLONE_VM, CLONE_NEWUSR]\nioctl: [TIOCFOO]\nsyscalls: {errno: ENOPE}\n"
    assert [line.partition(", did you mean ")[2] for line in violations_of(text)] == ["", '"CLONE_NEWUSER"?', "", ""]


def test_deep_json_is_refused_like_deep_yaml() -> None:
    """With the same words."""
    deep = b'{"name": ' + b"[" * 100_000
    assert format_found("x", load_policy(deep, is_json=True).found) == ["x:1: is nested deeper than 16"]


def test_what_is_no_policy_at_all() -> None:
    """A list, a word, nothing, and a file without a name."""
    for text, line in (
        (b"- a", "f:1: must be a mapping: the keys of a policy"),
        (b"word", "f:1: must be a mapping: the keys of a policy"),
        (b"null", "f:1: must be a mapping: the keys of a policy"),
        (b"", "f:1: is empty"),
        (b"version: 1", "f:1: name: required property is missing"),
        (b"name: No Good", 'f:1: name: must be lower case letters, digits, dots and hyphens, not "No Good"'),
    ):
        assert format_found("f", load_policy(text, is_json=False).found) == [line]


def test_a_wrong_name_hides_nothing() -> None:
    """The rest of a policy is judged even when it is called nothing sensible."""
    found = format_found("f", load_policy(b"name: X\naudit: some\nextends: 3", is_json=False).found)
    assert [line.split(":")[1] for line in found] == ["1", "2", "3"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["@basic-io", "read", "any", "/a", "10m"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*Policy.model_fields, "allow", "deny", "call", "when", "write", "egress", "ports", "handler"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(list(Policy.model_fields)), VALUES, max_size=6))
def test_any_document_is_taken_or_refused_with_lines(document: dict[str, object]) -> None:
    """Whatever stands in a policy, either all of it is sound or something is said, and nothing is raised."""
    import json

    from runtime.policy.normalise import normalise

    loaded = load_policy(json.dumps(document, indent=1).encode(), is_json=True)
    layer = normalise(loaded, "x", "x")
    assert layer is not None or loaded.found
    assert all(line.startswith("x:") and "\n" not in line for line in format_found("x", loaded.found))


def test_what_stands_in_a_short_form_hides_nothing() -> None:
    """A word in the place of a mapping is wrong as a whole; what else is wrong is told as well."""
    assert violations_of('network: {egress: [300.1.1.1, "", {allow: any, ports: 80-1}], bind: ["", 70000]}\n') == [
        "test.yaml:2: network.bind[0].ports[0]: must not be empty",
        'test.yaml:2: network.bind[1]: "70000" is out of range or the wrong way round: 0 to 65535',
        'test.yaml:2: network.egress[0]: "300.1.1.1" is no address or network such as "10.0.0.0/8", any or loopback; names of hosts are not looked up',
        "test.yaml:2: network.egress[1].allow[0]: must not be empty",
        'test.yaml:2: network.egress[2]: "80-1" is out of range or the wrong way round: 0 to 65535',
    ]


def test_merge_keys_are_named() -> None:
    """They are another way to write one thing in two places."""
    assert violations_of("filesystem: {<<: {read: [/a]}}\n") == [
        "test.yaml:2: filesystem.<<: merge keys are not taken: write it out"
    ]


def test_numbers_are_written_with_our_digits() -> None:
    """And in no way that only some programs read."""
    words = ('"٨٠"', '"8_0"', '"0x50"', '"+80"')
    for word in words:
        assert len(violations_of(f"network: {{bind: [{word}]}}\n")) == 1, word
    for word in ('"٨MiB"', '"1_0"'):
        assert len(violations_of(f"resources: {{memory: {word}}}\n")) == 1, word
    for word in ("10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/08", '"10.0.0.0/٨"'):
        [line] = violations_of(f"network: {{egress: [{word}]}}\n")
        assert "is no address or network" in line or "did you mean" in line, line
    for word in ('"1_0"', '"٨"'):
        assert len(violations_of(f"ioctl: [{word}]\n")) == 1, word


def test_a_number_of_any_length_is_one() -> None:
    """It is too large, not of another kind."""
    [line] = violations_of("resources: {pids: 99999999999999999999999}\n")
    assert "must be at most" in line
