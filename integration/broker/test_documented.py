"""The README's policy, as it stands there, with an ordinary shell script under it."""

from __future__ import annotations

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
