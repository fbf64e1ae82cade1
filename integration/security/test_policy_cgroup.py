"""What hangs on a container's cgroup, against configs that bring the host's hierarchy in under another name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework import hierarchy
from integration.framework.broker import MEDIATED
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="policies are postern's")

HIERARCHY = "/sys/fs/cgroup"
WRITABLE = "the config mounts the host's cgroups writable"
HELD = "network: {egress: [192.0.2.1]}\n"


def flag(container: Container, text: str = HELD) -> tuple[str, str]:
    """The words that choose a policy of this text."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(text if text.startswith("name:") else f"name: held\n{text}")
    return ("--policy", str(path))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """The hierarchy mounted once more; only in the mount namespace of the tests, and for as long as one of them runs."""
    subprocess.run(
        ["mount", "-t", "cgroup2", "-o", hierarchy.options() or "defaults", "none", str(tmp_path)], check=True
    )
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def way_in(container: Container, way: str, elsewhere: Path) -> tuple[str, str]:
    """(source, option) of a bind mount by which the hierarchy comes in."""
    link = container.bundle.path / "link"
    if way == "symlink":
        link.symlink_to(HIERARCHY)
    elif way == "symlink above":
        link.symlink_to("/sys")
    return {
        "symlink": (str(link), "bind"),
        "symlink above": (str(link), "rbind"),
        "below a symlink": (f"/proc/self/root{HIERARCHY}", "bind"),
        "with all of sysfs": ("/proc/self/root/sys", "rbind"),
        "another mount": (str(elsewhere), "bind"),
    }[way]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("way", ["symlink", "symlink above", "below a symlink", "with all of sysfs", "another mount"])
def test_the_hierarchy_by_another_name(container: Container, elsewhere: Path, way: str, own: bool) -> None:
    """Writable without a policy; under one that stands on the cgroup no container starts, and read-only it is harmless."""
    source, bind = way_in(container, way, elsewhere)
    spaces = [space for space in container.bundle.linux["namespaces"] if space["type"] != "cgroup"]
    container.bundle.linux["namespaces"] = [*spaces, {"type": "cgroup"}] if own else spaces
    container.bundle.mount("/host", "bind", source, bind)
    inside = "/host/fs/cgroup" if bind == "rbind" else "/host"
    container.bundle.shell(f"touch {inside}/cgroup.procs && echo writable")
    assert container.run().out == "writable\n"
    refused = container.run(*flag(container))
    assert refused.rc == 1
    advice = "cannot be held to its cgroup" if own else "needs a cgroup namespace of the container's own"
    assert refused.err.rstrip('"\n').endswith(f"{advice}: {WRITABLE}"), refused.err
    assert container.status() == "missing"
    assert container.run(*flag(container, "network: unrestricted\nclone_flags: []\n")).out == "writable\n"
    container.bundle.config["mounts"][-1]["options"] = [bind, "rro"]
    assert "writable" not in container.run(*flag(container)).out


def test_created_containers_too(container: Container) -> None:
    """create fails, not only start."""
    link = container.bundle.path / "link"
    link.symlink_to(HIERARCHY)
    container.bundle.mount("/host", "bind", str(link), "bind")
    assert WRITABLE in container.create(*flag(container), check=False).err
    assert container.status() == "missing"


def test_what_is_read_only_and_need_not_stay_so(container: Container) -> None:
    """CAP_SYS_ADMIN makes it writable, unless the policy denies every call for it."""
    link = container.bundle.path / "link"
    link.symlink_to(HIERARCHY)
    spaces = [space for space in container.bundle.linux["namespaces"] if space["type"] != "cgroup"]
    container.bundle.linux["namespaces"] = [*spaces, {"type": "cgroup"}]
    container.bundle.caps("CAP_SYS_ADMIN").mount("/host", "bind", str(link), "bind", "ro")
    container.bundle.shell("busybox mount -o remount,rw,bind /host && touch /host/cgroup.procs && echo writable")
    assert container.run().out == "writable\n"
    refused = container.run(*flag(container))
    assert "cannot be held to its cgroup: the config mounts the host's cgroups, and CAP_SYS_ADMIN" in refused.err
    denied = container.run(*flag(container, f'{HELD}syscalls: {{default: allow, deny: ["@mount"]}}\n'))
    assert denied.rc != 0
    assert "writable" not in denied.out
    assert "ermi" in denied.err


def test_its_own_part_may_be_writable(container: Container) -> None:
    """What a container mounts in a cgroup namespace of its own begins at its own cgroup."""
    spaces = [space for space in container.bundle.linux["namespaces"] if space["type"] != "cgroup"]
    container.bundle.linux["namespaces"] = [*spaces, {"type": "cgroup"}]
    container.bundle.mount("/own", "cgroup2", "cgroup")
    container.bundle.shell("mkdir /own/part && rmdir /own/part && echo writable")
    assert container.run(*flag(container)).ok().out == "writable\n"


