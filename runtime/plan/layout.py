"""The wire contract between planner and executor, as data.

`runtime/native/layout.h` is generated from these tables (`python -m runtime.plan.generate`), the encoder reads them, the
executor's reader checks every image against them before the first operation runs, `postern plan` prints with them, and
`docs/plan-format.md` explains them.  Adding an operation = one row here, one C function, one golden case.

An op record has fixed places: four fd slots, four 64-bit numbers, four strings, one blob.  A row gives each place that the op
uses a name.  Suffixes: `?` optional (absent = NO_SLOT / 0 / NO_STRING), `>` a slot that the op fills, `<` a slot that must have been
filled before.
"""

LAYOUT_VERSION = 1
MAGIC = b"POSTERN\0"
HEADER_SIZE = 256
OP_SIZE = 80
NO_SLOT = 0xFF
NO_STRING = 0xFFFFFFFF
LIST_END = 0xFFFFFFFFFFFFFFFF
MAX_OPS = 4096
MAX_IMAGE = 8 << 20

MODES = ("CREATE", "RUN", "EXEC", "HOOKS")  # header.mode is the index + 1

# header.flags
FLAGS = {
    "DETACH": 1 << 0,  # run/exec: exit when the process has started
    "TTY_PROXY": 1 << 1,  # foreground terminal: copy between the caller's terminal and the pty
    "KEEP": 1 << 2,  # run: leave the state directory when the process has ended
    "SUBREAPER": 1 << 3,  # run foreground: become child subreaper before the clone
    "USERNS": 1 << 4,  # a new user namespace: init waits for its maps
    "JOIN_USERNS": 1 << 5,  # a user namespace is joined by path: clone in two steps (CLONE_PARENT)
    "OWN_PIDNS": 1 << 6,  # init is pid 1 of its own pid namespace
    "DEBUG": 1 << 7,
    "LOG_JSON": 1 << 8,
    "RUNTIME_HOOKS": 1 << 9,  # stage HOOKS has ops: init stops after SETUP until they are done
    "KILL_ALL": 1 << 10,  # no own pid namespace: what is left in the cgroup dies with init
    "ROOTLESS": 1 << 11,
}

# Stages in the order in which they run; P = parent half (host), I = init half (inside the new namespaces).
STAGES = (
    ("HOST", "P", "before the clone: state directory, cgroup, mount sources, sockets"),
    ("PARENT", "P", "init exists and waits: id maps, oom score"),
    ("SETUP", "I", "namespaces joined, loopback, mounts, devices under the new root"),
    ("HOOKS", "P", "prestart and createRuntime hooks; init waits"),
    ("ROOT", "I", "createContainer hooks, pivot_root, console, names, sysctl, read-only and masked paths"),
    ("READY", "P", "limits set from outside: rlimits"),
    ("FINAL", "I", "labels, identity, seccomp, executable looked up"),
    ("COMMIT", "P", "state saved, seccomp listener and pidfd sent, pid file written"),
    ("START", "I", "fifo, startContainer hooks, execve"),
    ("POST", "P", "poststart hooks (run; for create they wait in hooks.plan)"),
    ("STOP", "P", "poststop hooks (run; for create they wait in hooks.plan)"),
)
STAGE_INDEX = {name: index for index, (name, _half, _text) in enumerate(STAGES)}

# Slots with a fixed meaning; 16.. are the planner's to give out.
SLOTS = {
    "STATE_DIR": 0,
    "CGROUP": 1,
    "ROOTFS": 2,  # the new root's mount; after PIVOT_ROOT the planner no longer names it
    "PROC": 3,  # private procfs, never reachable by the container
    "FIFO": 4,  # O_PATH of exec.fifo
    "CONSOLE_SOCKET": 5,
    "PTY_MASTER": 6,
    "INIT_PIDFD": 7,  # exec: the container's init
    "USERNS": 8,
    "NULL_TREE": 9,  # detached tree of /dev/null, source of file masks
    "EMPTY_TREE": 10,  # detached read-only empty tmpfs, source of directory masks
    "PIDFD_SOCKET": 11,
}
FIRST_FREE_SLOT = 16
SLOT_COUNT = 250
PLACES_MAX = 240  # of CLOSE_FILES: all of them are open at once

