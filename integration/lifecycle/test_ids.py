"""Container IDs are checked before they touch a path."""

from __future__ import annotations

import pytest

from integration.framework.container import Container
from integration.framework.flavours import differs

BAD = ["..", ".", "../x", "a/b", "/etc", "a b", "a\nb", "ä", "a*", "x%00", "$(id)", "-x;"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("verb", ["create", "state", "kill", "delete", "start"])
def test_bad_id(container: Container, verb: str, name: str) -> None:
    """A name outside [A-Za-z0-9_+.-] is refused by every verb, and no directory appears."""
    container.bundle.save()
    before = sorted(path.name for path in container.runtime.root.parent.iterdir())
    words = ("--bundle", str(container.bundle.path)) if verb == "create" else ()
    result = container.call(verb, *words, "--", name)
    assert result.rc == 1, result
    assert "Traceback" not in result.err
    if container.runtime.flavour != "crun":
        assert "invalid container ID format" in result.err, result
    assert before == sorted(path.name for path in container.runtime.root.parent.iterdir())


@differs("crun", reason="crun takes an empty ID for a missing argument")
def test_empty_id(container: Container) -> None:
    """An empty ID has words of its own."""
    container.bundle.save()
    container.call("create", "--bundle", str(container.bundle.path), "").refused("container id cannot be empty")


@pytest.mark.parametrize("suffix", ["UPPER", "dots.and-dashes_", "plus+plus", "0"])
def test_good_id(container: Container, suffix: str) -> None:
    """Every allowed character works in every place."""
    container.id += suffix
    container.bundle.args("/bin/true")
    assert container.run().rc == 0
    container.assert_gone()


def test_long_id(container: Container) -> None:
    """An ID longer than a file name may be is refused, not truncated."""
    container.bundle.save()
    result = container.call("create", "--bundle", str(container.bundle.path), "a" * 300)
    assert result.rc == 1
    assert "Traceback" not in result.err
