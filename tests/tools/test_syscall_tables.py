"""The generator of the system call tables: from headers to tables, and what its check finds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "7.2.12-1"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, writing below a directory of the test's own."""
    spec = importlib.util.spec_from_file_location("syscall_tables", ROOT / "tools" / "syscall_tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(module, "SOURCES", {"toy": (VERSION, "toy/asm/unistd.h", {"__NR_Linux": 4000})})
    (tmp_path / "tables").mkdir()
    return module


def headers(tree: Path, calls: dict[str, str], more: str = "") -> Path:
    """A package with one header that defines `calls`."""
    directory = tree / "usr/lib/linux/uapi/toy/asm"
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"#define __NR_{name} {value}" for name, value in calls.items()]
    text = "#ifndef _ASM_UNISTD_H\n#define _ASM_UNISTD_H\n" + "\n".join(lines) + "\n" + more + "#endif\n"
    (directory / "unistd.h").write_text(text)
    return tree


def calls(**changes: str) -> dict[str, str]:
    """Three hundred calls, some changed or added."""
    return {f"call{at}": f"(__NR_Linux + {at})" for at in range(300)} | changes


def test_headers_become_a_table(tool: ModuleType, tmp_path: Path) -> None:
    """Offsets, aliases and private calls are read; the table that is written has the same names and numbers, in order."""
    more = (
        "#define __ARM_NR_BASE (__NR_Linux + 0x1000)\n#define __ARM_NR_set_tls (__ARM_NR_BASE+5)\n#define NR_OTHER 3\n"
    )
    tree = headers(tmp_path / "new", calls(alias="__NR_call7", far="(__NR_Linux + 400)"), more)
    numbers = tool.read_numbers(tree, "toy/asm/unistd.h", {"__NR_Linux": 4000})
    assert len(numbers) == 303
    assert numbers["alias"] == numbers["call7"] == 4007
    assert numbers["set_tls"] == 4000 + 0x1000 + 5
    scope: dict[str, tuple[tuple[int, str], ...]] = {}
    exec(tool.render("toy", VERSION, numbers), scope)
    found = {name: start + at for start, names in scope["SYSCALLS"] for at, name in enumerate(names.split())}
    assert found == numbers
    assert list(found.values()) == sorted(found.values())


def test_a_header_of_another_form_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    """Few calls mean that the header is not understood, not that there are few."""
    tree = headers(tmp_path / "new", {"read": "0"})
    with pytest.raises(SystemExit, match="only 1 system calls found"):
        tool.read_numbers(tree, "toy/asm/unistd.h", {})


@pytest.mark.parametrize(
    "case",
    [
        (VERSION, {}, ""),
        (VERSION, {"call9": "7"}, "differs from linux-libc-dev"),
        ("7.10.1-1", {"newer": "(__NR_Linux + 300)"}, ""),
        ("7.10.1-1", {"call9": "7"}, "call9 is 4009, but 7 in the newer of"),
        ("6.12.9-1", {"gone": "(__NR_Linux + 300)"}, "gone is 4300, but None in the newer of"),
    ],
)
def test_check(
    tool: ModuleType,
    tmp_path: Path,
    case: tuple[str, dict[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same version must agree byte for byte, any other in what cannot change between kernels."""
    version, changes, problem = case
    source = headers(tmp_path / "old", calls())
    monkeypatch.setattr(sys, "argv", ["syscall_tables.py", "--headers", f"{VERSION}={source}"])
    assert tool.main() == 0
    other = headers(tmp_path / "new", calls(**changes))
    monkeypatch.setattr(sys, "argv", ["syscall_tables.py", "--check", "--headers", f"{version}={other}"])
    assert tool.main() == bool(problem)
    assert problem in capsys.readouterr().out


def test_check_without_a_mirror(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing can be compared: it says so; asked to write, it fails."""

    def refuse() -> None:
        raise FileNotFoundError("apt-get")

    monkeypatch.setattr(tool, "fetch", refuse)
    monkeypatch.setattr(sys, "argv", ["syscall_tables.py", "--check"])
    assert tool.main() == 0
    assert "tables not compared" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["syscall_tables.py"])
    with pytest.raises(SystemExit, match="cannot fetch"):
        tool.main()
