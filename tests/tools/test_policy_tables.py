"""The generator of the tables of names, as far as it needs no package."""

from pathlib import Path

import pytest

from runtime.policy.tables.calls import CALLS
from runtime.policy.tables.ioctls import IOCTLS
from runtime.policy.tables.prctls import PRCTLS
from runtime.seccomp.tables.x86_64 import SYSCALLS
from tools import policy_tables, syscall_tables


def test_the_names_of_calls_are_those_of_all_tables() -> None:
    """What is checked in is what the generator makes."""
    assert CALLS.split() == policy_tables.call_names()
    assert {name for _, text in SYSCALLS for name in text.split()} <= set(CALLS.split())


def test_options_are_told_from_their_arguments(tmp_path: Path) -> None:
    """The header indents what is an argument; a number is named once."""
    header = tmp_path / "usr/include/linux/prctl.h"
    header.parent.mkdir(parents=True)
    header.write_text(
        "#define PR_SET_X 3 /* x */\n# define PR_X_ON 1\n#define PR_ALIAS 3\n#define PR_HEX 0x1f\n#define PR_ZERO 0\n"
    )
    assert policy_tables.options(tmp_path) == {"PR_SET_X": 3, "PR_HEX": 31}


def test_numbers_are_the_kernels() -> None:
    """Some that everybody knows; and no argument of a request was taken for one."""
    known = {
        "TCGETS": 0x5401,
        "TIOCSTI": 0x5412,
        "FIONREAD": 0x541B,
        "SIOCGIFCONF": 0x8912,
        "TUNSETIFF": 0x400454CA,
        "FIGETBSZ": 2,
    }
    assert {name: IOCTLS[name] for name in known} == known
    assert not {"TIOCM_DTR", "TCSANOW", "TIOCPKT_DATA"} & IOCTLS.keys()
    assert (PRCTLS["PR_SET_NAME"], PRCTLS["PR_SET_NO_NEW_PRIVS"], PRCTLS["PR_SET_VMA"]) == (15, 38, 0x53564D41)
    assert len(set(PRCTLS.values())) == len(PRCTLS)


def test_the_check_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a package the names of calls are compared all the same."""
    monkeypatch.setattr(policy_tables, "TABLES", tmp_path)
    monkeypatch.setattr(syscall_tables, "fetch", dict)
    monkeypatch.setattr("sys.argv", ["policy_tables.py", "--check"])
    assert policy_tables.main() == 1
    assert "calls.py: differs" in capsys.readouterr().out
    (tmp_path / "calls.py").write_text(policy_tables.texts(None)["calls.py"])
    assert policy_tables.main() == 0
    monkeypatch.setattr("sys.argv", ["policy_tables.py"])
    with pytest.raises(SystemExit, match="is not available"):
        policy_tables.main()
