"""When the filter is loaded, its flags, its listener, and the file that exec loads it from."""

from typing import Any

import pytest

from runtime.abi.filters import (
    FILTER_FLAG_LOG,
    FILTER_FLAG_SPEC_ALLOW,
    FILTER_FLAG_TSYNC,
    FILTER_FLAG_WAIT_KILLABLE_RECV,
)
from runtime.errors import ConfigError, FeatureMissing
from runtime.plan.layout import OP_FLAGS
from runtime.plan.seccomp import decode_filter
from runtime.seccomp.program import Filter
from tests.runtime.plan.drafting import FILTER, config, names, one, ops, plan, plan_of_exec


def compiled(flags: int | None = None, notify: bool = False) -> Filter:
    """A compiled section with these flags."""
    return Filter(FILTER.program, flags, notify, ())


def test_without_no_new_privileges_it_comes_before_the_capabilities_go() -> None:
    """Loading it needs CAP_SYS_ADMIN then."""
    assert names(plan(compiled=FILTER), "FINAL")[0] == "SECCOMP"


def test_with_no_new_privileges_it_comes_last() -> None:
    """It needs to allow as little of ours as possible."""
    assert names(plan(config(process={"noNewPrivileges": True}), compiled=FILTER), "FINAL")[-1] == "SECCOMP"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (None, FILTER_FLAG_SPEC_ALLOW),
        (0, 0),
        (FILTER_FLAG_LOG | FILTER_FLAG_TSYNC, FILTER_FLAG_LOG | FILTER_FLAG_TSYNC),
    ],
)
def test_flags(flags: int | None, expected: int) -> None:
    """None stands for SPEC_ALLOW where the kernel has it; an empty list for none."""
    assert one(plan(compiled=compiled(flags)), "SECCOMP").places == {"flags": expected}
    assert one(plan(host={"seccomp_flags": 0}, compiled=compiled()), "SECCOMP").places == {"flags": 0}


def test_a_flag_that_the_kernel_does_not_know() -> None:
    """An error, because leaving it out would change what the filter does."""
    with pytest.raises(FeatureMissing, match="SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"):
        plan(host={"seccomp_flags": 7}, compiled=compiled(FILTER_FLAG_WAIT_KILLABLE_RECV))


def test_a_listener_goes_to_the_agent() -> None:
    """With the container's state in two halves around the pid; TSYNC does not stand beside it."""
    section: dict[str, Any] = {"seccomp": {"listenerPath": "/run/a.sock", "listenerMetadata": 'm"x'}}
    found = plan(config(linux=section), compiled=compiled(FILTER_FLAG_TSYNC, notify=True))
    load = one(found, "SECCOMP")
    assert (load.places, load.flags) == ({"flags": 0}, OP_FLAGS["NOTIFY"])
    assert one(found, "SEND_LISTENER", "COMMIT").places == {
        "path": "/run/a.sock",
        "head": '{"ociVersion":"1.3.0","fds":["seccompFd"],"pid":',
        "middle": ',"metadata":"m\\"x","state":',
        "tail": "}",
    }
    with pytest.raises(ConfigError, match="SCMP_ACT_NOTIFY needs a listenerPath"):
        plan(config(linux={"seccomp": {}}), compiled=compiled(notify=True))


def test_a_listener_path_is_ignored_when_nothing_notifies() -> None:
    """config-linux.md#seccomp: the path may be there."""
    found = plan(config(linux={"seccomp": {"listenerPath": "/run/a.sock"}}), compiled=FILTER)
    assert not ops(found, "SEND_LISTENER")


@pytest.mark.parametrize("notify", [False, True])
def test_exec_gets_the_same_filter_from_the_saved_file(notify: bool) -> None:
    """Flags are those that create settled on."""
    section = {"seccomp": {"listenerPath": "/run/a.sock"}}
    found = plan(config(linux=section), compiled=compiled(FILTER_FLAG_LOG, notify))
    saved = next(op for op in ops(found, "SAVE_FILE") if op.places["name"] == "seccomp.bpf")
    assert isinstance(saved.blob, bytes)
    loaded = decode_filter(saved.blob)
    assert loaded == Filter(FILTER.program, FILTER_FLAG_LOG, notify, ())
    assert names(plan_of_exec({"args": ["x"]}), "FINAL").count("SECCOMP") == 0


@pytest.mark.parametrize("data", [b"", b"\0" * 4, b"\0" * 13])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    """A filter cut short would still load, as another filter."""
    with pytest.raises(ValueError, match="damaged"):
        decode_filter(data)