# header: (name, struct code, what); strings are pool offsets or NO_STRING
HEADER = (
    ("magic", "8s", "MAGIC"),
    ("version", "I", "LAYOUT_VERSION"),
    ("digest", "I", "CRC-32 of these tables: planner and executor come from one build"),
    ("size", "I", "bytes of the whole image"),
    ("mode", "I", "MODES index + 1"),
    ("flags", "I", "FLAGS"),
    ("op_count", "I", ""),
    ("pool_offset", "I", "strings and blobs; 8-byte aligned; its last byte is NUL"),
    ("pool_size", "I", ""),
    ("clone_flags", "Q", "CLONE_NEW* for clone3"),
    ("id", "I", "container ID"),
    ("root", "I", "state root directory"),
    ("error_prefix", "I", "what every error line begins with"),
    ("log_path", "I", "--log, or none"),
    ("cgroup_mount", "I", "cgroup2 mount, or none"),
    ("cgroup_path", "I", "path below it, or none (removed again when create fails or run ends)"),
    ("state_head", "I", "OCI state JSON up to the status word"),
    ("state_tail", "I", "OCI state JSON after the pid"),
)  # followed by one u32 per stage: the index after its last op
# state JSON = state_head + status + `","pid":` + pid + state_tail

# op flags, by op (bit numbers are shared only by name)
OP_FLAGS = {
    "RECURSIVE": 1 << 0,
    "OPTIONAL": 1 << 1,  # a missing target is no error (ENOENT; where no symlink is followed ENOTDIR, ELOOP)
    "TOLERATE": 1 << 2,  # EPERM/EACCES (and EROFS) warn instead of failing
    "REPLACE": 1 << 3,  # SYMLINK: an existing wrong entry is replaced
    "COPY_UP": 1 << 4,  # MOUNT_FS tmpfs: the directory's content is copied into it first
    "DIRECTORY": 1 << 5,  # target is created as a directory when missing
    "FILE": 1 << 6,  # target is created as an empty file when missing
    "DENY_SETGROUPS": 1 << 7,
    "KEEP_GROUPS": 1 << 8,  # SET_IDS: do not call setgroups
    "NO_PIVOT": 1 << 9,  # MS_MOVE + chroot instead of pivot_root
    "NOTIFY": 1 << 10,  # SECCOMP: a listener fd comes out
    "ABSOLUTE": 1 << 11,  # EXEC_PATH: the name had a slash, no $PATH search
    "INHERIT_ENV": 1 << 12,  # HOOK: no env in the config: the runtime's own environment
    "WARN": 1 << 13,  # HOOK: failure warns and goes on (poststop)
    "CREATING": 1 << 14,  # SAVE_STATE: before init exists (pid and start time are the runtime's own)
    "MUST_BE_EMPTY": 1 << 15,
}

