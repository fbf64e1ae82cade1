"""From recordings to policies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime.broker import learn, recording
from runtime.broker.needs import access_of
from runtime.policy.launch_calls import LAUNCH


def record(calls: dict[str, list[str]] | None = None, *targets: tuple[str, str, str, str]) -> dict[str, Any]:
    """A recording."""
    return {"format": 2, "seen": 9, "lost": 0, "calls": calls or {}, "targets": [list(target) for target in targets]}


def test_calls_and_what_a_launch_takes() -> None:
    """Sorted; what a policy withholds is not among them."""
    calls = learn.learned_calls(record({"getpid": [], "clone3": [], "io_uring_setup": []}))
    assert calls == sorted({"getpid", *LAUNCH})


def test_few_files_stay_files_and_many_are_their_directory() -> None:
    """Deeper down it takes less."""
    few = [f"/usr/lib/python/{n}" for n in range(3)]
    assert learn.fold(few) == few
    assert learn.fold(f"/usr/lib/python/{n}" for n in range(4)) == ["/usr/lib/python"]
    assert learn.fold(["/a", "/a/b", "/ab"]) == ["/a", "/ab"]
    assert learn.fold(["/", "/a"]) == ["/"]


PATHS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)))


@given(paths=PATHS)
def test_folding_covers_everything_and_nothing_twice(paths: list[str]) -> None:
    """Every path is below a kept one, no kept one below another."""
    kept = learn.fold(paths)
    assert all(any(path == top or path.startswith(f"{top}/") for top in kept) for path in paths)
    assert not any(one != other and one.startswith(f"{other}/") for one in kept for other in kept)
    assert learn.fold(kept) == kept or len(learn.fold(kept)) < len(kept)


def test_what_is_made_needs_its_directory() -> None:
    """What is changed needs itself, what is missing nothing."""
    read, write = learn.learned_paths(
        record(
            None,
            ("openat", "write", "/data/new", recording.MADE),
            ("openat", "write", "/etc/old", "f"),
            ("mkdir", "write", "/srv", "-"),
            ("openat", "write", "/opt/missing", "-"),
            ("unlink", "write", "/run/gone", "f"),
            ("openat", "read", "/etc/hello", "f"),
            ("openat", "read", "/etc/missing", "-"),
            ("openat", "read", "/proc/12/status", "f"),
        )
    )
    assert write == ["/data", "/etc/old", "/run"]
    assert read == ["/etc/hello", "/proc"]


def test_what_a_process_reads_of_itself() -> None:
    """Seen from outside /proc/self leads elsewhere or nowhere: it is needed all the same."""
    read, write = learn.learned_paths(record({}, ("openat", "read", "/proc/self/status", "-"), ("stat", "", "/x", "-")))
    assert (read, write) == (["/proc"], [])


def test_a_run_that_wrote_in_the_root_gives_a_valid_policy(tmp_path: Path) -> None:
    """In `/` itself, or under a name that is a pattern; the file says how wide it is."""
    from runtime.policy.compiling import compile_artefact

    for target in ("/x", "/**/x"):
        made = learn.learned_policy(record({}, ("openat", "write", target, recording.MADE)), "wide", [])
        text = learn.to_yaml(made, learn.remarks(made))
        assert "# everything may be read" in text
        assert "# everything may be written" in text
        (tmp_path / "wide.yaml").write_text(text)
        assert compile_artefact(str(tmp_path / "wide.yaml"), str(tmp_path))["layers"][0]["filesystem"]["write"]
    made = learn.learned_policy(record({}, ("openat", "read", "/etc/x", "f")), "narrow", [])
    assert learn.remarks(made) == []


def test_sockets_become_a_network_section() -> None:
    """Peers, ports, unix names."""
    found = learn.learned_network(
        record(
            {"socket": ["AF_INET SOCK_STREAM 0", "AF_INET6 SOCK_DGRAM 17", "AF_UNIX SOCK_STREAM 0"], "listen": []},
            ("bind", "", "0.0.0.0:80", ""),
            ("connect", "", "[::1]:53", ""),
            ("connect", "", "10.0.0.1:443", ""),
            ("connect", "", "unix:/run/x.sock", ""),
            ("connect", "", "unix:@abstract", ""),
        )
    )
    assert found == {
        "domains": ["AF_INET", "AF_INET6", "AF_UNIX"],
        "types": ["SOCK_DGRAM", "SOCK_STREAM"],
        "protocols": ["tcp", "udp"],
        "egress": [{"allow": "10.0.0.1", "ports": [443]}, {"allow": "::1", "ports": [53]}],
        "bind": [{"ports": [80]}],
        "ingress": [{"allow": "any", "ports": [80]}],
        "unix": {"connect": ["/run/x.sock"], "abstract": True},
    }
    assert learn.learned_network(record()) is None


def test_a_device_is_read_however_it_is_opened(tmp_path: Path) -> None:
    """Nothing is changed by writing to it, but by taking its name away."""
    os.mkfifo(tmp_path / "fifo")
    made = recording.Recording(os.getpid())
    for target in ("/dev/null", f"{tmp_path}/fifo"):
        made.add("openat", (0, 0, 0o1101), f"={target}")
        made.add("unlink", (0, 0, 0), f"={target}")
    made.close()
    assert learn.learned_paths(made.document()) == (
        sorted(["/dev/null", f"{tmp_path}/fifo"]),
        sorted(["/dev", str(tmp_path)]),
    )


def test_a_socket_that_is_not_there_is_no_need(tmp_path: Path) -> None:
    """But it is, once it has come; named as rules name it.  What was looked for in vain leaves a list of none."""
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    made = recording.Recording(os.getpid())
    for mark, call, name in (
        ("!", "connect", "cache"),
        ("!", "connect", "late"),
        ("", "sendto", "late"),
        ("", "bind", "own"),
    ):
        made.add(call, (0, 0, 0), f"{mark} unix:{tmp_path}/link/{name}")
    made.add("socket", (1, 1, 0), "")
    made.close()
    section = learn.learned_network(made.document())
    assert section is not None
    assert section["unix"] == {
        "connect": [f"{tmp_path}/run/late"],
        "bind": [f"{tmp_path}/run/own"],
        "abstract": False,
    }
    only = record({"socket": ["AF_UNIX SOCK_STREAM 0"]}, ("connect", "", "unix:/run/nscd/socket", "-"))
    assert (learn.learned_network(only) or {})["unix"] == {"connect": [], "abstract": False}


def test_a_learned_policy_is_a_policy(tmp_path: Path) -> None:
    """The compiler of policies takes what is written, and YAML gives back what was meant."""
    from runtime.policy.compiling import compile_artefact

    made = learn.learned_policy(
        record(
            {
                "ioctl": ["TCGETS", "0xdead"],
                "prctl": ["PR_SET_NAME", "99"],
                "clone": ["CLONE_NEWUSER"],
                "socket": ["AF_INET SOCK_STREAM 6"],
            },
            ("openat", "read", "/etc/a file: with, [words]", "f"),
            ("execve", "execute", "/bin/true", "f"),
            ("connect", "", "10.0.0.1:443", ""),
        ),
        "learned",
        ["/lib/ld.so"],
    )
    path = tmp_path / "learned.yaml"
    path.write_text(learn.to_yaml(made))
    assert yaml.safe_load(path.read_text()) == made
    assert made["filesystem"]["read"] == ["/bin/true", "/etc", "/lib/ld.so"]
    assert compile_artefact(str(path), str(tmp_path))["name"] == "learned"


NAMES = st.text(
    st.characters(min_codepoint=32, exclude_characters="/*\x7f", exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    min_size=1,
    max_size=8,
)


@given(names=st.lists(NAMES, max_size=3))
def test_yaml_gives_any_name_back(names: list[str]) -> None:
    """File names are others'."""
    paths = [f"/{name}" for name in names]
    policy = {"name": "x", "filesystem": {"read": paths}}
    assert yaml.safe_load(learn.to_yaml(policy)) == policy


