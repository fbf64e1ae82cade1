"""Which policy holds: flag, annotation, the site's default and its floor; and what is kept between runs."""

import os
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import PolicyError
from runtime.policy import artefact, compiling
from runtime.policy.choose import ANNOTATION, choose_policy
from runtime.policy.resolved import Resolved
from tests.runtime.policy.test_compiling import write


class Site:
    """A site's directory and a state root."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "site"
        self.root = base / "root"
        self.directory.mkdir()

    def config(self, text: str) -> None:
        """Write config.toml."""
        write(self.directory / "config.toml", text)

    def policy(self, name: str, text: str = "") -> str:
        """Write a policy of the site."""
        return write(self.directory / "policies" / f"{name}.yaml", f"name: {name}\n{text}")

    def choose(self, flag: str | None = None, annotation: str | None = None) -> Resolved | None:
        """What holds for a container."""
        annotations = {"other": "x"} | ({} if annotation is None else {ANNOTATION: annotation})
        return choose_policy(flag, annotations, str(self.root), str(self.directory))

    def names(self, flag: str | None = None, annotation: str | None = None) -> list[object]:
        """The layers' names."""
        found = self.choose(flag, annotation)
        return [] if found is None else [layer["name"] for layer in found.layers]

    def refuses(self, flag: str | None = None, annotation: str | None = None) -> str:
        """The error."""
        with pytest.raises(PolicyError) as error:
            self.choose(flag, annotation)
        return str(error.value)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site that says nothing yet."""
    return Site(tmp_path)


def test_nobody_asks_and_nothing_is_opened_but_the_config(site: Site) -> None:
    """Without policies a container costs one failed open, and leaves nothing behind."""
    assert site.choose() is None
    assert choose_policy(None, None, str(site.root), str(site.directory)) is None
    assert not site.root.exists()


def test_without_a_config_an_annotation_may_name_what_is_built_in(site: Site) -> None:
    """It can only take away; a file or a name of the site could be somebody's weaker policy, and a file can be anything."""
    path = site.policy("mine")
    assert site.names(annotation="agent") == ["agent"]
    for word in ("mine", path, "none", ""):
        assert f'annotation {ANNOTATION}: "{word}" may not be chosen, only agent, batch-job' in site.refuses(
            annotation=word
        )


def test_the_operator_may_name_anything(site: Site, tmp_path: Path) -> None:
    """A built-in, a policy of the site, a file."""
    site.policy("mine")
    other = write(tmp_path / "other.yaml", "name: other\n")
    assert [site.names(word) for word in ("agent", "mine", other)] == [["agent"], ["mine"], ["other"]]
    os.chdir(tmp_path)
    assert site.names("./other.yaml") == site.names("other.yaml") == ["other"]
    assert site.choose("none") is None
    assert 'no policy is called "agnet"' in site.refuses("agnet")
    assert "/gone.yaml: no such file" in site.refuses("/gone.yaml")


def test_flag_and_annotation_hold_together(site: Site) -> None:
    """Neither takes the place of the other: what any layer withholds is withheld."""
    found = site.choose("agent", "development")
    assert found is not None
    assert found.name == "agent+development"
    assert [layer["name"] for layer in found.layers] == ["agent", "development"]
    assert found.hash not in {site.choose("agent").hash, site.choose("development").hash}  # type: ignore[union-attr]
    assert site.names("agent", "agent") == ["agent"]


def test_the_default_holds_where_nobody_chooses(site: Site) -> None:
    """And `none` is a choice."""
    site.config('[policy]\ndefault = "development"\n')
    assert site.names() == ["development"]
    assert site.names("agent") == ["agent"]
    assert site.names(annotation="agent") == ["agent"]
    assert site.choose("none") is None


def test_the_floor_holds_in_any_case(site: Site) -> None:
    """Whoever chooses, and whatever is chosen."""
    site.policy("floor")
    site.config('[policy]\ndefault = "agent"\nfloor = ["floor", "development"]\n')
    assert site.names() == ["agent", "floor", "development"]
    assert site.names("none") == ["floor", "development"]
    assert site.names("batch-job", "web-server") == ["batch-job", "web-server", "floor", "development"]
    assert site.names("development") == ["development", "floor"]


