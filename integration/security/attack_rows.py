"""The attacks by name, and under which policies each may pass: the data of policy_verdicts.py.

A row that does not name a policy among its `opens` says that the attack is stopped there.
"""

from __future__ import annotations

import platform
from typing import NamedTuple

BUILT_IN = ("agent", "batch-job", "ci-runner", "development", "hostile-tenant", "web-server")
FENCED = "fenced"
MEDIATED = "mediated"
OWN = (FENCED, MEDIATED)
POLICIES = (*BUILT_IN, *OWN)
EVERY = frozenset(POLICIES)
LOOSE = frozenset({"development"})  # no paths, sockets or capabilities are limited
NODES = frozenset({"development", FENCED})
CALLS = frozenset({"development", *OWN})  # nothing but what a limit needs is taken away by system call
BUILDS = frozenset({"development", "ci-runner"})  # runs what it wrote, reaches nearly every network
PERMITTED = frozenset({*BUILDS, *OWN})
LOCAL = frozenset({*BUILDS, *OWN, "web-server"})
TRACED = frozenset(OWN)
LISTED = frozenset({"agent", "batch-job", "ci-runner", "web-server"})


class Row(NamedTuple):
    """One attack: what it does, under which policies the policy lets it pass, and what else may be its end.

    `refusals` are errors by which this attack is refused besides the usual; `absent` those that tell that this kernel or container
    has not what is attacked.  `killed`: the process has to die.
    """

    name: str
    what: str
    opens: frozenset[str] = frozenset()
    refusals: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    killed: bool = False


class Group(NamedTuple):
    """Attacks that belong together."""

    title: str
    rows: tuple[Row, ...]


def _errors(*names: str) -> frozenset[str]:
    return frozenset(names)


NAMESPACES = Group(
    "Namespaces and the processes beside oneself",
    (
        Row("unshare_user", "`unshare(CLONE_NEWUSER)`"),
        Row("unshare_mount", "`unshare(CLONE_NEWNS)`"),
        Row("unshare_network", "`unshare(CLONE_NEWNET)`"),
        Row("unshare_pid", "`unshare(CLONE_NEWPID)`"),
        Row("unshare_ipc", "`unshare(CLONE_NEWIPC)`"),
        Row("unshare_uts", "`unshare(CLONE_NEWUTS)`"),
        Row("unshare_cgroup", "`unshare(CLONE_NEWCGROUP)`"),
        Row("unshare_time", "`unshare(CLONE_NEWTIME)`"),
        Row("unshare_user_and_mount", "a user and a mount namespace together, which need no right"),
        Row("clone_user", "`clone` with CLONE_NEWUSER"),
        Row("clone_user_high_bits", "the same with bits set that the kernel does not look at"),
        Row("clone_mount", "`clone` with CLONE_NEWNS"),
        Row("clone_network", "`clone` with CLONE_NEWNET"),
        Row("clone3_user", "`clone3`, whose flags lie behind a pointer, with CLONE_NEWUSER"),
        Row("clone3_mount", "`clone3` with CLONE_NEWNS"),
        Row("clone3_time", "`clone3` with CLONE_NEWTIME"),
        Row("setns_file", "`setns` with a file of `/proc/1/ns`"),
        Row("setns_any", "`setns` with flags 0, which stands for any kind"),
        Row("setns_pidfd", "`setns` with a pidfd of init"),
        Row("capset_admin", "`capset` that adds CAP_SYS_ADMIN", CALLS),
        Row("ptrace_init", "`ptrace(PTRACE_SEIZE)` of init", TRACED),
        Row("ptrace_traceme", "`ptrace(PTRACE_TRACEME)`", TRACED),
        Row("process_vm_write", "`process_vm_writev` into init", TRACED),
        Row("process_vm_read", "`process_vm_readv` from init", TRACED),
        Row("proc_mem_write", "writing to `/proc/1/mem`", LOOSE),
        Row("pidfd_steal", "`pidfd_getfd` of a descriptor of init's", TRACED),
        Row("kcmp_init", "`kcmp` with init", TRACED),
    ),
)