# name: (half, slots, numbers, strings, blob kind, what it does)
# half: P may stand in a parent stage, I in an init stage, PI in both.
# blob kinds: "" none | "bytes" | "u32" | "u64" | "list" one list of strings | "list2" two lists of strings (argv, env)
# A list is u64 string offsets closed by LIST_END; after the last list any number of further LIST_END are spare places.
OPS: dict[str, tuple[str, str, str, str, str, str]] = {
    # ---- HOST
    "STATE_DIR": ("P", "dir>", "", "root id", "", "mkdir -p root (0700), mkdir root/id (0711, must not exist)"),
    "SAVE_STATE": ("P", "dir<", "", "head tail", "", "write state.json atomically: head, phase, pid, start time, tail"),
    "SAVE_FILE": ("P", "dir<", "mode", "name", "bytes", "write a file into the state directory"),
    "CGROUP_CREATE": (
        "P",
        "dir>",
        "mode",
        "mount path controllers?",
        "",
        "mkdir -p below the cgroup2 mount, enabling controllers on the way; frozen or (MUST_BE_EMPTY) populated: error",
    ),
    "CGROUP_OWNER": (
        "P",
        "dir<",
        "uid",
        "",
        "list",
        "chown the directory and the listed files in it to uid (missing ones skipped)",
    ),
    "WRITE_AT": ("PI", "dir<", "", "name value", "", "open name in dir (no symlinks), write value with one write(2)"),
    "FIFO": ("P", "dir< fifo>", "uid gid", "", "", "mkfifo exec.fifo 0622 owned by uid:gid, O_PATH fd of it"),
    "OPEN_NS": ("PI", "ns>", "type", "path", "", "open a namespace file; NS_GET_NSTYPE must equal type (CLONE_NEW*)"),
    "SETNS": ("PI", "ns<", "types", "", "", "setns(fd, types); fd may be a pidfd"),
    "TIMENS": ("P", "", "", "offsets", "", "unshare(CLONE_NEWTIME), write /proc/self/timens_offsets"),
    "USERNS_FD": (
        "P",
        "ns>",
        "",
        "uid_map gid_map",
        "",
        "a throw-away child gives a user namespace with these maps (idmapped mounts)",
    ),
    "OPEN_PATH": ("PI", "fd>", "", "path", "", "open a host path O_PATH|O_CLOEXEC"),
    "OPEN_TREE": ("PI", "tree>", "", "path", "", "open_tree(CLONE[, RECURSIVE]) of a path in the current root"),
    "OPEN_DEVICE": (
        "PI",
        "tree>",
        "mode rdev",
        "path",
        "",
        "O_PATH|O_NOFOLLOW a host device node, verify type (mode) and rdev, open_tree(CLONE) by that fd",
    ),
    "CONNECT": ("P", "socket>", "", "path", "", "connect an AF_UNIX stream socket"),
    "PIDFD_OPEN": (
        "P",
        "pidfd>",
        "pid start_time",
        "",
        "",
        "pidfd_open; the process's start time must match (clock ticks, /proc/PID/stat)",
    ),
    # ---- PARENT
    "ID_MAPS": (
        "P",
        "",
        "",
        "uid_map gid_map newuidmap? newgidmap?",
        "",
        "write init's maps, or run the set-uid tools with them",
    ),
    "OOM_SCORE": ("P", "", "value", "", "", "write init's oom_score_adj (value is signed)"),
    "RLIMIT": ("P", "", "resource soft hard", "", "", "prlimit64 on init; OPTIONAL: no limit is raised"),
    "HOOK": ("PI", "", "timeout_ms?", "path label kind", "list2", "run a hook with the container's state on stdin"),
    # ---- SETUP (init)
    "UNSHARE": ("I", "", "flags", "", "", "unshare(flags)"),
    "AFFINITY": ("PI", "", "", "", "u64", "sched_setaffinity to the mask; an empty blob = every CPU"),
    "KEYRING": ("I", "", "", "name", "", "join a new session keyring (ENOSYS and EDQUOT warn)"),
    "LO_UP": ("I", "", "", "", "", "set IFF_UP on lo"),
    "PROPAGATION": ("I", "dir?<", "flags", "path?", "", "mount(NULL, path or dir, NULL, flags)"),
    "ROOTFS": (
        "I",
        "root>",
        "propagation?",
        "path",
        "",
        "give the parent mount this propagation (none: private), bind the rootfs onto itself, keep its fd",
    ),
    "PRIVATE_PROC": (
        "I",
        "proc>",
        "",
        "",
        "",
        "fsopen/fsmount a procfs of our own (fallback: the host's /proc, verified)",
    ),
    "MOUNT_FS": (
        "I",
        "root?< tree?>",
        "attr propagation? target_mode?",
        "fstype target? source?",
        "list",
        "fsopen, fsconfig for each option, fsmount with attr; attach to target in root unless only kept",
    ),
    "MOUNT_TREE": (
        "I",
        "root< tree<",
        "",
        "target",
        "",
        "attach a detached tree (kept usable by its slot) to target in root, made when missing",
    ),
    "MOUNT_COPY": ("I", "root< tree<", "", "target", "", "attach a clone of a detached tree to an existing target"),
    "SET_ATTR": (
        "PI",
        "tree?< userns?<",
        "set clear propagation?",
        "path?",
        "",
        "mount_setattr on a tree, or on a path in the current root; userns adds MOUNT_ATTR_IDMAP",
    ),
    "MAKE_DIR": ("I", "root<", "mode", "path", "", "mkdir -p in root, component by component"),
    "MAKE_DEV": ("I", "root<", "mode rdev owner", "path", "", "mknod in root, verified; owner = uid << 32 | gid"),
    "SYMLINK": ("I", "root<", "", "path target", "", "symlink in root"),
    # ---- ROOT (init)
    "PIVOT_ROOT": ("I", "root<", "", "", "", "pivot_root into root, detach the old one, chdir /"),
    "CONSOLE": (
        "I",
        "socket?< master?>",
        "rows? columns? uid",
        "",
        "",
        "a pty of the container's devpts: controlling terminal, stdio, /dev/console; master sent to socket or the parent half",
    ),
    "HOSTNAME": ("I", "", "", "name", "", "sethostname"),
    "DOMAINNAME": ("I", "", "", "name", "", "setdomainname"),
    "SYSCTL": ("I", "proc<", "", "path value", "", "write proc/sys/path in the private procfs, verified"),
    "READONLY_PATH": ("I", "", "", "path", "", "bind path onto itself, read-only"),
    "MASK_PATH": ("I", "null< empty<", "", "path", "", "cover a file with /dev/null, a directory with the empty tmpfs"),
    "UMASK": ("I", "", "mask", "", "", "umask"),
    "SETSID": ("I", "", "", "", "", "setsid"),
    "SCHEDULER": ("I", "", "", "", "bytes", "sched_setattr with this struct sched_attr"),
    "IOPRIO": ("I", "", "value", "", "", "ioprio_set on the process group"),
    "PERSONALITY": ("I", "", "persona", "", "", "personality"),
    "MEMPOLICY": ("I", "", "mode maxnode", "", "u64", "set_mempolicy"),
    # ---- FINAL (init)
    "LSM_LABEL": ("I", "proc<", "", "attr value", "", "write self/attr/... in the private procfs, verified"),
    "NO_NEW_PRIVS": ("I", "", "", "", "", "prctl(PR_SET_NO_NEW_PRIVS)"),
    "STDIO_OWNER": ("I", "", "uid", "", "", "fchown 0, 1, 2 to uid (not /dev/null)"),
    "CAP_BOUNDING": ("I", "", "keep", "", "", "drop every capability not in keep from the bounding set"),
    "SET_IDS": (
        "I",
        "",
        "uid gid",
        "",
        "u32",
        "setgroups(blob), setgid, setuid, capabilities kept across (PR_SET_KEEPCAPS)",
    ),
    "CAP_SET": (
        "I",
        "",
        "effective permitted inheritable ambient",
        "",
        "",
        "capset, ambient set raised, PR_SET_KEEPCAPS off",
    ),
    "CHDIR": (
        "I",
        "",
        "",
        "path",
        "",
        "chdir, cwd verified; with OPTIONAL a permission error is left to the next CHDIR",
    ),
    "HOME": ("I", "", "uid", "", "", "set HOME in the environment from /etc/passwd, else /"),
    "EXEC_PATH": ("I", "", "", "name", "list", "pick the first executable of the candidates"),
    "SECCOMP": ("I", "", "flags", "", "bytes", "seccomp(SET_MODE_FILTER, flags, blob)"),
    # ---- COMMIT (parent)
    "SEND_LISTENER": (
        "P",
        "",
        "answered?",
        "path head middle tail",
        "",
        "send the seccomp fd to the agent: head, pid, middle, state, tail; answered = 1: it is our broker, whose answer decides",
    ),
    "SEND_PIDFD": ("P", "socket<", "", "name", "", "send init's pidfd with its name"),
    "PID_FILE": ("P", "", "", "path", "", "write init's pid, digits only, atomically"),
    # ---- START (init)
    "FIFO_WAIT": ("I", "fifo< proc<", "", "", "", "block until start opens exec.fifo, write 0"),
    "KEEP_FDS": ("I", "", "count", "", "", "fds 3..3+count-1 stay open across execve, all others are closed"),
    "EXECVE": ("I", "", "", "", "list2", "execve the picked executable with argv and env"),
    # ---- appended later (codes are positions: never reorder)
    "NOTIFY_SOCKET": (
        "P",
        "dir< tree>",
        "",
        "host_path",
        "",
        "make notify/ in the state directory, tree = its read-only detached mount; run binds notify.sock there and forwards to host_path",
    ),
    "REMOUNT": (
        "I",
        "root<",
        "set clear",
        "target",
        "list",
        "on the mount that target in root is: fspick, fsconfig each option, reconfigure (nothing of that for an empty list), then mount_setattr",
    ),
    "WRITE_FIRST": (
        "P",
        "dir<",
        "",
        "",
        "list",
        "names and values in turn: write the value of the first name that exists in dir; none: ENOENT",
    ),
    "LANDLOCK_RULESET": ("I", "ruleset>", "fs? net? scoped?", "", "", "a Landlock ruleset that handles these rights"),
    "LANDLOCK_PATH": (
        "I",
        "ruleset<",
        "access",
        "path",
        "",
        "allow access at and beneath path in the current root; no symlink is followed; OPTIONAL: nor need it be there",
    ),
    "LANDLOCK_PORT": ("I", "ruleset<", "access port", "", "", "allow access to a TCP port"),
    "LANDLOCK_RESTRICT": ("I", "ruleset<", "", "", "", "landlock_restrict_self, the ruleset is closed"),
    "BPF_PROGRAMS": (
        "P",
        "cgroup<",
        "",
        "",
        "bytes",
        "programs and their maps as one table (runtime/plan/programs.py): take those of another container that were loaded from the same bytes or load them, attach them beside others",
    ),
    "CLOSE_FILES": (
        "I",
        "",
        "set",
        "",
        "list",
        "attributes (MOUNT_ATTR_*) and paths in turn, at most PLACES_MAX: clone each path that is there with all mounts below, private and all with these attributes; give everything the attributes `set`; mount each clone where it was taken from, which must be the same file still",
    ),
    "HELD_NS": (
        "P",
        "ns>",
        "fd type",
        "",
        "",
        "the namespace that the planner holds open as descriptor fd; NS_GET_NSTYPE must equal type",
    ),
    "CGROUP_VIEW": (
        "I",
        "proc<",
        "any? read_only?",
        "",
        "",
        "fail where a cgroup2 is mounted writable (read_only: or not) whose root lies outside of our cgroup namespace (any: or not)",
    ),
}
OP_CODES = {name: code for code, name in enumerate(OPS, start=1)}


def parse_places(spec: str) -> tuple[tuple[str, bool, bool], ...]:
    """Split one place list: a (name, optional, output) for each word."""
    return tuple((word.rstrip("?<>"), "?" in word, ">" in word) for word in spec.split())
