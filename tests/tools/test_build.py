"""What the build decides about the interpreter that it was called with."""

import os
import sys
import sysconfig

import pytest

from tools import build


@pytest.fixture
def linkable(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """An interpreter with a static library and every module built in."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    library = os.path.join(str(tmp_path), f"libpython{version}.a")
    with open(library, "wb"):
        pass
    variables = {"LIBPL": str(tmp_path), "LIBS": "-lm"}
    monkeypatch.setattr(sysconfig, "get_config_var", variables.get)
    monkeypatch.setattr(sys, "builtin_module_names", tuple(build.BUILT_IN))


@pytest.mark.usefixtures("linkable")
def test_an_interpreter_with_everything_built_in_is_linked() -> None:
    """The static library comes first, and the libraries that it asks for follow."""
    words = build.static_python()
    assert words
    assert words[0].endswith(".a")
    assert "-lm" in words


@pytest.mark.usefixtures("linkable")
@pytest.mark.parametrize("module", sorted(build.BUILT_IN))
def test_a_module_that_is_a_file_keeps_the_planner_from_being_linked(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """It could not be imported, so that every call would fail over to the stock interpreter."""
    monkeypatch.setattr(sys, "builtin_module_names", tuple(build.BUILT_IN - {module}))
    assert build.static_python() is None