KERNEL = Group(
    "Parts of the kernel with a history",
    (
        Row("bpf_map", "`bpf(BPF_MAP_CREATE)`"),
        Row("bpf_program", "`bpf(BPF_PROG_LOAD)`"),
        Row("bpf_detach", "the cgroup's programs that judge connections, taken away by `bpf`"),
        Row("userfaultfd", "`userfaultfd`", TRACED),
        Row("userfaultfd_user_mode", "`userfaultfd` with UFFD_USER_MODE_ONLY, which needs no right", TRACED),
        Row("io_uring_setup", "`io_uring_setup`"),
        Row("io_uring_enter", "`io_uring_enter`"),
        Row("io_uring_register", "`io_uring_register`"),
        Row("keyctl_join", "`keyctl(KEYCTL_JOIN_SESSION_KEYRING)`", TRACED),
        Row("add_key", "`add_key`", TRACED),
        Row("request_key", "`request_key`", TRACED),
        Row("perf_event_open", "`perf_event_open`", TRACED),
        Row("init_module", "`init_module` (without a module)", TRACED),
        Row("finit_module", "`finit_module` (without a file)", TRACED),
        Row("delete_module", "`delete_module` of a name that there is not", TRACED),
        Row("kexec_load", "`kexec_load` (with false flags)", TRACED),
        Row("kexec_file_load", "`kexec_file_load` (with false flags)", TRACED),
        Row("reboot", "`reboot` (with false magic numbers)", TRACED),
        Row("swapon", "`swapon` of a file that there is not"),
        Row("acct", "`acct` with a file that there is not"),
        Row("quotactl", "`quotactl` of a device that there is not", TRACED),
        Row("adjtimex", "`adjtimex` (with a tick out of range)", TRACED),
        Row("kernel_log", "`syslog`, the kernel's messages", TRACED),
        Row("sethostname", "`sethostname`", TRACED),
        Row("fanotify_init", "`fanotify_init`, whose events bring files opened"),
        Row("personality", "`personality(READ_IMPLIES_EXEC)`", CALLS),
        Row("iopl", "`iopl(3)`, the machine's ports", TRACED),
        Row("modify_ldt", "`modify_ldt`", LISTED | CALLS),
        Row(
            "seccomp_listener",
            "a filter of one's own with a listener, to answer what the policy refuses",
            EVERY,
            absent=_errors("EBUSY"),
        ),
    ),
)

DEVICES = Group(
    "Devices, and the switches in /proc and /sys",
    (
        Row("dev_mem", "a node of `/dev/mem`, made and opened", NODES, absent=_errors("ENXIO", "EACCES")),
        Row("dev_kmsg", "a node of `/dev/kmsg`, made and opened", NODES, absent=_errors("EACCES")),
        Row(
            "dev_other",
            "a node of a device that no container is given, made and opened",
            NODES,
            absent=_errors("ENXIO", "ENODEV", "EACCES"),
        ),
        Row("make_char_node", "`mknod` of a character device", NODES),
        Row("make_block_node", "`mknod` of a block device", NODES),
        Row("sysrq", "`/proc/sysrq-trigger` for writing", absent=_errors("ENOENT")),
        Row("core_pattern", "`/proc/sys/kernel/core_pattern` for writing", LOOSE),
        Row("modprobe_path", "`/proc/sys/kernel/modprobe` for writing", LOOSE, absent=_errors("ENOENT")),
        Row("randomize_va_space", "`/proc/sys/kernel/randomize_va_space` for writing", LOOSE),
        Row("kcore", "`/proc/kcore` for reading", frozenset({FENCED}), absent=_errors("ENOENT")),
        Row("sys_write", "a file of `/sys/kernel` for writing", LOOSE, absent=_errors("ENOENT")),
        Row("cgroup_procs", "`cgroup.procs` for writing", LOOSE),
        Row("cgroup_make", "a cgroup of one's own", LOOSE),
        Row("terminal_input", "`ioctl(TIOCSTI)`: typing into a terminal", CALLS, absent=_errors("EIO")),
        Row(
            "terminal_input_high_bits",
            "the same with bits set that the kernel does not look at",
            CALLS,
            absent=_errors("EIO"),
        ),
    ),
)

