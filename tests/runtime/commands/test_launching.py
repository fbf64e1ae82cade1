"""What create and run read before there is a plan."""

import os
import posix
from pathlib import Path

import pytest

from oci_schemas.json_text import dumps, loads
from runtime.commands.invocation import Invocation, Value
from runtime.commands.launching import check_preserved, keep_root, make_options, passed_sockets
from runtime.commands.spec_document import example_config
from runtime.errors import ConfigError, OciError


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with a plain config; the working directory is the one above it."""
    place = tmp_path / "bundle"
    place.mkdir()
    config = example_config(rootless=False, uid=0, gid=0)
    config["process"]["terminal"] = False
    (place / "config.json").write_bytes(dumps(config))
    monkeypatch.chdir(tmp_path)
    return place


def invocation(flags: dict[str, Value]) -> Invocation:
    """A create call."""
    return Invocation("create", flags, ["web"])


def test_paths_become_absolute(bundle: Path) -> None:
    """The pid file is the caller's, sockets are the bundle's, as in runc."""
    call = invocation({"bundle": "bundle", "pid-file": "pid", "console-socket": "c.sock", "pidfd-socket": "/p.sock"})
    options, gated = make_options(call, "CREATE", "web")
    assert options.bundle == str(bundle)
    assert options.pid_file == str(bundle.parent / "pid")
    assert options.console_socket == str(bundle / "c.sock")
    assert options.pidfd_socket == "/p.sock"
    assert options.config_json == (bundle / "config.json").read_bytes()
    assert gated.config["hostname"] == "runc"
    assert gated.facts.kernel >= (5, 0)
    assert (gated.compiled, gated.gate, gated.trapped) == (None, None, False)


def test_config_flag_is_the_caller_s_path(bundle: Path) -> None:
    """crun's --config names a file from where the caller stands."""
    os.rename(bundle / "config.json", bundle.parent / "other.json")
    options, _ = make_options(invocation({"bundle": "bundle", "config": "other.json"}), "CREATE", "web")
    assert options.bundle == str(bundle)


def test_missing_config(bundle: Path) -> None:
    """runc's words."""
    (bundle / "config.json").unlink()
    with pytest.raises(OciError, match=r"^JSON specification file config\.json not found$"):
        make_options(invocation({"bundle": "bundle"}), "CREATE", "web")


@pytest.mark.usefixtures("bundle")
def test_missing_bundle() -> None:
    """The bundle is named."""
    with pytest.raises(OciError, match=r"^chdir nowhere: no such file or directory$"):
        make_options(invocation({"bundle": "nowhere"}), "CREATE", "web")


def test_every_violation_is_told(bundle: Path) -> None:
    """One error with all of them."""
    (bundle / "config.json").write_bytes(b'{"ociVersion": "x", "process": {"args": [], "cwd": 7}}')
    with pytest.raises(ConfigError) as raised:
        make_options(invocation({"bundle": "bundle"}), "CREATE", "web")
    assert len(raised.value.violations) >= 2
    assert "\n" not in str(raised.value)


def test_socket_activation_is_for_this_process_only() -> None:
    """LISTEN_PID decides; nonsense counts as nothing."""
    environment = {b"LISTEN_PID": b"7", b"LISTEN_FDS": b"2", b"LISTEN_FDNAMES": b"a:b"}
    assert passed_sockets(environment, 7) == (2, "a:b")
    assert passed_sockets(environment, 8) == (0, None)
    assert passed_sockets({**environment, b"LISTEN_FDS": b"-1"}, 7) == (0, None)
    assert passed_sockets({**environment, b"LISTEN_FDS": b"x"}, 7) == (0, None)
    assert passed_sockets({b"LISTEN_PID": b"7", b"LISTEN_FDS": b"1"}, 7) == (1, None)


def test_preserved_descriptors_must_be_open() -> None:
    """runc's words; the executor's own descriptor is none of the caller's."""
    reading, writing = posix.pipe()
    first = max(reading, writing) + 100
    os.dup2(reading, first)
    os.dup2(writing, first + 1)
    try:
        check_preserved(first, 2, -1)
        with pytest.raises(
            OciError, match=r"^unable to stat preserved-fd 2 \(of 3\): stat /proc/self/fd/\d+: no such file"
        ):
            check_preserved(first, 3, -1)
        with pytest.raises(OciError, match=r"preserved-fd 1 \(of 2\)"):
            check_preserved(first, 2, first + 1)
    finally:
        for fd in (reading, writing, first, first + 1):
            posix.close(fd)


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("count", [-1, -100])
def test_negative_preserve_fds(count: int) -> None:
    """A count is not negative."""
    with pytest.raises(OciError, match="must not be negative"):
        make_options(invocation({"bundle": "bundle", "preserve-fds": count}), "CREATE", "web")


def test_a_user_s_state_root_is_sticky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below $XDG_RUNTIME_DIR, made when missing; a root of one's own choice is left alone."""
    monkeypatch.setattr(posix, "environ", {b"XDG_RUNTIME_DIR": str(tmp_path).encode()})
    for _ in range(2):
        keep_root(f"{tmp_path}/postern")
        assert (tmp_path / "postern").stat().st_mode & 0o7777 == 0o1700
    keep_root(f"{tmp_path}/other")
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(posix, "environ", {b"XDG_RUNTIME_DIR": b""})
    keep_root("/postern")
    assert not os.path.exists("/postern")


@pytest.mark.parametrize(
    ("path", "refused"), [("/proc/self/ns/net", True), ("/proc/self/ns/mnt", False), ("/missing", False)]
)
@pytest.mark.parametrize("name", ["net.ipv4.ip_forward", "net/ipv4/ip_forward"])
def test_sysctl_of_the_hosts_network(bundle: Path, path: str, refused: bool, name: str) -> None:
    """A network namespace that is joined by path does not make the host's parameters the container's."""
    config = loads((bundle / "config.json").read_bytes())
    spaces = [space for space in config["linux"]["namespaces"] if space["type"] != "network"]
    config["linux"]["namespaces"] = [*spaces, {"type": "network", "path": path}]
    config["linux"]["sysctl"] = {name: "1"}
    (bundle / "config.json").write_bytes(dumps(config))
    call = invocation({"bundle": "bundle"})
    if not refused:
        make_options(call, "CREATE", "web")
        return
    with pytest.raises(ConfigError, match=rf'sysctl "{name}" not allowed in host network namespace'):
        make_options(call, "CREATE", "web")
