"""Attacks on the code that answers in a policy's name: whoever can write any of it, or put something in its place, is told by name."""

from __future__ import annotations

import posix
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.broker import trusted_code
from runtime.broker.ask import load_function
from runtime.broker.settings import Settings
from runtime.broker.trusted_code import check_code
from runtime.errors import BrokerError

STRANGER = 4242
Own = Callable[[Path], None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with modules, as it should be."""
    place = tmp_path / "opt" / "handlers"
    (place / "rules").mkdir(parents=True)
    (place / "gate.py").write_text("def yes(record): return True\n")
    (place / "rules" / "__init__.py").write_text("")
    for path in [tmp_path / "opt", place, *place.rglob("*")]:
        path.chmod(0o755)
    return place


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Own:
    """Let a path belong to somebody else, as far as the check can see."""
    strangers: set[str] = set()

    def status(path: str) -> posix.stat_result:
        found = posix.lstat(path)
        return posix.stat_result((*found[:4], STRANGER, *found[5:])) if path in strangers else found

    monkeypatch.setattr(trusted_code, "_status", status)
    return lambda path: strangers.add(str(path))


def test_code_of_root_is_loaded(place: Path) -> None:
    """Below a directory that is everybody's, too, when that is sticky: what is root's in it stays (here: /tmp)."""
    check_code(str(place), "/etc/postern")
    place.parent.chmod(0o1777)
    check_code(str(place), "/etc/postern")
    function = load_function("gate:yes", Settings("file", ("gate:yes",), str(place)))
    assert function({}) is True


@pytest.mark.parametrize("name", ["", "gate.py", "rules", "rules/__init__.py", ".."])
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_what_others_can_write(place: Path, name: str, mode: int) -> None:
    """The directory, one above it, a module, a package, a file in it: each is refused by its name."""
    path = (place / name).resolve()
    path.chmod(mode)
    with pytest.raises(BrokerError, match=f"^{path}: can be written by others"):
        check_code(str(place), "/etc/postern")
    with pytest.raises(LookupError, match=r"gate:yes is not loaded: .*can be written by others"):
        load_function("gate:yes", Settings("file", ("gate:yes",), str(place)))


@pytest.mark.parametrize("name", ["", "gate.py", "rules", "rules/__init__.py", ".."])
def test_what_belongs_to_somebody_else(place: Path, own: Own, name: str) -> None:
    """An owner can write whatever the mode is."""
    path = (place / name).resolve()
    own(path)
    with pytest.raises(BrokerError, match=f"^{path}: belongs to user {STRANGER}"):
        check_code(str(place), "/etc/postern")


def test_sticky_is_not_enough_for_the_directory_itself(place: Path) -> None:
    """Anybody could put a module there that another one imports."""
    place.chmod(0o1777)
    with pytest.raises(BrokerError, match="handlers: can be written by others"):
        check_code(str(place), "/etc/postern")


def test_somebodys_directory_in_a_sticky_one(place: Path, own: Own) -> None:
    """What lies in /tmp is its owner's."""
    place.parent.chmod(0o1777)
    own(place)
    with pytest.raises(BrokerError, match=f"handlers: belongs to user {STRANGER}"):
        check_code(str(place), "/etc/postern")


def test_bytecode_counts_as_code(place: Path) -> None:
    """Python takes it in place of a module whose size and time fit."""
    cache = place / "__pycache__"
    cache.mkdir()
    cache.chmod(0o755)
    bytecode = cache / "gate.cpython-311.pyc"
    bytecode.write_bytes(b"")
    bytecode.chmod(0o666)
    with pytest.raises(BrokerError, match=r"gate\.cpython-311\.pyc: can be written by others"):
        check_code(str(place), "/etc/postern")


def test_where_links_lead(place: Path, own: Own, tmp_path: Path) -> None:
    """A link on the way, one in the directory, and one to a directory: what they lead to is looked at, and whose they are."""
    through = tmp_path / "link"
    through.symlink_to(place)
    check_code(str(through), "/etc/postern")
    own(through)
    with pytest.raises(BrokerError, match=f"link: belongs to user {STRANGER}"):
        check_code(str(through), "/etc/postern")
    far = tmp_path / "far"
    far.mkdir()
    far.chmod(0o755)
    (far / "more.py").write_text("")
    (far / "more.py").chmod(0o646)
    (place / "far").symlink_to("../../far")
    with pytest.raises(BrokerError, match=r"far/more\.py: can be written by others"):
        check_code(str(place), "/etc/postern")
    (far / "more.py").chmod(0o644)
    check_code(str(place), "/etc/postern")
    own(far)
    with pytest.raises(BrokerError, match=f"far: belongs to user {STRANGER}"):
        check_code(str(place), "/etc/postern")


def test_links_that_lead_nowhere(place: Path) -> None:
    """In circles, to nothing, and a directory that is not there."""
    (place / "round").symlink_to("round")
    with pytest.raises(BrokerError, match="too many links"):
        check_code(str(place), "/etc/postern")
    (place / "round").unlink()
    (place / "gone").symlink_to("nowhere")
    with pytest.raises(BrokerError, match="nowhere: No such file or directory"):
        check_code(str(place), "/etc/postern")
    with pytest.raises(BrokerError, match="none: No such file or directory"):
        check_code(str(place / "none"), "/etc/postern")


def test_links_in_a_circle_of_directories_end(place: Path) -> None:
    """Each directory is looked at once."""
    (place / "self").symlink_to(".")
    (place / "rules" / "up").symlink_to("../..")
    check_code(str(place), "/etc/postern")


def test_below_the_site_the_sites_directory_is_looked_at(place: Path, tmp_path: Path) -> None:
    """As with its policies: it, and what lies between; sticky or not."""
    site = str(place.parent)
    check_code(str(place), site)
    place.parent.chmod(0o1777)
    with pytest.raises(BrokerError, match="opt: can be written by others"):
        check_code(str(place), site)
    place.parent.chmod(0o755)
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    with pytest.raises(BrokerError, match="outside: can be written by others"):
        check_code(f"{site}/../outside", site)


def test_too_many_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole file system is no directory of handlers."""
    monkeypatch.setattr(trusted_code, "MOST_FILES", 2)
    with pytest.raises(BrokerError, match="more than 2 files"):
        check_code(str(place), "/etc/postern")