MOUNTS = Group(
    "Mounts and roots",
    (
        Row("mount_tmpfs", "`mount` of a tmpfs"),
        Row("mount_bind", "`mount` of a writable directory over another"),
        Row("mount_proc", "`mount` of a fresh procfs"),
        Row("mount_overlay", "`mount` of an overlay"),
        Row("mount_cgroup", "`mount` of cgroup2"),
        Row("remount_writable", "a remount that makes a read-only path writable"),
        Row("remount_root_writable", "the same with the root"),
        Row("unmount", "`umount2` of a mount of the container"),
        Row("unmount_outside", "`umount2` of what makes a path read-only"),
        Row("fsopen", "`fsopen`"),
        Row("fsconfig", "`fsconfig`"),
        Row("fsmount", "`fsopen`, `fsconfig`, `fsmount`"),
        Row("open_tree", "`open_tree(OPEN_TREE_CLONE)`"),
        Row("open_tree_attr", "`open_tree_attr` that clears read-only on the copy"),
        Row("move_mount", "`move_mount`"),
        Row("mount_setattr", "`mount_setattr` that clears read-only on everything"),
        Row("fspick", "`fspick` of the root"),
        Row("pivot_root", "`pivot_root`"),
        Row("chroot", "`chroot`", TRACED),
        Row("open_by_handle_at", "`open_by_handle_at`: a file by its handle, past every mount"),
    ),
)

UNIX_OPEN = EVERY - {MEDIATED}
SOCKETS = Group(
    "Sockets",
    (
        Row("socket_raw", "a raw IPv4 socket", LOOSE),
        Row("socket_raw6", "a raw IPv6 socket", LOOSE),
        Row("socket_packet", "AF_PACKET", LOOSE),
        Row("socket_packet_old", "SOCK_PACKET", LOOSE),
        Row("socket_packet_high_bits", "AF_PACKET with bits set that the kernel does not look at", LOOSE),
        Row("socket_netlink_route", "netlink: routes", LOOSE),
        Row("socket_netlink_audit", "netlink: audit", LOOSE),
        Row("socket_netlink_netfilter", "netlink: netfilter", LOOSE),
        Row("socket_vsock", "AF_VSOCK", LOOSE),
        Row("socket_alg", "AF_ALG", LOOSE),
        Row("socket_xdp", "AF_XDP", LOOSE),
        Row("socket_smc", "AF_SMC", LOOSE),
        Row("socket_mptcp", "multipath TCP, which has its own connect", LOOSE),
        Row("bind_port", "binding to port 7003 and listening", BUILDS),
        Row(
            "listen_unbound",
            "`listen` without `bind`, which takes a free port: who gets through to it is a matter of `ingress`",
            LOCAL,
        ),
        Row("unix_path", "connecting to a unix socket in `/outside`", UNIX_OPEN),
        Row("unix_abstract", "connecting to an abstract unix socket", UNIX_OPEN),
        Row("unix_bind_outside", "binding a unix socket in `/outside`", LOOSE),
    ),
)

EGRESS = Group(
    "Reaching an address outside the permitted networks",
    (
        Row("connect_permitted_tcp", "no attack: TCP to a permitted address", PERMITTED),
        Row("connect_permitted_udp", "no attack: UDP to a permitted address", PERMITTED),
        Row("connect_permitted_tcp6", "no attack: TCP over IPv6 to a permitted address", PERMITTED),
        Row("connect_tcp", "`connect`, TCP", BUILDS),
        Row("connect_udp", "`connect`, UDP", BUILDS),
        Row("connect_tcp6", "`connect`, TCP over IPv6", BUILDS),
        Row("connect_udp6", "`connect`, UDP over IPv6", BUILDS),
        Row("connect_mapped_tcp", "an IPv4 address in an IPv6 socket, TCP", BUILDS),
        Row("connect_mapped_udp", "an IPv4 address in an IPv6 socket, UDP", BUILDS),
        Row("connect_other_port", "a permitted address, another port", BUILDS),
        Row("connect_mptcp", "`connect`, multipath TCP", LOOSE),
        Row("connect_mptcp6", "`connect`, multipath TCP over IPv6", LOOSE),
        Row("connect_udplite", "`connect`, UDP-Lite", LOOSE),
        Row("connect_sctp", "`connect`, SCTP", LOOSE),
        Row("reconnect_udp", "a socket connected to a permitted address, connected again", BUILDS),
        Row("reconnect_udp_unspec", "the same with AF_UNSPEC in between", BUILDS),
        Row("reconnect_tcp_unspec", "the same with TCP", BUILDS),
        Row("sendto_while_connected", "`sendto` another address on a connected socket", BUILDS),
        Row("sendto_udp", "`sendto`", BUILDS),
        Row("sendto_unspec", "`sendto` with AF_UNSPEC, which stands for AF_INET", BUILDS),
        Row("sendto_udp6", "`sendto` over IPv6", BUILDS),
        Row("sendto_mapped", "`sendto` an IPv4 address in an IPv6 socket", BUILDS),
        Row("sendto_four_in_six", "`sendto` with a sockaddr_in on an IPv6 socket", BUILDS),
        Row("sendmsg_udp", "`sendmsg`", BUILDS),
        Row("sendmmsg_udp", "`sendmmsg`", BUILDS),
        Row("sendmmsg_second", "`sendmmsg`, the first message to a permitted address", BUILDS),
        Row("fastopen_sendto", "`sendto(MSG_FASTOPEN)`, which connects", BUILDS),
        Row("fastopen_connect", "TCP_FASTOPEN_CONNECT, which connects at the first write", BUILDS),
        Row("fastopen_mptcp", "`sendto(MSG_FASTOPEN)` with multipath TCP", LOOSE),
        Row("connect_metadata", "169.254.169.254, where clouds keep credentials", LOOSE),
        Row("connect_any", "0.0.0.0, which stands for this machine", LOCAL),
        Row("connect_loopback", "127.0.0.1 in a network namespace of the container's own", LOCAL),
        Row("route_udp", "a source route by way of another address (IP_OPTIONS), UDP", LOOSE),
        Row("route_udp_strict", "the same, strict", LOOSE),
        Row("route_tcp", "the same, TCP", LOOSE),
        Row("route_ancillary", "a source route given with `sendmsg` (IP_RETOPTS)", LOOSE),
        Row("route6_segments", "an IPv6 routing header by way of another address (IPV6_RTHDR, segments)", LOOSE),
        Row("route6_home", "the same, of mobility", LOOSE, absent=_errors("EINVAL")),
        Row("route6_ancillary", "a routing header given with `sendmsg`", LOOSE, absent=_errors("EINVAL")),
        Row("change_family", "an IPv6 socket that becomes an IPv4 one (IPV6_ADDRFORM)", BUILDS),
        Row("connect_io_uring", "`connect` through io_uring"),
    ),
)

