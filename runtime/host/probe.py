"""Ask the machine what `facts.HostFacts` holds: a dozen small reads, and only those that the config needs.

Reads files and asks system calls of the C library's wrappers that CPython has built in; changes nothing.
"""

import posix

from runtime.host.facts import HostFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_READ = posix.O_RDONLY | posix.O_CLOEXEC
_PAGE = 4096
_WHOLE_USERNS = b"4294967295"

# seccomp(2) flags and the kernel that brought each; probing them takes a system call which Python has no door to without
# loading the extension module, and no supported kernel lacks the old ones
_SECCOMP_FLAGS = (
    ((3, 17), 1 << 0),  # TSYNC
    ((4, 14), 1 << 1),  # LOG
    ((4, 17), 1 << 2),  # SPEC_ALLOW
    ((5, 0), 1 << 3),  # NEW_LISTENER
    ((5, 7), 1 << 4),  # TSYNC_ESRCH
    ((5, 19), 1 << 5),  # WAIT_KILLABLE_RECV
)

# config-linux.md#cgroup-ownership: what is delegated where the kernel has no list
_DELEGATE_FALLBACK = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
_LIMITING = ("memory", "pids", "cpu")  # what policies limit
_UNIFIED_MOUNTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _read_fd(fd: int, once: bool) -> bytes:
    content = part = posix.read(fd, _PAGE)
    while part and not once:
        part = posix.read(fd, 16 * _PAGE)
        content += part
    return content


def read_file(path: str, once: bool = True) -> bytes:
    """The content of a file, b"" when it cannot be read; `once` suffices for kernel files of less than a page."""
    try:
        fd = posix.open(path, _READ)
    except OSError:
        return b""
    try:
        return _read_fd(fd, once)
    except OSError:
        return b""
    finally:
        posix.close(fd)


def probe_kernel(release: str) -> tuple[int, int]:
    """The kernel's release as numbers: `6.18.2-arch1` is (6, 18)."""
    major, _, rest = release.partition(".")
    digits = ""
    for char in rest:
        if not char.isdigit():
            break
        digits += char
    return int(major), int(digits or "0")


def probe_initial_userns() -> bool:
    """False inside a user namespace."""
    words = read_file("/proc/self/uid_map").split()
    return words == [b"0", b"0", _WHOLE_USERNS] or not words


def user_name(uid: int, passwd: bytes) -> str:
    """The name of a numeric user in the text of /etc/passwd, "" when it has none."""
    wanted = b"%d" % uid
    for line in passwd.split(b"\n"):
        fields = line.split(b":", 3)
        if len(fields) == 4 and fields[2] == wanted:
            return fields[0].decode("utf-8", "replace")
    return ""


def permitted_capabilities(status: bytes) -> int:
    """The CapPrm line of /proc/self/status as bits."""
    _, _, rest = status.partition(b"\nCapPrm:")
    return int(rest.partition(b"\n")[0] or b"0", 16)


def own_cgroup(text: bytes) -> tuple[str, bool]:
    """From /proc/self/cgroup: our cgroup in the unified hierarchy, and whether v1 hierarchies hold controllers."""
    path, hybrid = "/", False
    for line in text.split(b"\n"):
        number, _, rest = line.partition(b":")
        names, _, where = rest.partition(b":")
        if number == b"0":
            path = where.decode("utf-8", "surrogateescape")
        elif names and not names.startswith(b"name="):
            hybrid = True
    return path, hybrid


def unified_mount(mountinfo: bytes) -> str | None:
    """Where a text of /proc/self/mountinfo says that cgroup2 is mounted (the last one: it may cover others)."""
    found = None
    for line in mountinfo.split(b"\n"):
        left, _, right = line.partition(b" - ")
        if right.startswith(b"cgroup2 "):
            found = left.split(b" ")[4].decode("utf-8", "surrogateescape")
    return found.replace("\\040", " ") if found else None


def probe_nsdelegate(mountinfo: bytes) -> bool:
    """Whether a text of mountinfo says that the unified hierarchy is mounted with `nsdelegate`, which holds for all its mounts."""
    for line in mountinfo.split(b"\n"):
        right = line.partition(b" - ")[2]
        if right.startswith(b"cgroup2 "):
            return b"nsdelegate" in right.split(b" ")[-1].split(b",")
    return False


def _can_limit(controllers: tuple[str, ...], wanted: bool) -> bool:
    return wanted and any(name in controllers for name in _LIMITING)


def _probe_cgroup(euid: int) -> tuple[str | None, tuple[str, ...], str, bool]:
    own, hybrid = own_cgroup(read_file("/proc/self/cgroup"))
    mount, text = None, b""
    for place in _UNIFIED_MOUNTS:
        text = read_file(f"{place}/cgroup.controllers")
        if text or _exists(f"{place}/cgroup.controllers"):
            mount = place
            break
    else:
        mount = unified_mount(read_file("/proc/self/mountinfo", once=False))
        text = read_file(f"{mount}/cgroup.controllers") if mount else b""
    if mount and euid and own != "/":
        text = read_file(f"{mount}{own}/cgroup.controllers")
    return mount, tuple(text.decode().split()), own, hybrid


def _exists(path: str) -> bool:
    return posix.access(path, posix.F_OK)


def page_size_name(kilobytes: int) -> str:
    """A huge page size as the spec and cgroup files write it: 2048 is 2MB."""
    if kilobytes >= 1 << 20 and kilobytes % (1 << 20) == 0:
        return f"{kilobytes >> 20}GB"
    if kilobytes >= 1 << 10 and kilobytes % (1 << 10) == 0:
        return f"{kilobytes >> 10}MB"
    return f"{kilobytes}KB"


