"""What a call returns does not depend on who carries it out: the same program natively and behind the broker."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework import probe
from integration.framework.gate import OPENS, serving, table
from integration.framework.kernel import not_in_user_mode_linux

NOBODY = 65534
CALLS = dict.fromkeys(OPENS, "open") | {"connect": "connect", "bind": "bind", "mknod": "mknod", "mknodat": "mknod"}
CALLS |= dict.fromkeys(("sendto", "sendmsg", "sendmmsg"), "send")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of a user without capabilities: a broker acts without any, whoever asks."""
    directory = Path(tempfile.mkdtemp(prefix="pit-", dir="/tmp"))
    for name in ("native", "brokered"):
        (directory / name).mkdir()
        os.chown(directory / name, NOBODY, NOBODY)
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_results_are_those_of_the_kernel(home: Path) -> None:
    """Every line: value or error, descriptor number, flags, mode, owner, umask, offset, peer's credentials."""
    program = str(probe.built("semantics"))
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [NOBODY, 100]}
    native = subprocess.run(
        [program, str(home / "native")], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, **who
    )
    with serving() as broker:
        code, out = broker.run(table(CALLS), "exec", program, str(home / "brokered"), **who)
    assert code == 0, out
    assert out.splitlines() == native.stdout.splitlines()


@pytest.mark.parametrize("threads", [1, 2])
@not_in_user_mode_linux("a system call takes too long there")
def test_nobody_is_kept_waiting_by_calls_that_block(home: Path, threads: int) -> None:
    """More openers of a FIFO without a writer than there are workers, and somebody else is served still."""
    fifo = home / "fifo"
    os.mkfifo(fifo)
    waiters = f'for i in 1 2 3 4 5 6; do cat {fifo} & all="$all $!"; done'
    script = f"{waiters}; cat /etc/hostname; kill $all; wait; echo done"
    with serving(threads) as broker:
        code, out = broker.run(table(dict.fromkeys(OPENS, "open")), "exec", "/bin/sh", "-c", script)
    assert (code, out) == (0, Path("/etc/hostname").read_text() + "done\n")