def test_the_site_says_what_an_annotation_may_choose(site: Site) -> None:
    """Exactly the words that are listed; an empty list is nothing; without a list the built-in ones."""
    site.policy("mine")
    site.config('[policy]\nannotation = ["mine", "none", "policies/mine.yaml"]\ndefault = "agent"\n')
    assert site.names(annotation="mine") == site.names(annotation="policies/mine.yaml") == ["mine"]
    assert site.names(annotation="none") == []
    assert "may not be chosen, only mine, none, policies/mine.yaml" in site.refuses(annotation="agent")
    site.config("[policy]\nannotation = []\n")
    assert "may not be chosen, only none at all" in site.refuses(annotation="agent")
    site.config("[policy]\n")
    assert site.names(annotation="agent") == ["agent"]


def test_who_asks_for_what_is_not_there_is_told(site: Site) -> None:
    """The file alone would not say why it is looked for."""
    site.config('[policy]\nfloor = ["gone.yaml"]\n')
    assert f"{site.directory}/config.toml: floor: {site.directory}/gone.yaml: no such file" in site.refuses("agent")
    site.config('[policy]\ndefault = "gone"\nannotation = ["gone"]\n')
    assert f'{site.directory}/config.toml: default: no policy is called "gone"' in site.refuses()
    assert f'annotation {ANNOTATION}: no policy is called "gone"' in site.refuses(annotation="gone")


def test_a_bad_config_starts_nothing(site: Site) -> None:
    """Every violation with its line; and a file that others can write says nothing."""
    site.config('[policy]\ndefalt = "x"\nfloor = "agent"\ndefault = 3\n[polcy]\n')
    assert site.refuses().removeprefix("policy: ").split("; ") == [
        f'{site.directory}/config.toml:2: defalt: unknown key, did you mean "default"?',
        f"{site.directory}/config.toml:3: floor: must be a list of names of policies or files",
        f"{site.directory}/config.toml:4: default: must be the name of a policy or a file",
        f'{site.directory}/config.toml:5: polcy: unknown table, did you mean "policy"?',
    ]
    site.config("[policy\n")
    assert f"{site.directory}/config.toml:1: invalid TOML: " in site.refuses()
    site.config('[policy]\nfloor = ["none"]\n')
    assert '"none" is no policy' in site.refuses()
    (site.directory / "config.toml").chmod(0o664)
    assert "can be written by others (mode 0664)" in site.refuses("agent")


def test_what_others_could_have_written_is_refused(site: Site, tmp_path: Path) -> None:
    """By mode, by owner; and only regular files are read."""
    path = site.policy("mine")
    os.chmod(path, 0o602)
    assert "can be written by others (mode 0602)" in site.refuses("mine")
    os.mkfifo(tmp_path / "fifo.yaml", 0o600)
    assert "is no regular file" in site.refuses(str(tmp_path / "fifo.yaml"))
    assert "is no regular file" in site.refuses(f"{tmp_path}/")
    write(tmp_path / "long.yaml", "#" * (1 << 18) + "\n")
    assert "is longer than 256 KiB" in site.refuses(str(tmp_path / "long.yaml"))


@pytest.mark.parametrize("choice", [{}, {"flag": "web-server"}, {"annotation": "web-server"}, {"flag": "none"}])
def test_a_config_that_is_not_mounted_yet(site: Site, choice: dict[str, str]) -> None:
    """A link to it says that there are rules: nothing starts without them; one that leads to a directory without a config is none."""
    link = site.directory / "config.toml"
    link.symlink_to("elsewhere/config.toml")
    said = f"{link}: links to elsewhere/config.toml, which is not there"
    assert said in site.refuses(**choice)
    link.unlink()
    site.directory.rename(site.directory.with_name("real"))
    site.directory.symlink_to("real")
    assert bool(site.names(**choice)) == ("web-server" in choice.values())
    site.directory.unlink()
    site.directory.symlink_to("gone")
    assert f"{site.directory}: links to gone, which is not there" in site.refuses(**choice)


