"""Every handler against a thread that changes memory, links and descriptors under it; the naive way loses the same races.

POSTERN_RACES sets the number of tries of each attack (`make race`: a million).
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.framework import probe
from integration.framework.gate import NOTED, OPENS, Gated, paths, serving, table
from integration.framework.seccomp_agent import answer, next_call

TRIES = int(os.environ.get("POSTERN_RACES") or ("100000" if os.environ.get("CI") else "30000"))
NAIVE_TRIES = 20000
FILES = {
    "open-memory": OPENS,
    "open-link": OPENS,
    "open-descriptor": OPENS,
    "create-link": OPENS,
    "truncate-link": OPENS,
    "mknod-link": ("mknodat",),
    "connect-unix": ("connect",),
    "bind-unix": ("bind",),
}
NETWORK = {
    "connect-memory": ("connect",),
    "bind-memory": ("bind",),
    "sendto-memory": ("sendto",),
    "sendmsg-pointer": ("sendmsg",),
    "sendmmsg-memory": ("sendmmsg",),
}
HANDLERS = {"mknodat": "mknod", "connect": "connect", "bind": "bind", "sendto": "send", "sendmsg": "send"}
HANDLERS |= {"sendmmsg": "send", **dict.fromkeys(OPENS, "open")}
EACCES = 13


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with an allowed and a secret half, and a link that can be exchanged."""
    sockets = []
    for half in ("allowed", "secret"):
        (tmp_path / half).mkdir()
        (tmp_path / half / "file").write_text(half)
        sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        here = os.getcwd()
        os.chdir(tmp_path / half)
        try:
            sockets[-1].bind(str(tmp_path / half / "sock"))
        finally:
            os.chdir(here)
    (tmp_path / "flip").symlink_to("allowed")
    (tmp_path / "flop").symlink_to("secret")
    yield tmp_path
    for open_socket in sockets:
        open_socket.close()


def rules(place: Path, *ports: int) -> dict[str, Any]:
    """Only the allowed half, only the first port."""
    half = paths(str(place / "allowed"))
    only = [[{"action": "allow", "cidr": "127.0.0.0/8", "ports": [[ports[0], ports[0]]]}]] if ports else None
    sections = {"read": half, "write": half, "unix_connect": half, "unix_bind": half, "egress": only, "bind": only}
    return {**sections, "audit": "none"}


def race(attack: str, names: tuple[str, ...], place: Path, *more: str, **options: Any) -> tuple[int, int, int]:
    """(tries, successes, leaks) of one attack on the broker."""
    ports = [int(port) for port in more[:2]]
    with serving() as broker:
        calls = {
            **{name: HANDLERS[name] for name in names},
            **dict.fromkeys(NOTED, "continue"),
        }  # what is remembered because of these must not lose a race
        policy = table(calls, **rules(place, *ports))
        words = ["exec", str(probe.built("racer")), attack, str(TRIES), str(place), *more]
        code, out = broker.run(policy, *words, timeout=60 + TRIES / 1000, **options)
    assert code == 0, out
    tries, successes, leaks = map(int, out.split())
    return tries, successes, leaks


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("attack", FILES)
def test_no_race_reaches_a_forbidden_file(attack: str, place: Path) -> None:
    """However the path, the link or the directory changes, what is handed over or made lies in the allowed half."""
    tries, successes, leaks = race(attack, FILES[attack], place)
    assert (tries, leaks) == (TRIES, 0)
    assert successes > 0, "the attack never let a call through: it shows nothing"
    assert (place / "secret/file").read_text() == "secret"
    assert sorted(os.listdir(place / "secret")) == ["file", "sock"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_name_of_a_mount_that_was_taken_away(place: Path) -> None:
    """A mount detached by another mount namespace, between an open and the question what was opened: its name begins at the mount then."""
    hidden = place / "tree" / place.relative_to("/") / "allowed"
    hidden.mkdir(parents=True)
    (hidden / "file").write_text("secret")
    (place / "secret/point").mkdir()
    with serving() as broker:
        calls = {**dict.fromkeys(OPENS, "open"), **dict.fromkeys(NOTED, "continue")}
        policy = table(calls, **rules(place))
        words = ["exec", str(probe.built("detacher")), str(TRIES), str(place)]
        code, out = broker.run(policy, *words, timeout=60 + TRIES / 100)
    assert code == 0, (code, out)
    tries, detached, leaks = map(int, out.split())
    assert (tries, leaks) == (TRIES, 0)
    assert detached > TRIES / 100, "hardly a mount was taken away: it shows nothing"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("attack", NETWORK)
def test_no_race_reaches_a_forbidden_port(attack: str, place: Path) -> None:
    """However the address changes, it is the one that was judged which is used."""
    with open_sockets() as (good, bad):
        ports = [str(end.getsockname()[1]) for end in (good, bad)]
        if attack.startswith("bind"):
            good.close()
            bad.close()
        passed = () if bad.fileno() < 0 else (bad.fileno(),)
        more = (*ports, *map(str, passed))
        tries, successes, leaks = race(attack, NETWORK[attack], place, *more, pass_fds=passed)
    assert (tries, leaks) == (TRIES, 0)
    assert successes > 0, "the attack never let a call through: it shows nothing"


class open_sockets:  # noqa: N801 - a context manager, used as one
    """Two sockets of loopback: one to be reached, one not."""

    def __enter__(self) -> tuple[socket.socket, socket.socket]:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for end in self.sockets:
            end.bind(("127.0.0.1", 0))
        return self.sockets[0], self.sockets[1]

    def __exit__(self, *_error: object) -> None:
        for end in self.sockets:
            end.close()


def decide_naively(gated: Gated, allowed: bytes) -> None:
    """Read the path, compare the text, let the kernel go on: what must not be done."""
    while True:
        try:
            call = next_call(gated.listener)
        except OSError:
            return  # nobody is left
        try:
            with open(f"/proc/{call.pid}/mem", "rb", buffering=0) as memory:
                memory.seek(call.args[1])
                text = memory.read(256).split(b"\0")[0]
            good = text.startswith((allowed, allowed.replace(b"/allowed", b"/flip")))
            answer(gated.listener, call, proceed=good, errno=0 if good else EACCES)
        except OSError:
            continue


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["open-memory", "open-link"])
def test_the_naive_way_loses_the_same_races(attack: str, place: Path) -> None:
    """Deciding by a path in somebody's memory leaks under these attacks: they are real."""
    gated = Gated(["openat"], "exec", str(probe.built("racer")), attack, str(NAIVE_TRIES), str(place))
    thread = threading.Thread(target=decide_naively, args=(gated, str(place / "allowed").encode()), daemon=True)
    thread.start()
    gated.release()
    code, out = gated.finish(300)
    os.close(gated.listener)
    assert code == 0, out
    assert int(out.split()[2]) > 0
