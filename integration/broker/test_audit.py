"""Audit notes what enforcement would have denied, and nothing else: devices, and calls that change files by name."""

from __future__ import annotations

from errno import EACCES, EROFS, EXDEV
from pathlib import Path

import pytest

from integration.framework.gate import NUMBERS, OPENS, serving, table
from runtime.broker.native import DECISION
from runtime.policy.lower_syscalls import NAMING

CHANGING = dict.fromkeys([name for name in NAMING if name in NUMBERS], "change")
SYSTEM = ("/lib", "/lib64", "/usr", "/etc", "/bin")


def noted(script: str, calls: dict[str, str], **policy: object) -> set[tuple[str, int]]:
    """What an audit of a shell script tells, while the script has its way."""
    with serving() as broker:
        code, out = broker.run(table(calls, mode="audit", **policy), "exec", "/bin/sh", "-ec", script)
        found = [event for event in broker.events() if event.kind == DECISION and event.denied]
    assert code == 0, out
    assert [event.rule for event in found] == [None] * len(found)  # what no rule covers is denied by none
    return {(event.text, event.verdict) for event in found}


def layer(*patterns: str) -> list[list[list[object]]]:
    """One layer of patterns, each a rule."""
    return [[[pattern, number] for number, pattern in enumerate(patterns)]]


@pytest.mark.parametrize("by_kernel", [True, False])
def test_a_device_is_not_changed_by_writing_to_it(by_kernel: bool) -> None:
    """As on a read-only mount; where the broker judges opens, a device has to be readable for it."""
    opens = dict.fromkeys(OPENS, "open")
    script = "echo x >/dev/null; echo x | tee /dev/zero >/dev/full || :"
    found = noted(script, opens, read=layer(*SYSTEM, "/dev/zero"), write=layer("/none"), by_kernel=by_kernel)
    assert found == (set() if by_kernel else {("read /dev/null", EACCES), ("read /dev/full", EACCES)})


def test_a_file_that_cannot_be_written_has_the_mounts_error(tmp_path: Path) -> None:
    """Read-only file system, where mounts would be asked."""
    opens = dict.fromkeys(OPENS, "open")
    (tmp_path / "seen").write_text("x")
    script = f"echo x >{tmp_path}/made; cat {tmp_path}/seen"
    found = noted(script, opens, read=layer(*SYSTEM), write=layer("/none"), by_kernel=True)
    assert found == {(f"write {tmp_path}/made", EROFS), (f"read {tmp_path}/seen", EACCES)}


@pytest.mark.parametrize(
    ("read", "by_kernel", "denied"), [("/proc", True, 0), ("/proc/self", False, 0), ("/srv", True, 1)]
)
def test_procfs_is_judged_by_its_name(read: str, by_kernel: bool, denied: int) -> None:
    """Where it may not be read, that is told; a rule for /proc/self covers the caller's own."""
    opens = dict.fromkeys(OPENS, "open")
    found = noted("cat /proc/self/status", opens, read=layer(*SYSTEM, read), by_kernel=by_kernel)
    assert len(found) == denied


def test_names_are_changed_where_their_directory_may_be(tmp_path: Path) -> None:
    """Each call by what it needs: the directory, the object, or both on one mount."""
    closed, opened = tmp_path / "closed", tmp_path / "opened"
    for directory in (closed, opened):
        directory.mkdir()
        for name in ("a", "b", "c"):
            (directory / name).write_text(name)
    allowed = (
        f"cd {opened}; mkdir d; mv a a2; ln b b2; ln -s x l; chmod 600 b; touch -d @1 b; rm c; rmdir d; chmod 700 ."
    )
    denied = f"cd {closed}; mkdir d; mv a a2; ln b b2; ln -s x l; chmod 600 b; touch -h -c -d @1 l; rm c; rmdir d/"
    failing = f"mkdir {closed} || rm {tmp_path}/none/x || chmod 0 {closed}/none || true"
    moving = f"ln b {opened}/b3; mv b2 {opened}/b4"
    found = noted(f"{allowed}; {denied}; {failing}; {moving}", CHANGING, write=layer(str(opened)))
    assert found == {(f"{closed}/{name}", EROFS) for name in ("d", "a", "b2", "l", "b", "c")} | {
        (f"{closed}/{name}", EXDEV) for name in ("b", "b2")
    }
