"""What the documents say of trying policies: the README's, with an ordinary shell script under it, and a built-in one in audit mode."""

from __future__ import annotations

import subprocess
from pathlib import Path

from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="policies are postern's")

README = Path(__file__).parents[2] / "README.md"
SCRIPT = """
cat /workspace/deep/a.py >/dev/null || exit 3
echo x | cat - /dev/null >/workspace/out/x
head -c 4 /dev/urandom | wc -c
(echo y >/tmp/y) 2>/dev/null </dev/null
cat /proc/self/status >/dev/null && cat /tmp/y /workspace/out/x
cat /workspace/secret
ls /proc
"""


def test_a_shell_script_under_the_readmes_policy(container: Container) -> None:
    """Devices work; what no pattern covers cannot be opened, and procfs cannot be listed."""
    path = container.bundle.path / "tools.yaml"
    path.write_text(README.read_text().partition("```yaml\n")[2].partition("```")[0])
    for name in ("deep/a.py", "out/keep", "secret"):
        container.bundle.file(f"/workspace/{name}")
    container.bundle.shell(SCRIPT)
    done = container.run("--policy", str(path))
    assert done.out.split() == ["4", "y", "x"]
    assert done.err.splitlines() == [
        "cat: can't open '/workspace/secret': Permission denied",
        "ls: can't open '/proc': Permission denied",
    ]


def test_a_built_in_policy_is_tried_as_a_copy(container: Container) -> None:
    """Audit in a copy enforces nothing and says what it would; in a file that extends the policy it does not hold."""
    runtime, words = container.runtime, "broker: {mode: audit}\n"
    copy, extended = container.bundle.path / "try.yaml", container.bundle.path / "extended.yaml"
    shown = subprocess.run([str(runtime.path), "policy", "show", "agent"], capture_output=True, text=True, check=True)
    copy.write_text(shown.stdout + words)
    extended.write_text(f"name: extended\nextends: agent\n{words}")
    container.bundle.file("/srv/keep")
    container.bundle.shell("echo x >/srv/new && echo y >/dev/null && echo written")
    tried = container.run("--policy", str(copy), "--explain-denials").ok()
    assert tried.out == "written\n"
    assert "sh: openat /srv/new: would be denied" in tried.err
    assert "/dev/null" not in tried.err
    assert f"filesystem.write: [/srv] in {copy}:" in tried.err
    (container.bundle.rootfs / "srv/new").unlink()
    assert "can't create /srv/new: Read-only file system" in container.run("--policy", str(extended)).err


def test_audit_says_what_enforcement_does(container: Container) -> None:
    """The same script under the same rules: what fails when they are enforced is what is noted when they are not."""
    path = container.bundle.path / "tried.yaml"
    rules = "name: tried\nfilesystem: {write: [/open]}\n"
    for name in ("open/x", "closed/x", "closed/y"):
        container.bundle.file(f"/{name}")
    (container.bundle.rootfs / "closed/log").symlink_to("/dev/stdout")
    calls = ["mkdir /closed/made", "chmod 600 /closed/y", "ln -s x /closed/link", "mv /closed/x /closed/z"]
    fine = "echo x >/dev/null && echo x >>/closed/log && mkdir /open/made && rmdir /open/made"
    container.bundle.shell("; ".join(f"{call} 2>/dev/null || echo {call}" for call in calls) + f"; {fine}")
    path.write_text(rules)
    assert container.run("--policy", str(path)).ok().out.splitlines() == [*calls, "x"]
    path.write_text(f"{rules}broker: {{mode: audit}}\n")
    tried = container.run("--policy", str(path), "--explain-denials").ok()
    assert tried.out == "x\n"
    noted = [line.split(": ")[1] for line in tried.err.splitlines() if ": would be denied" in line]
    assert [words.split()[1] for words in noted] == ["/closed/made", "/closed/y", "/closed/link", "/closed/x"]
    assert tried.err.count(f"filesystem.write: [/closed] in {path}:2") == 3
