"""The error tree: kinds are stable, texts of lifecycle errors are API."""

from __future__ import annotations

import pytest

from runtime import errors


def tree() -> list[type[errors.OciError]]:
    """Every class of the tree."""
    found: list[type[errors.OciError]] = []
    pending: list[type[errors.OciError]] = [errors.OciError]
    while pending:
        found.append(pending.pop())
        pending += found[-1].__subclasses__()
    return [each for each in found if each.__module__ == errors.__name__]


def test_every_kind_is_unique() -> None:
    """A kind names one class, but for the group that has none of its own."""
    kinds = [each.kind for each in tree()]
    assert len(kinds) == len(set(kinds))


def test_every_error_ends_the_process_with_one() -> None:
    """exec alone ends with 255, and that is the command line's doing."""
    assert {each.exit_code for each in tree()} == {1}


def test_the_docstring_draws_the_whole_tree() -> None:
    """A class that is not in the drawing is not found by readers."""
    assert errors.__doc__
    assert [each.__name__ for each in tree() if each.__name__ not in errors.__doc__] == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.ContainerNotFound(), "container does not exist"),
        (errors.ContainerNotRunning(), "container not running"),
    ],
)
def test_lifecycle_texts_are_runcs(error: errors.LifecycleError, text: str) -> None:
    """containerd's shim, podman and CRI-O search for these words."""
    assert str(error) == text


def test_all_violations_are_told_at_once() -> None:
    """One line with each JSON pointer; the document itself is `/`."""
    error = errors.ConfigError("config.json", [("", "not an object"), ("/process/cwd", "must be absolute")])
    assert str(error) == "config.json: /: not an object; /process/cwd: must be absolute"
    assert error.violations == [("", "not an object"), ("/process/cwd", "must be absolute")]
    assert str(errors.FilterError([("/syscalls/0", "unknown action")])) == "seccomp: /syscalls/0: unknown action"


def test_a_system_call_error_keeps_its_number() -> None:
    """The text is for people, the number for code."""
    error = errors.SyscallError("open /x", 2, "no such file or directory")
    assert (str(error), error.errno) == ("open /x: no such file or directory", 2)


def test_what_is_not_built_says_so() -> None:
    """By the name that the user wrote."""
    assert str(errors.NotBuilt("checkpoint")) == "checkpoint is not supported by this version of postern"