WRITES = Group(
    "Changing a file outside the writable paths",
    (
        Row("open_write", "`open` for writing", LOOSE),
        Row("open_truncate", "`open` with O_TRUNC", LOOSE),
        Row("open_truncate_readonly", "`open` for reading with O_TRUNC", LOOSE),
        Row("open_openat2", "`openat2`", LOOSE),
        Row("open_create", "`open` with O_CREAT of a new name", LOOSE),
        Row("creat", "`creat`", LOOSE),
        Row("symlink_to_file", "through a symlink in a writable directory", LOOSE),
        Row("symlink_to_directory", "through a symlink to the directory", LOOSE),
        Row("symlink_relative", "through a relative symlink", LOOSE),
        Row("symlink_chain", "through a chain of symlinks", LOOSE),
        Row("dot_dot", "through `..` of a writable directory", LOOSE),
        Row("relative_to_directory", "`openat` with the directory's descriptor", LOOSE),
        Row("after_chdir", "a relative path after `chdir`", LOOSE),
        Row("after_fchdir", "the same after `fchdir` to an O_PATH descriptor", LOOSE),
        Row("hard_link", "through a hard link in a writable directory", LOOSE),
        Row("hard_link_by_descriptor", "the same, linked by descriptor", LOOSE),
        Row("reopen_read", "a descriptor for reading, opened again through `/proc/self/fd`", LOOSE),
        Row("reopen_path", "an O_PATH descriptor, opened again", LOOSE),
        Row("reopen_thread_self", "the same through `/proc/thread-self`", LOOSE),
        Row("proc_1_root", "through `/proc/1/root`", LOOSE),
        Row("proc_self_root", "through `/proc/self/root`", LOOSE),
        Row("proc_1_cwd", "through `/proc/1/cwd`", LOOSE, refusals=_errors("ELOOP")),
        Row("chroot_disguise", "after `chroot`, by a name that sounds like a writable one"),
        Row("truncate", "`truncate`", LOOSE),
        Row("fallocate", "`fallocate`", LOOSE),
        Row("mmap_shared", "a shared mapping", LOOSE),
        Row("sendfile", "`sendfile`", LOOSE),
        Row("setxattr", "`setxattr`", LOOSE),
        Row("setxattr_trusted", "`setxattr` of trusted.*", LOOSE),
        Row("removexattr", "`removexattr`", LOOSE),
        Row("set_acl", "an access control list", LOOSE, absent=_errors("EOPNOTSUPP")),
        Row("chmod", "`chmod`", LOOSE),
        Row("fchmod", "`fchmod` of a descriptor for reading", LOOSE),
        Row("fchmodat2", "`fchmodat2` of an O_PATH descriptor", LOOSE),
        Row("chown", "`lchown`", LOOSE),
        Row("utimes", "`utimensat`", LOOSE),
        Row("futimens", "`futimens` of a descriptor for reading", LOOSE),
        Row("change_flags", "`ioctl(FS_IOC_SETFLAGS)`", LOOSE, absent=_errors("ENOTTY", "EOPNOTSUPP")),
    ),
)

