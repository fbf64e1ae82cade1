"""Which policy holds for a real container: by flag, by annotation, by the site's default and floor; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="policies are postern's")

ANNOTATION = "io.postern.policy"


class Site:
    """A site's directory of the test's own."""

    def __init__(self, directory: Path, container: Container) -> None:
        self.directory = directory
        self.container = container
        (directory / "policies").mkdir(parents=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the site."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    @property
    def flags(self) -> tuple[str, ...]:
        """The global flags that name the directory."""
        return ("--policy-dir", str(self.directory))

    def facts(self, *flags: str) -> dict[str, Any]:
        """What the container's init says of itself under the site."""
        self.container.bundle.probe("facts")
        facts: dict[str, Any] = self.container.run(*flags, flags=self.flags).json()
        return facts

    def refused(self, pattern: str, *flags: str) -> None:
        """Create fails, and leaves nothing."""
        self.container.refuses_creation(pattern, *flags, globals_=self.flags)


@pytest.fixture
def site(container: Container, tmp_path: Path) -> Site:
    """A site that says nothing yet; the container has all namespaces and an annotation to fill in."""
    return Site(tmp_path / "site", container)


def files(site: Site, *flags: str) -> int:
    """How many files the container may open: the limit that tells the policies of these tests apart."""
    limit: int = site.facts(*flags)["rlimits"]["RLIMIT_NOFILE"][0]
    return limit


def policy(name: str, limit: int) -> str:
    """A policy that limits nothing else."""
    return f"name: {name}\nnetwork: unrestricted\nlimits: {{open_files: {limit}}}\n"


def test_a_flag_names_a_file_or_a_policy_of_the_site(site: Site) -> None:
    """Compiled once, and again when it changes."""
    path = site.write("policies/mine.yaml", policy("mine", 77))
    assert [files(site, "--policy", word) for word in ("mine", str(path), "mine")] == [77] * 3
    site.write("policies/mine.yaml", policy("mine", 66))
    assert files(site, "--policy", "mine") == 66
    assert site.facts("--policy", "mine")["nnp"] == 1


def test_the_default_and_the_floor(site: Site) -> None:
    """The default where nobody chooses; the floor in any case, and the smaller limit holds."""
    site.write("policies/usual.yaml", policy("usual", 90))
    site.write("policies/more.yaml", policy("more", 95))
    site.write("policies/less.yaml", policy("less", 50))
    site.write("policies/floor.yaml", policy("floor", 80))
    plain = files(site)
    site.write("config.toml", '[policy]\ndefault = "usual"\n')
    assert [files(site), files(site, "--policy", "more"), files(site, "--policy", "none")] == [90, 95, plain]
    site.write("config.toml", '[policy]\ndefault = "usual"\nfloor = ["policies/floor.yaml"]\n')
    asked = [(), ("--policy", "more"), ("--policy", "less"), ("--policy", "none")]
    assert [files(site, *flags) for flags in asked] == [80, 80, 50, 80]


def test_the_annotation(site: Site) -> None:
    """What the site lists, and nothing else; with a flag both hold."""
    annotations = site.container.bundle.config.setdefault("annotations", {})
    site.write("policies/mine.yaml", policy("mine", 70))
    site.write("policies/less.yaml", policy("less", 60))
    annotations[ANNOTATION] = "mine"
    site.refused(f'annotation {ANNOTATION}: "mine" may not be chosen, only agent, batch-job')
    site.write("config.toml", '[policy]\nannotation = ["mine"]\ndefault = "agent"\n')
    assert [files(site), files(site, "--policy", "less"), files(site, "--policy", "none")] == [70, 60, 70]
    annotations[ANNOTATION] = "none"
    site.refused('"none" may not be chosen, only mine')


def test_what_starts_nothing(site: Site) -> None:
    """A policy that is wrong, that others could write, or that there is not; every violation in the one line."""
    site.write("policies/wrong.yaml", "name: wrong\nadit: all\nfilesystem: {write: [tmp]}\n")
    place = f"{site.directory}/policies/wrong.yaml"
    site.refused(
        f'policy: {place}:2: adit: unknown key, did you mean "audit".; {place}:3: filesystem.write', "--policy", "wrong"
    )
    site.write("policies/open.yaml", policy("open", 70)).chmod(0o646)
    site.refused("can be written by others", "--policy", "open")
    site.refused('no policy is called "gone"', "--policy", "gone")
    site.write("config.toml", "[policy\n")
    site.refused("config.toml:1: invalid TOML", "--policy", "agent")
    site.refused("config.toml:1: invalid TOML")


def test_exec_is_under_the_same_policy(site: Site) -> None:
    """Whatever the site says by then."""
    path = site.write("policies/mine.yaml", policy("mine", 77))
    container = site.container
    container.bundle.probe("wait")
    container.up("--policy", str(path))
    site.write("policies/mine.yaml", policy("mine", 99))
    assert container.exec_facts()["rlimits"]["RLIMIT_NOFILE"] == [77, 77]


def test_policies_are_kept_apart_from_containers(site: Site, container: Container) -> None:
    """No verb takes what is kept for a container."""
    site.write("policies/mine.yaml", policy("mine", 77))
    files(site, "--policy", "mine")
    kept = container.runtime.root / "@policies"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert "@" not in container.call("list", "-q").out
    assert json.loads(container.call("list", "--format", "json").out) in (None, [])
