"""What the planner may know about the host, as one immutable value.  `runtime.host.probe` fills it; this module asks nothing."""

from runtime.record import record


@record
class HostFacts:
    """Facts that decide what a plan contains; the same facts and inputs give the same plan, byte for byte."""

    machine: str  # uname -m: "x86_64", "aarch64"
    kernel: tuple[int, int]
    euid: int
    egid: int
    owner: str  # user name of euid, "" when unknown
    initial_userns: bool  # False inside a user namespace (device programs and some writes are then tolerated to fail)
    capabilities: int  # our permitted set, a bit for each CAP_*
    last_capability: int
    cgroup_mount: str | None  # where the unified hierarchy is mounted
    cgroup_controllers: tuple[str, ...]  # cgroup.controllers of that mount's root (or of our own cgroup when not root)
    own_cgroup: str  # our own cgroup below the mount, "/" at the root
    cgroup_hybrid: bool  # v1 mounts hold the other controllers
    hugepage_sizes: tuple[str, ...]  # "2MB", "1GB"
    delegate_files: tuple[str, ...]  # /sys/kernel/cgroup/delegate, or the spec's fallback
    lsms: tuple[str, ...]  # active ones among "apparmor", "selinux"
    seccomp_flags: int  # SECCOMP_FILTER_FLAG_* that this kernel takes
    newuidmap: str | None
    newgidmap: str | None
    stdin_tty: bool
    stdin_size: tuple[int, int]  # rows, columns of the terminal on stdin, (0, 0) without one
    landlock: int  # ABI of the kernel's Landlock; 0: none, or nobody needed to know
    may_set_groups: bool = True  # False in a user namespace that denies setgroups(2)
    nsdelegate: bool = True  # limits of the cgroup that a cgroup namespace begins with are closed in it; True: or nobody needed to know
    joins_own_network: bool = False  # the network namespace that the config joins by path is our own