NAMES = Group(
    "Changing names outside the writable paths",
    (
        Row("rename_away", "`rename` of the file into a writable directory", LOOSE),
        Row("rename_within", "`rename` beside itself", LOOSE),
        Row("rename_over", "`rename` of a written file over it", LOOSE),
        Row("rename_exchange", "`renameat2(RENAME_EXCHANGE)`", LOOSE),
        Row("rename_directory_over", "`rename` of a written directory over another", LOOSE),
        Row("rename_writable", "`rename` of the writable directory itself", LOOSE, refusals=_errors("EBUSY")),
        Row("mkdir", "`mkdir`", LOOSE),
        Row("mknod_fifo", "`mknod` of a FIFO", LOOSE),
        Row("mknod_file", "`mknod` of a file", LOOSE),
        Row("symlink", "`symlink`", LOOSE),
        Row("link", "`link` of a written file", LOOSE),
        Row("unlink", "`unlink`", LOOSE),
        Row("rmdir", "`rmdir`", LOOSE),
        Row("nameless_file", "`linkat` of an O_TMPFILE file", LOOSE),
        Row("nameless_outside", "`open` with O_TMPFILE", LOOSE),
    ),
)

EXECUTION = Group(
    "Running a program from outside the executable paths",
    (
        Row("exec_written", "`execve` of a written file", BUILDS),
        Row("exec_link", "`execve` of a symlink to it", BUILDS),
        Row("exec_descriptor", "`execveat` of its descriptor", BUILDS),
        Row("exec_proc_fd", "`execve` of `/proc/self/fd/N`", BUILDS),
        Row("exec_loader", "the dynamic loader, given a written program", BUILDS),
        Row("exec_script", "a written script", BUILDS),
        Row("exec_interpreter", "a script whose interpreter is a written file", BUILDS),
        Row(
            "shell_reads_script",
            "a permitted shell that reads a written script: an interpreter cannot be denied its input",
            EVERY,
        ),
        Row("memfd", "`execveat` of a memfd", LOOSE),
        Row("memfd_executable", "the same, asked for with MFD_EXEC", LOOSE),
        Row("exec_nameless", "`execveat` of an O_TMPFILE file", BUILDS),
        Row("exec_shm", "`execve` of a file in `/dev/shm`", LOOSE),
        Row("mmap_written", "`mmap(PROT_EXEC)` of a written file", BUILDS),
        Row("mprotect_written", "`mprotect(PROT_EXEC)` of a mapped written file", BUILDS),
        Row("mmap_anonymous", "anonymous memory that is writable and executable: every JIT compiler needs it", EVERY),
        Row("exec_outside", "`execve` of a program in `/outside`", LOOSE),
        Row("exec_setuid", "a program with the set-user-ID bit as another user"),
    ),
)

ENTRIES = Group(
    "The kernel's other doors (x86_64)",
    (
        Row("int80_unshare", "`int 0x80`: unshare in i386's numbers", killed=True),
        Row("int80_getpid", "`int 0x80`: even getpid", killed=True),
        Row("segment32_getpid", "the same from a 32-bit code segment", killed=True),
        Row("x32_getpid", "an x32 call", killed=True),
        Row("x32_unshare", "unshare as an x32 call", killed=True),
        Row("number_high_bits", "unshare with bits set in its number that the kernel does not look at"),
    ),
)

# Under a list of programs (`exec`) alone: what the dynamic loader maps is a matter of `execute`, not of what is started.
MAPPED = frozenset({"mmap_written", "mprotect_written", "mmap_anonymous", "shell_reads_script"})

GROUPS = (NAMESPACES, KERNEL, DEVICES, MOUNTS, SOCKETS, EGRESS, WRITES, NAMES, EXECUTION, ENTRIES)
ROWS = {
    row.name: row for group in GROUPS for row in group.rows if group is not ENTRIES or platform.machine() == "x86_64"
}
