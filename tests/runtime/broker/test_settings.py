"""The broker's own section of the site's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.broker.settings import Settings, is_same, load_settings
from runtime.errors import BrokerError


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's directory."""
    place = tmp_path / "site"
    place.mkdir()
    return place


def write(site: Path, text: str) -> Path:
    """Its config.toml."""
    path = site / "config.toml"
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_settings(site: Path) -> None:
    """Nothing said is the default; unknown keys and wrong values are told."""
    place = f"{site}/handlers"
    assert load_settings(str(site)) == Settings("file", (), place, str(site))
    write(site, '[policy]\ndefault = "x"\n[broker]\nlog = "journald"\nhandlers = ["a:b"]\n')
    assert load_settings(str(site)) == Settings("journald", ("a:b",), place, str(site))
    for wrong in ('log = "syslog"', 'handlers = ["a"]', "handlers = 1", 'handler_path = "x"', "more = 1", "log ="):
        write(site, f"[broker]\n{wrong}\n")
        with pytest.raises(BrokerError, match=r"config\.toml"):
            load_settings(str(site))


def test_settings_that_others_could_write_are_not_read(site: Path) -> None:
    """Whoever may write them may run code as the broker."""
    write(site, '[broker]\nhandlers = ["a:b"]\n').chmod(0o666)
    with pytest.raises(BrokerError, match=r"config\.toml: can be written by others \(mode 0666\)"):
        load_settings(str(site))


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_settings_in_a_directory_of_others_are_not_read(site: Path, mode: int) -> None:
    """Whoever may write there may put another file in its place."""
    write(site, '[broker]\nhandlers = ["a:b"]\n')
    site.chmod(mode)
    with pytest.raises(BrokerError, match=r"site: can be written by others"):
        load_settings(str(site))


def test_two_sites_may_want_the_same(site: Path, tmp_path: Path) -> None:
    """Where functions lie matters where there are some."""
    other = tmp_path / "other"
    other.mkdir()
    assert is_same(str(site), str(other))
    write(site, '[policy]\ndefault = "agent"\n[broker]\nlog = "file"\n')
    assert is_same(str(site), str(other))
    write(site, '[broker]\nlog = "journald"\n')
    assert not is_same(str(site), str(other))
    for one in (site, other):
        write(one, '[broker]\nhandlers = ["a:b"]\n')
    assert not is_same(str(site), str(other))
    write(other, f'[broker]\nhandlers = ["a:b"]\nhandler_path = "{site}/handlers"\n')
    assert is_same(str(site), str(other))
