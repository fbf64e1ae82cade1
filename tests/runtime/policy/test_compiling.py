"""Several files as one policy: what is extended is found, comes first, and comes once."""

from pathlib import Path

import pytest

from runtime.errors import PolicyError
from runtime.policy.compiling import MAX_DEPTH, compile_artefact


def write(path: Path, text: str) -> str:
    """A file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def refused(path: str, directory: Path) -> list[str]:
    """The violations of a policy."""
    with pytest.raises(PolicyError) as error:
        compile_artefact(path, str(directory))
    return error.value.violations


def test_what_is_extended_becomes_a_layer_of_its_own(tmp_path: Path) -> None:
    """Built-ins by name, files beside the policy, names of the site; each once, in the order in which they are named."""
    site = tmp_path / "site"
    write(site / "policies" / "floor.yaml", "name: floor\n")
    write(tmp_path / "a.yaml", "name: a\nextends: [agent, floor, b/b.yaml]\n")
    write(tmp_path / "b" / "b.yaml", "name: b\nextends: [agent, ../c.json]\n")
    write(tmp_path / "c.json", '{"name": "c"}')
    artefact = compile_artefact(str(tmp_path / "a.yaml"), str(site))
    assert [layer["name"] for layer in artefact["layers"]] == ["agent", "floor", "c", "b", "a"]
    assert artefact["name"] == "a"
    assert [path.rpartition("/")[2] for path, _ in artefact["sources"]] == ["a.yaml", "floor.yaml", "b.yaml", "c.json"]


def test_the_hash_follows_every_file(tmp_path: Path) -> None:
    """A change of what is extended is a change of the policy."""
    path = write(tmp_path / "a.yaml", "name: a\nextends: b.yaml\n")
    write(tmp_path / "b.yaml", "name: b\n")
    before = compile_artefact(path, str(tmp_path))["hash"]
    write(tmp_path / "b.yaml", "name: b\naudit: all\n")
    assert compile_artefact(path, str(tmp_path))["hash"] != before


def test_circles_and_long_chains_are_refused(tmp_path: Path) -> None:
    """A policy that leads back to itself, and one that nobody could follow."""
    path = write(tmp_path / "a.yaml", "name: a\nextends: b.yaml\n")
    write(tmp_path / "b.yaml", "name: b\nextends:\n  - ./a.yaml\n")
    (line,) = refused(path, tmp_path)
    assert line.startswith(f'{tmp_path}/b.yaml:3: extends: "./a.yaml" leads back to itself: ')
    for number in range(MAX_DEPTH + 2):
        write(tmp_path / f"n{number}.yaml", f"name: n{number}\nextends: n{number + 1}.yaml\n")
    assert "policies extend one another" in refused(str(tmp_path / "n0.yaml"), tmp_path)[0]


def test_violations_of_all_files_are_reported_together(tmp_path: Path) -> None:
    """What is missing, what is wrong, and where."""
    path = write(tmp_path / "a.yaml", "name: a\nextends: [agnt, gone.yaml, b.yaml]\naudit: som\n")
    write(tmp_path / "b.yaml", "name: b\naudit: al\n")
    assert sorted(refused(path, tmp_path)) == [
        f'{tmp_path}/a.yaml:2: extends: "gone.yaml": no such file',
        f'{tmp_path}/a.yaml:2: extends: no policy is called "agnt", did you mean "agent"?',
        f'{tmp_path}/a.yaml:3: audit: unknown value "som", must be one of none, denials, decisions, all',
        f'{tmp_path}/b.yaml:2: audit: unknown value "al", did you mean "all"?',
    ]


def test_what_others_can_write_is_not_extended(tmp_path: Path) -> None:
    """Whoever may write a part of a policy may write the policy."""
    path = write(tmp_path / "a.yaml", "name: a\nextends: b.yaml\n")
    Path(write(tmp_path / "b.yaml", "name: b\n")).chmod(0o666)
    why = f"{tmp_path}/b.yaml: can be written by others (mode 0666): chmod go-w"
    assert refused(path, tmp_path) == [f"{tmp_path}/a.yaml:2: extends: {why}"]
