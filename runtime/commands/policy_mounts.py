"""Whether a container that runs sees cgroups which a policy must not let it write to: asked when one is to stand on its cgroup later.

At create init looks for itself (`runtime.native`, CGROUP_VIEW); a policy that is applied to a container whose own did not stand on the
cgroup has to look from outside.  Cold.
"""

from runtime.errors import PolicyError
from runtime.host.probe import read_file
from runtime.policy.hierarchy import EVERY, OWN, REMOUNTABLE


def check_mounts(pid: int, path: str, hierarchy: str) -> None:
    """Look at what is mounted for a container's init; `path` is its cgroup, `hierarchy` what the new policy has looked for.

    Raises: PolicyError.
    """
    if reaches_out(read_file(f"/proc/{pid}/mountinfo", once=False), path, hierarchy):
        raise PolicyError(
            [
                "the container cannot be held to its cgroup: its config mounts cgroups, and nobody looked at create"
                if hierarchy == OWN
                else "the container cannot be held to its cgroup: its config mounts the host's cgroups, and nobody looked at create"
            ]
        )


def reaches_out(mountinfo: bytes, path: str, hierarchy: str) -> bool:
    """Whether a text of mountinfo, as somebody outside reads it, has a cgroup2 that must not be there.  Nothing to read is one."""
    own = path.strip("/").encode("utf-8", "surrogateescape")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if not after.startswith(b"cgroup2 "):
            continue
        root, writable = fields[3].strip(b"/"), b"rw" in fields[5].split(b",")
        inside = own != b"" and (root == own or root.startswith(own + b"/"))
        if (writable or hierarchy == REMOUNTABLE) and (not inside or hierarchy in (EVERY, OWN)):
            return True
    return not mountinfo