def probe_hugepages() -> tuple[str, ...]:
    """The huge page sizes of this kernel as cgroup files name them, smallest first."""
    try:
        entries = posix.listdir("/sys/kernel/mm/hugepages")
    except OSError:
        return ()
    sizes = sorted(int(entry[10:-2]) for entry in entries if entry[:10] == "hugepages-" and entry[-2:] == "kB")
    return tuple(page_size_name(size) for size in sizes)


def probe_lsms() -> tuple[str, ...]:
    """Which of apparmor and selinux are active.  SELinux without a policy gives everybody the label `kernel` and enforces nothing."""
    found = []
    if read_file("/sys/module/apparmor/parameters/enabled")[:1] == b"Y":
        found.append("apparmor")
    if _exists("/sys/fs/selinux/enforce") and read_file("/proc/self/attr/current").rstrip(b"\0\n") != b"kernel":
        found.append("selinux")
    return tuple(found)


def probe_seccomp_flags(kernel: tuple[int, int]) -> int:
    """SECCOMP_FILTER_FLAG_* bits that this kernel takes, by its version."""
    bits = 0
    for since, bit in _SECCOMP_FLAGS:
        if kernel >= since:
            bits |= bit
    return bits


def _tool(name: str) -> str | None:
    raw = posix.environ.get(b"PATH", b"").decode("utf-8", "surrogateescape")
    for directory in (*raw.split(":"), *_TOOL_PATH.split(":")):
        path = f"{directory}/{name}"
        if directory[:1] == "/" and posix.access(path, posix.X_OK):
            return path
    return None


def _section(config: "Mapping[str, Any] | None", *names: str) -> "Any":
    value: Any = config
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def namespace_kinds() -> tuple[str, ...]:
    """The namespace types that this kernel has, in the specification's words."""
    names = {"mnt": "mount", "net": "network"}
    try:
        entries = posix.listdir("/proc/self/ns")
    except OSError:
        return ()
    return tuple(sorted(names.get(entry, entry) for entry in entries if not entry.endswith("_for_children")))


def _probe_terminal() -> tuple[bool, tuple[int, int]]:
    if not posix.isatty(0):
        return False, (0, 0)
    columns, rows = posix.get_terminal_size(0)
    return True, (rows, columns)


def probe_own_network(spaces: "Iterable[Mapping[str, Any]]") -> bool:
    """Whether one of a config's namespaces is joined by a path that leads to our own network."""
    for space in spaces:
        path = space.get("path") if space.get("type") == "network" else None
        if not path:
            continue
        try:
            joined, own = posix.stat(path), posix.stat("/proc/self/ns/net")
        except OSError:
            return False  # joining it will say what is wrong
        return (joined.st_dev, joined.st_ino) == (own.st_dev, own.st_ino)
    return False


def probe_facts(
    config: "Mapping[str, Any] | None", terminal: bool | None = None, landlock: int = 0, limits: bool = False
) -> HostFacts:
    """Fill in the facts; with `config` (as `load_config` gives it) what no part of it can depend on is left empty.

    `terminal` says whether a terminal is wanted where the config does not; `landlock` comes from `runtime.host.landlock` where
    a policy is in use, and `limits` says that one limits the cgroup.
    """
    name = posix.uname()
    kernel = probe_kernel(name.release)
    euid = posix.geteuid()
    initial = probe_initial_userns()
    mount, controllers, own, hybrid = _probe_cgroup(euid)
    linux = _section(config, "linux")
    whole = config is None
    process = _section(config, "process") or {}
    user_mapped = any(space.get("type") == "user" for space in _section(linux, "namespaces") or ())
    label = process.get("apparmorProfile") or process.get("selinuxLabel") or _section(linux, "mountLabel")
    owned = user_mapped or _section(process, "user", "uid")
    maps_with_tools = euid != 0 and (whole or user_mapped)
    wants_terminal = process.get("terminal") if terminal is None else terminal
    stdin_tty, stdin_size = _probe_terminal() if whole or wants_terminal else (False, (0, 0))
    delegate = read_file("/sys/kernel/cgroup/delegate").decode().split() if whole or owned else ()
    return HostFacts(
        machine=name.machine,
        kernel=kernel,
        euid=euid,
        egid=posix.getegid(),
        owner=user_name(euid, read_file("/etc/passwd", once=False)),
        initial_userns=initial,
        capabilities=permitted_capabilities(read_file("/proc/self/status", once=False)),
        last_capability=int(read_file("/proc/sys/kernel/cap_last_cap") or b"40"),
        cgroup_mount=mount,
        cgroup_controllers=controllers,
        own_cgroup=own,
        cgroup_hybrid=hybrid,
        hugepage_sizes=probe_hugepages() if whole or _section(linux, "resources", "hugepageLimits") else (),
        delegate_files=tuple(delegate) or _DELEGATE_FALLBACK,
        lsms=probe_lsms() if whole or label else (),
        seccomp_flags=probe_seccomp_flags(kernel),
        newuidmap=_tool("newuidmap") if maps_with_tools else None,
        newgidmap=_tool("newgidmap") if maps_with_tools else None,
        stdin_tty=stdin_tty,
        stdin_size=stdin_size,
        landlock=landlock,
        may_set_groups=initial or read_file("/proc/self/setgroups").strip() != b"deny",
        nsdelegate=not _can_limit(controllers, whole or limits)
        or probe_nsdelegate(read_file("/proc/self/mountinfo", once=False)),
        joins_own_network=probe_own_network(_section(linux, "namespaces") or ()),
    )
