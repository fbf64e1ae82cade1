"""The build step: built-in policies as a module that says the same in every process."""

import marshal
from pathlib import Path

import pytest

from runtime.policy import _builtin_layers, _builtins, build
from runtime.policy.built_in import builtin_names, builtin_text
from runtime.policy.resolved import wants_landlock, wants_limits


def test_the_module_is_what_the_policies_say() -> None:
    """make build writes it; a test run on an old one would judge nothing."""
    compiled = build.compile_builtins()
    layers = {name: marshal.loads(data) for name, data in _builtin_layers.LAYERS.items()}
    assert {name: (digest, layers[name]) for name, (digest, *_) in _builtins.POLICIES.items()} == compiled
    assert {name: wants for name, (_, *wants) in _builtins.POLICIES.items()} == {
        name: [wants_landlock(found), wants_limits(found)] for name, found in layers.items()
    }
    for name in builtin_names():
        assert builtin_text(name) == (build.BUILTIN / f"{name}.yaml").read_bytes()


def test_a_built_in_may_extend_another(tmp_path: Path) -> None:
    """Whose layers come first; a circle cannot be written, because only earlier names are known."""
    (tmp_path / "a.yaml").write_text("name: a\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: a\n")
    found = build.compile_builtins(tmp_path)
    assert [layer["name"] for layer in found["b"][1]] == ["a", "b"]
    assert found["a"][0] != found["b"][0]
    (tmp_path / "a.yaml").write_text("name: a\nextends: b\n")
    with pytest.raises(SystemExit, match="extends b, which is no built-in before it"):
        build.compile_builtins(tmp_path)


def test_a_wrong_built_in_stops_the_build(tmp_path: Path) -> None:
    """With every violation, and with a name that is not its file's."""
    (tmp_path / "a.yaml").write_text("name: a\naudit: x\n")
    with pytest.raises(SystemExit, match=r"a.yaml:2: audit: unknown value"):
        build.compile_builtins(tmp_path)
    (tmp_path / "a.yaml").write_text("name: c\n")
    with pytest.raises(SystemExit, match="is called c"):
        build.compile_builtins(tmp_path)


def test_the_identity_follows_the_compiler(tmp_path: Path) -> None:
    """Any change of what decides about a policy makes what was kept useless."""
    (tmp_path / "x.py").write_text("A = 1\n")
    before = build.identity(tmp_path)
    (tmp_path / "_builtins.py").write_text("x")
    assert build.identity(tmp_path) == before
    (tmp_path / "x.py").write_text("A = 2\n")
    assert build.identity(tmp_path) != before


def test_nothing_is_written_that_is_there_already(tmp_path: Path) -> None:
    """So that nobody who imports the module meets half of it."""
    assert build.main(["--out", str(tmp_path)]) == 0
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert times.keys() == {"_builtins.py", "_builtin_layers.py", "_builtin_texts.py"}
    build.main(["--out", str(tmp_path)])
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
