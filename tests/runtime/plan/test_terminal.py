"""Terminal, console and pidfd sockets, pid file."""

from typing import Any

import pytest

from runtime.errors import UsageError
from runtime.plan._shapes import SLOTS
from runtime.plan.layout import FLAGS
from tests.runtime.plan.drafting import config, names, one, ops, plan

_TTY = {"terminal": True, "consoleSize": {"height": 24, "width": 80}, "user": {"uid": 5}}


def test_a_terminal_for_a_console_socket() -> None:
    """Connected first of all; the master goes there from inside, with the config's size."""
    found = plan(config(process=_TTY), asked={"console_socket": "/c.sock"})
    assert names(found, "HOST")[0] == "CONNECT"
    assert one(found, "CONSOLE", "ROOT").places == {
        "rows": 24,
        "columns": 80,
        "uid": 5,
        "socket": SLOTS["CONSOLE_SOCKET"],
    }
    assert not found.flags & FLAGS["TTY_PROXY"]


def test_a_terminal_in_the_foreground() -> None:
    """The parent half gets the master and copies; the size is our terminal's when the config has none."""
    host = {"stdin_tty": True, "stdin_size": (50, 132)}
    found = plan(config(process={"terminal": True}), host, {"mode": "RUN"})
    assert one(found, "CONSOLE").places == {"rows": 50, "columns": 132, "uid": 0, "master": SLOTS["PTY_MASTER"]}
    assert found.flags & FLAGS["TTY_PROXY"]


def test_no_terminal() -> None:
    """A console size without a terminal is ignored, as the specification wants."""
    assert not ops(plan(config(process={"consoleSize": {"height": 1, "width": 1}})), "CONSOLE")


@pytest.mark.parametrize(
    ("process", "asked", "message"),
    [
        (_TTY, {}, "cannot allocate tty if runc will detach without setting console socket"),
        (_TTY, {"mode": "RUN", "detach": True}, "cannot allocate tty if runc will detach"),
        (
            _TTY,
            {"mode": "RUN", "console_socket": "/s"},
            "cannot use console socket if runc will not detach or allocate tty",
        ),
        ({}, {"console_socket": "/s"}, "cannot use console socket"),
    ],
)
def test_what_does_not_fit(process: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    """In runc's words."""
    with pytest.raises(UsageError, match=message):
        plan(config(process=process), asked=asked)


def test_commit_order() -> None:
    """State, pidfd, and the pid file last: it tells an engine that everything went well."""
    found = plan(asked={"pidfd_socket": "/p.sock", "pid_file": "/b/pid"})
    assert names(found, "COMMIT") == ["SAVE_STATE", "SEND_PIDFD", "PID_FILE"]
    assert one(found, "SEND_PIDFD").places["name"] == "standard"
    assert one(found, "PID_FILE").places["path"] == "/b/pid"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"mode": "CREATE"}, {"OWN_PIDNS"}),
        ({"mode": "RUN"}, {"OWN_PIDNS", "SUBREAPER"}),
        ({"mode": "RUN", "no_subreaper": True, "keep": True}, {"OWN_PIDNS", "KEEP"}),
        (
            {"mode": "RUN", "detach": True, "debug": True, "log_json": True},
            {"OWN_PIDNS", "DETACH", "DEBUG", "LOG_JSON"},
        ),
        ({"mode": "CREATE", "rootless": True}, {"OWN_PIDNS", "ROOTLESS"}),
    ],
)
def test_plan_flags(asked: dict[str, Any], expected: set[str]) -> None:
    """What the executor is told about the call itself."""
    flags = plan(asked=asked).flags
    assert {name for name, bit in FLAGS.items() if flags & bit} == expected


def test_run_has_no_fifo() -> None:
    """Nobody waits for start."""
    found = plan(asked={"mode": "RUN"})
    assert not ops(found, "FIFO")
    assert not ops(found, "FIFO_WAIT")
    assert found.error_prefix == "runc run failed: unable to start container process: "
