"""Addresses of containers, as files."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import pytest

from runtime.errors import NetworkError
from runtime.network.leases import Leases
from runtime.state.store import process_start_time

SUBNET = ipaddress.IPv4Network("10.87.0.0/29")
FILES = "@network/leases"


def own_lease(address: str) -> str:
    """A lease that this process took."""
    return f"{address} {os.getpid()} {process_start_time(os.getpid())}\n"


def test_addresses_differ_and_are_remembered(tmp_path: Path) -> None:
    """Across openings; an ID that is given out again gets what it had."""
    with Leases(str(tmp_path)) as leases:
        assert str(leases.take("a", SUBNET)) == "10.87.0.2"
        assert str(leases.take("b", SUBNET)) == "10.87.0.3"
    with Leases(str(tmp_path)) as leases:
        assert leases.holders() == {"a": "10.87.0.2", "b": "10.87.0.3"}
        assert str(leases.take("a", SUBNET)) == "10.87.0.2"
        leases.give_back("a")
        leases.give_back("a")
        assert leases.holders() == {"b": "10.87.0.3"}
    assert (tmp_path / FILES / "b").read_text() == own_lease("10.87.0.3")


def test_leases_of_the_dead_are_removed(tmp_path: Path) -> None:
    """Kept: what a container's directory, or the process that took it, stands for."""
    directory = tmp_path / FILES
    directory.mkdir(parents=True)
    (tmp_path / "@network").chmod(0o700)
    (tmp_path / "there").mkdir()
    for name, text in {
        "there": "10.87.0.2 1 1\n",
        "coming": own_lease("10.87.0.3"),
        "gone": "10.87.0.4 1 1\n",
        "reused": f"10.87.0.5 {os.getpid()} 7\n",
        "cut": "10.87.0.6 12",
        "wrong": "10.87.0 1 1\n",
        "empty": "",
        "@new": "10.87.0.6 1 1\n",
    }.items():
        (directory / name).write_text(text)
    with Leases(str(tmp_path)) as leases:
        assert leases.holders() == {"there": "10.87.0.2", "coming": "10.87.0.3"}
        assert str(leases.take("new", SUBNET)) == "10.87.0.4"
    assert sorted(os.listdir(directory)) == ["coming", "new", "there"]


def test_no_address_left(tmp_path: Path) -> None:
    """Five fit beside the bridge's; nothing is taken from anybody."""
    with Leases(str(tmp_path)) as leases:
        for name in "abcde":
            leases.take(name, SUBNET)
        with pytest.raises(NetworkError, match=r"every address of 10\.87\.0\.0/29 is taken"):
            leases.take("f", SUBNET)
        assert sorted(leases.holders()) == list("abcde")


def test_the_subnet_is_remembered(tmp_path: Path) -> None:
    """What is no network is no reason to choose another one silently."""
    with Leases(str(tmp_path)) as leases:
        assert leases.subnet() is None
        leases.save_subnet(SUBNET)
        assert leases.subnet() == SUBNET
        (tmp_path / "@network/subnet").write_text("10.87.0.0/99")
        with pytest.raises(NetworkError, match=r"holds no network: '10\.87\.0\.0/99'"):
            leases.subnet()


def test_a_directory_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Whoever writes there chooses addresses."""
    (tmp_path / "@network").mkdir()
    (tmp_path / "@network").chmod(0o777)
    with pytest.raises(NetworkError, match="others can write to it"), Leases(str(tmp_path)):
        pass


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither for the subnet nor for a lease."""
    with Leases(str(tmp_path)) as leases:
        (tmp_path / "secret").write_text("10.87.0.0/24")
        (tmp_path / "@network/subnet").symlink_to(tmp_path / "secret")
        with pytest.raises(OSError, match="symbolic links"):
            leases.subnet()
        leases.save_subnet(SUBNET)
        assert not (tmp_path / "@network/subnet").is_symlink()
        assert (tmp_path / "secret").read_text() == "10.87.0.0/24"