def test_a_policy_that_comes_later_looks_as_well(container: Container) -> None:
    """apply: what its container was created under did not stand on the cgroup, and nobody looked."""
    link = container.bundle.path / "link"
    link.symlink_to(HIERARCHY)
    limit = container.bundle.path / "limit.yaml"
    limit.write_text("name: limit\nnetwork: unrestricted\nlimits: {wall_time: 1h}\n")
    container.bundle.shell("echo ready; sleep 60")
    for bound in (False, True):
        if bound:
            container.bundle.mount("/host", "bind", str(link), "bind")
        container.create(*flag(container, MEDIATED))
        container.start()
        container.wait_for_output("ready")
        applied = container.call("policy", "apply", container.id, str(limit))
        assert (applied.rc != 0) == bound, repr(applied)
        assert ("cannot be held to its cgroup: its config mounts the host's cgroups" in applied.err) == bound
        container.delete("--force")


LIMITED = "resources: {pids: 8}\n"
UNDELEGATED = "this host's hierarchy is mounted without nsdelegate"
# every way to a writable view of the own cgroup: what is there, what a read-only one becomes, a new one, one of a user namespace's
LIFTING = """
try() { (echo 500 > $1/pids.max) 2>/dev/null && echo "lifted by $2"; }
mkdir -p /tmp/new
try /sys/fs/cgroup "what is there"
/bin/busybox mount -o remount,bind,rw /sys/fs/cgroup 2>/dev/null && try /sys/fs/cgroup remounting
/bin/busybox mount -t cgroup2 none /tmp/new 2>/dev/null && try /tmp/new mounting
/bin/busybox unshare -U -r -C -m /bin/sh -c '
    /bin/busybox mount -t cgroup2 none /tmp/new && echo 500 > /tmp/new/pids.max && echo "lifted by a namespace"' 2>/dev/null
cat /sys/fs/cgroup/pids.max
"""


@pytest.fixture(params=["", "nsdelegate"])
def delegation(request: pytest.FixtureRequest) -> Iterator[str]:
    """The hierarchy with nsdelegate and without; afterwards as it was."""
    before = hierarchy.options()
    kept = [word for word in before.split(",") if word not in ("", "nsdelegate")]
    hierarchy.set_options(",".join([*kept, *filter(None, [request.param])]))
    try:
        yield request.param
    finally:
        hierarchy.set_options(before)


def own_cgroup(container: Container, *options: str) -> None:
    """A cgroup namespace of the container's own, and its part of the hierarchy mounted."""
    spaces = [space for space in container.bundle.linux["namespaces"] if space["type"] != "cgroup"]
    container.bundle.linux["namespaces"] = [*spaces, {"type": "cgroup"}]
    mounts = container.bundle.config["mounts"]
    container.bundle.config["mounts"] = [one for one in mounts if one["destination"] != HIERARCHY]
    container.bundle.mount(HIERARCHY, "cgroup2", "cgroup", *options)


@pytest.mark.vm
def test_limits_that_the_container_could_lift(container: Container, delegation: str) -> None:
    """Without nsdelegate a container's root may write its own limits: no writable mount of them is there, and none comes."""
    own_cgroup(container)
    container.bundle.caps("CAP_SYS_ADMIN").shell(LIFTING)
    container.bundle.linux["resources"] = {"pids": {"limit": 8}}
    lifted = container.run().ok().out
    assert ("lifted by what is there" in lifted) == (delegation == "")
    assert lifted.splitlines()[-1] == ("8" if delegation else "500")
    refused = container.run(*flag(container, LIMITED))
    if delegation:
        assert refused.ok().out.splitlines()[-1] == "8"
    else:
        assert refused.rc == 1
        assert UNDELEGATED in refused.err
    own_cgroup(container, "ro")
    lifted = container.run().ok().out
    assert ("lifted by remounting" in lifted) == (delegation == "")
    held = container.run(*flag(container, LIMITED)).ok().out
    assert held == "8\n"


@pytest.mark.vm
def test_limits_in_a_mount_of_another_name(container: Container, delegation: str) -> None:
    """What the config's words do not tell init sees."""
    link = container.bundle.path / "link"
    link.symlink_to(HIERARCHY)
    own_cgroup(container, "ro")
    container.bundle.mount("/host", "bind", str(link / container.cgroup.relative_to(HIERARCHY).parent), "bind")
    container.bundle.args("/bin/true")
    refused = container.run(*flag(container, LIMITED))
    assert refused.rc == 1
    words = "cannot be held to its cgroup" if delegation else "cannot keep its limits"
    assert words in refused.err


@pytest.mark.vm
def test_the_host_keeps_its_options(container: Container, delegation: str) -> None:
    """A container in the host's cgroup namespace that mounts the hierarchy takes nothing from all others."""
    before = hierarchy.options()
    spaces = [space for space in container.bundle.linux["namespaces"] if space["type"] != "cgroup"]
    container.bundle.linux["namespaces"] = spaces
    container.bundle.mount("/host", "cgroup", "cgroup").shell(
        "test -d /host/cgroup.procs || cat /host/cgroup.controllers"
    )
    assert "pids" in container.run().ok().out
    assert hierarchy.options() == before
    assert ("nsdelegate" in before) == (delegation != "")