def test_directories_of_the_site_are_no_ones_either(site: Site, tmp_path: Path) -> None:
    """Whoever can write there could take the config away, and the floor with it; a file that the operator names may lie anywhere."""
    site.policy("mine")
    site.config('[policy]\nfloor = ["mine"]\n')
    other = write(tmp_path / "open" / "other.yaml", "name: other\n")
    (tmp_path / "open").chmod(0o1777)
    assert site.names(other) == ["other", "mine"]
    (site.directory / "policies").chmod(0o775)
    assert f"{site.directory}/policies: can be written by others (mode 0775): chmod go-w" in site.refuses()
    (site.directory / "policies").chmod(0o755)
    for there in (True, False):
        site.directory.chmod(0o1777)
        assert f"{site.directory}: can be written by others (mode 1777): chmod go-w" in site.refuses("agent")
        site.directory.chmod(0o755)
        if there:
            (site.directory / "config.toml").unlink()
    assert site.names("agent") == ["agent"]


def test_an_empty_name_is_no_policy(site: Site) -> None:
    """A variable that is not set asks for nothing on purpose."""
    assert '"" names no policy' in site.refuses("")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_policy_of_another_user_is_refused(site: Site) -> None:
    """Even one that only its owner can write."""
    path = site.policy("mine")
    os.chown(path, 12345, 0)
    assert "belongs to user 12345: must be root's or the caller's" in site.refuses("mine")
    os.chown(path, 65534, 0)
    assert "belongs to user 65534" in site.refuses("mine")


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are compiled from now on."""
    paths: list[str] = []
    real = compiling.compile_artefact

    def compile_artefact(path: str, directory: str) -> dict[str, Any]:
        paths.append(path)
        return real(path, directory)

    monkeypatch.setattr(compiling, "compile_artefact", compile_artefact)
    return paths


def test_a_policy_is_compiled_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its file or one that it extends changes; what is kept is ours alone."""
    path = site.policy("mine", "extends: other.yaml\n")
    site.policy("other")
    compiled = counted(monkeypatch)
    first, second = site.choose("mine"), site.choose("mine")
    assert first == second
    assert compiled == [path]
    site.policy("other", "audit: all\n")
    assert site.choose("mine") != first
    assert compiled == [path] * 2
    kept = site.root / artefact.POLICIES
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {entry.stat().st_mode & 0o777 for entry in kept.iterdir()} == {0o600}


def test_what_comes_to_stand_before_a_source(site: Site) -> None:
    """A name means the first file that there is of it: one that was not there is found, and missed when it goes."""
    site.policy("mine", "extends: [base]\n")
    write(site.directory / "policies" / "base.json", '{"name": "late"}')
    assert site.names("mine") == site.names("mine") == ["late", "mine"]
    first = site.policy("base")
    assert site.names("mine") == site.names("mine") == ["base", "mine"]
    os.remove(first)
    assert site.names("mine") == ["late", "mine"]


def test_what_was_kept_is_used_only_when_it_is_ours_and_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged or foreign file, and a directory that others can write, mean that the policy is compiled again."""
    path = site.policy("mine")
    compiled = counted(monkeypatch)
    first = site.choose("mine")
    (kept,) = (site.root / artefact.POLICIES).iterdir()
    data = kept.read_bytes()
    for damage in (b"", data[:-1], data[:-1] + b"x", b"x" + data[1:]):
        kept.write_bytes(damage)
        assert site.choose("mine") == first
        assert kept.read_bytes() == data
    kept.chmod(0o666)
    assert site.choose("mine") == first
    kept.parent.chmod(0o777)
    assert site.choose("mine") == first
    assert compiled == [path] * 7


def test_another_compiler_does_not_use_what_this_one_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version may read the same file differently."""
    from runtime.policy import _builtins

    compiled = counted(monkeypatch)
    path = site.policy("mine")
    site.choose("mine")
    monkeypatch.setattr(_builtins, "IDENTITY", "another")
    site.choose("mine")
    assert compiled == [path] * 2


def test_a_root_that_cannot_keep_anything_is_no_obstacle(site: Site) -> None:
    """A policy holds all the same."""
    site.policy("mine")
    site.root.write_text("")
    assert site.names("mine") == ["mine"]
