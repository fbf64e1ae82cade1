"""What a created container costs and holds while it waits for start."""

from __future__ import annotations

import os
import re
from pathlib import Path

from integration.framework.container import Container
from integration.framework.flavours import differs

PSS_LIMIT_KB = 128


@differs("runc", "crun", reason="their waiting init is larger", strict=False)
def test_waiting_costs_little_memory(container: Container) -> None:
    """The proportional set size of init is at most 128 KB, the plan with its filter included."""
    container.bundle.probe("wait")
    container.create()
    rollup = Path(f"/proc/{container.pid}/smaps_rollup").read_text()
    pss = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    assert pss
    assert int(pss[1]) <= PSS_LIMIT_KB


@differs("runc", "crun", reason="they hold other descriptors", strict=False)
def test_waiting_holds_no_directory_of_the_host(container: Container) -> None:
    """Beside standard input, output and error: the fifo, and the root of a procfs of the container's own."""
    container.bundle.probe("wait")
    container.create()
    table = Path(f"/proc/{container.pid}/fd")
    held = {int(entry.name): os.readlink(entry) for entry in table.iterdir()}
    others = sorted(target for number, target in held.items() if number > 2)
    assert others == ["/", str(container.runtime.root / container.id / "exec.fifo")]
    procfs = next(number for number, target in held.items() if target == "/" and number > 2)
    assert (table / str(procfs) / "self").is_symlink()
    assert os.listdir(f"/proc/{container.pid}/root") == os.listdir(container.bundle.rootfs)