def test_symlinks_are_followed_below_the_root(tmp_path: Path) -> None:
    """An absolute one leads to the container's root, never to ours."""
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/a.so").write_text("")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "abs").symlink_to("/usr/lib")
    (tmp_path / "up").symlink_to("../../../usr")
    (tmp_path / "loop").symlink_to("loop")
    root = str(tmp_path)
    assert recording.real_path(root, "/lib/a.so") == ("/usr/lib/a.so", "f")
    assert recording.real_path(root, "/abs/./a.so") == ("/usr/lib/a.so", "f")
    assert recording.real_path(root, "/up/lib") == ("/usr/lib", "d")
    assert recording.real_path(root, "/usr/lib/../lib/none") == ("/usr/lib/none", "-")
    assert recording.real_path(root, "/etc") == ("/etc", "-")
    recording.real_path(root, "/loop/x")


def test_the_kernel_opens_interpreters(tmp_path: Path) -> None:
    """Of scripts and of dynamic programs."""
    script = tmp_path / "script"
    script.write_text("#! /bin/sh -e\ntrue\n")
    assert recording.interpreter_of(str(script)) == ["/bin/sh"]
    assert recording.interpreter_of(os.path.realpath("/bin/ls"))[0].startswith("/lib")
    (tmp_path / "data").write_bytes(b"\x7fELF\x02" + b"\xff" * 100)
    assert recording.interpreter_of(str(tmp_path / "data")) == []
    assert recording.interpreter_of(str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("call", "args", "access"),
    [
        ("openat", (0, 0, 0), "read"),
        ("openat", (0, 0, 0o1), "write"),
        ("openat", (0, 0, 0o100), "write"),
        ("open", (0, 0o2, 0), "write"),
        ("execve", (0, 0, 0), "execute"),
        ("unlink", (0, 0, 0), "write"),
        ("truncate", (0, 0, 0), "write"),
        ("connect", (0, 0, 0), "read"),
    ],
)
def test_what_a_call_wants_of_a_path(call: str, args: tuple[int, ...], access: str) -> None:
    """By its name and its flags."""
    assert access_of(call, args) == access


def test_equal_calls_are_one_entry(tmp_path: Path) -> None:
    """However often they were made; the file is whole at the end."""
    made = recording.Recording(os.getpid())
    for _ in range(100):
        made.add("openat", (0, 0, 0), f"={tmp_path}")
        made.add("ioctl", (0, 0x5401, 0), "")
        made.add("renameat2", (0, 0, 0, 0), "/none/a\n/none/b")
    made.close()
    document = made.document()
    assert document["calls"] == {"ioctl": ["TCGETS"], "openat": [], "renameat2": []}
    assert document["seen"] == 300
    assert sorted(document["targets"]) == [
        ["openat", "read", str(tmp_path), "d"],
        ["renameat2", "write", "/none/a", recording.MADE],
        ["renameat2", "write", "/none/b", recording.MADE],
    ]
