"""Every flag of every verb, as data: the union of what runc and crun take.

One line a flag: its names, `=PLACEHOLDER` when it takes a value, two spaces, what it does.  The placeholder is its type: `N` is
an integer, a trailing `*` means that the flag may be repeated and its values add up, anything else is text; no placeholder is a
switch.  `parse` reads only the lines of the verb that was called, `usage` prints them.
"""

from runtime.record import record

GLOBAL_FLAGS = """
--root=DIR  directory that holds the state of all containers (default: /run/postern, or $XDG_RUNTIME_DIR/postern)
--log=FILE  append errors and warnings to FILE
--log-format=FORMAT  format of the log file: text or json (default: text)
--log-level=LEVEL  least level that is reported: error, warning, info or debug (default: warning)
--debug  report at level debug
--systemd-cgroup  let systemd make the cgroup; cgroupsPath is slice:prefix:name
--cgroup-manager=MANAGER  who makes the cgroup: cgroupfs, systemd or disabled (default: cgroupfs)
--rootless=VALUE  tolerate missing permission on cgroups: true, false or auto (default: auto)
--policy=POLICY  policy of the container that is made: a name, a file, or none for not even the site's default
--policy-dir=DIR  directory that holds the site's config.toml and policies/ (default: /etc/postern)
--criu=PATH  accepted for old callers and reported; criu is searched in $PATH
--help -h  show this text
--version -v -V  show the version
"""

_BUNDLE = """
--bundle=DIR -b  directory that holds config.json (default: the current directory)
--config=FILE -f  read FILE in place of config.json
"""

_CREATE = (
    _BUNDLE
    + """
--console-socket=PATH  AF_UNIX socket that receives the terminal's master
--pidfd-socket=PATH  AF_UNIX socket that receives a pidfd of the container's init
--pid-file=FILE  write init's pid to FILE
--no-pivot  move the root file system with MS_MOVE in place of pivot_root (for a rootfs on a ramdisk)
--no-new-keyring  keep the caller's session keyring
--preserve-fds=N  pass N descriptors on, after stdio and those of $LISTEN_FDS
--no-subreaper  do not become a child subreaper
--policy=POLICY  policy of the container, in place of the global flag's
--network=MODE  network of a container without an engine: none, host or bridge (default: what config.json says)
"""
)

_RUN = (
    _CREATE + """
--detach -d  return when the container runs
--keep  leave the state directory behind when the container has ended
--explain-denials  say at the end what the policy denied, and which line of a policy would allow it
"""
    "--observe  \n"  # not for people: the run whose denials are explained
)

_EXEC = """
--console-socket=PATH  AF_UNIX socket that receives the terminal's master
--pidfd-socket=PATH  AF_UNIX socket that receives a pidfd of the process
--cwd=DIR  working directory in the container
--env=NAME=VALUE* -e  set an environment variable
--tty -t  allocate a terminal
--user=UID[:GID] -u  numeric user and group
--additional-gids=GID* -g  further groups
--process=FILE -p  read the process from FILE, a JSON document
--detach -d  return when the process runs
--pid-file=FILE  write the process's pid to FILE
--process-label=LABEL  SELinux label of the process
--apparmor=PROFILE  AppArmor profile of the process
--no-new-privs  set no_new_privs
--cap=CAP* -c  add a capability
--preserve-fds=N  pass N descriptors on, after stdio
--cgroup=PATH*  run in this cgroup below the container's: PATH, or CONTROLLER[,CONTROLLER]:PATH
--ignore-paused  do not refuse when the container is paused
--no-subreaper  do not become a child subreaper (exec never does)
"""

_UPDATE = """
--resources=FILE -r  read the resources from FILE, a JSON document, or from standard input with -; other flags are ignored
--blkio-weight=WEIGHT  relative share of block I/O, 10 to 1000
--cpu-period=US  CPU period in microseconds
--cpu-quota=US  CPU time in a period, in microseconds
--cpu-burst=US  CPU time beyond the quota that may be saved up, in microseconds
--cpu-share=SHARES  relative share of CPU time
--cpu-rt-period=US  realtime period (cgroup v1 only: refused)
--cpu-rt-runtime=US  realtime CPU time (cgroup v1 only: refused)
--cpu-idle=VALUE  1: run only on otherwise idle CPUs
--cpuset-cpus=LIST  CPUs to use
--cpuset-mems=LIST  memory nodes to use
--memory=BYTES  memory limit; suffixes k, m, g, t
--memory-reservation=BYTES  memory that reclaim leaves alone
--memory-swap=BYTES  memory and swap together, -1 for no limit
--pids-limit=N  number of processes, -1 for no limit
--l3-cache-schema=SCHEMA  resctrl L3 schema
--mem-bw-schema=SCHEMA  resctrl memory bandwidth schema
--kernel-memory=BYTES  obsolete; warns
--kernel-memory-tcp=BYTES  obsolete; warns
"""

_CRIU = """
--image-path=DIR  criu's image files
--work-path=DIR  criu's work files and logs
--parent-path=DIR  images of an earlier pre-dump
--leave-running  leave the container running
--tcp-established  allow open TCP connections
--tcp-close  close TCP connections
--tcp-skip-in-flight  skip connections that are being made
--link-remap  remap unlinked files
--ext-unix-sk  allow external unix sockets
--shell-job  allow shell jobs
--lazy-pages  restore memory on demand
--status-fd=N  descriptor that is written to when lazy pages are ready
--page-server=ADDRESS:PORT  page server
--file-locks  handle file locks
--pre-dump  dump memory only
--manage-cgroups-mode=MODE  soft, full, strict or ignore
--network-lock=METHOD  how the network is locked
--empty-ns=NS*  make this namespace anew
--auto-dedup  remove duplicate memory images
"""

_RESTORE = (
    _CRIU
    + """
--console-socket=PATH  AF_UNIX socket that receives the terminal's master
--bundle=DIR -b  directory that holds config.json
--detach -d  return when the container runs
--pid-file=FILE  write init's pid to FILE
--no-subreaper  do not become a child subreaper
--no-pivot  do not use pivot_root
--lsm-profile=TYPE:NAME  LSM profile to restore with
--lsm-mount-context=CONTEXT  LSM mount context to restore with
"""
)

# not for people: how Python calls the front back
_PLANNED = "--planned  \n"

_BROKER = (
    """
--foreground  do not detach, and do not end when there is nothing to do; where another one serves, wait for its end
--idle=SECONDS  end when nothing was to be done for so long (default: 60, with --foreground 0: never)
"""
    # not for people: how keeper, worker and planner call each other
    "--python=PATH  \n--entry=PATH  \n--worker=N  \n--adopt  \n--table=POLICY  \n"
)

_SPEC = """
--bundle=DIR -b  directory to write into (default: the current directory)
--file=FILE -f  write FILE in place of config.json
--rootless  write one that an ordinary user can run
"""

_LISTING = """
--format=FORMAT -f  table or json (default: table)
"""

_REGEX = """
--regex -r  the argument is a regular expression that selects containers
"""

# verb: (summary, arguments, least and most positional arguments (None: any number), flags, do flags end at the ID?)
VERBS: dict[str, tuple[str, str, int, int | None, str, bool]] = {
    "broker": ("serve the system calls that policies hand to a broker", "", 0, 0, _BROKER, False),
    "create": ("create a container", "ID", 1, 1, _CREATE, False),
    "delete": (
        "delete a container and all it holds",
        "ID",
        1,
        1,
        "--force -f  kill it first when it still runs; a missing one is no error\n" + _REGEX + _PLANNED,
        False,
    ),
    "events": (
        "show a container's statistics and out-of-memory events",
        "ID",
        1,
        1,
        "--interval=TIME  time between two lines (default: 5s)\n--stats  print one line and end\n",
        False,
    ),
    "exec": ("run a process in a container", "ID COMMAND [ARGUMENT...]", 1, None, _EXEC, True),
    "features": ("show what this runtime and this kernel can do", "", 0, 0, "", False),
    "kill": (
        "send a signal to a container's init",
        "ID [SIGNAL]",
        1,
        2,
        "--all -a  send it to every process of the container\n" + _REGEX + _PLANNED,
        True,
    ),
    "list": ("list containers", "", 0, 0, _LISTING + "--quiet -q  print IDs only\n", False),
    "pause": ("suspend all processes of a container", "ID", 1, 1, "", False),
    "plan": (
        "print what create would do, operation by operation, and do nothing",
        "[ID]",
        0,
        1,
        _BUNDLE + "--json  print JSON\n",
        False,
    ),
    "ps": ("list the processes of a container", "ID [PS-ARGUMENT...]", 1, None, _LISTING, True),
    "resume": ("resume all processes of a container", "ID", 1, 1, "", False),
    "run": ("create and start a container", "ID", 1, 1, _RUN, False),
    "policy": (
        "check, list, show, compile, import, explain, apply, log and learn policies",
        "ACTION [ARGUMENT...]",
        0,
        None,
        "",
        True,
    ),
    "seccomp": ("compile, show and try seccomp filters", "ACTION [ARGUMENT...]", 0, None, "", True),
    "spec": (
        "write a new config.json",
        "",
        0,
        0,
        _SPEC,
        False,
    ),
    "start": ("start the process of a created container", "ID", 1, 1, _PLANNED, False),
    "state": ("show the state of a container", "ID", 1, 1, "", False),
    "update": ("change a container's resource limits", "ID", 1, 1, _UPDATE, False),
    "checkpoint": ("checkpoint a container (not built yet: refused)", "ID", 1, 1, _CRIU, False),
    "restore": ("restore a container (not built yet: refused)", "ID", 1, 1, _RESTORE, False),
}

# Known by name and by their flags, but refused before their flags are looked at: an engine that asks whether they can be had
# (by exit code of `checkpoint --help`, by the message of `restore --lsm-mount-context`) must hear no.
NOT_BUILT = ("checkpoint", "restore")

HELP = ("help", "h")


@record
class Flag:
    """One flag: `kind` is switch, text, number or list; `placeholder` names the value in usage."""

    name: str
    names: tuple[str, ...]
    kind: str
    placeholder: str
    text: str


def parse_flag(line: str) -> Flag:
    """Take one line of the tables apart; the first name, without dashes, is the key of the flag's value."""
    words, _, text = line.partition("  ")
    names = []
    kind, placeholder = "switch", ""
    for word in words.split(" "):
        name, mark, value = word.partition("=")
        names.append(name.lstrip("-"))
        if mark:
            kind, placeholder = "number" if value == "N" else "text", value
            if value[-1] == "*":
                kind, placeholder = "list", value[:-1]
    return Flag(names[0], tuple(names), kind, placeholder, text)


_HELP_LINE = "--help -h  show this text"


def find_flag(lines: str, name: str) -> Flag | None:
    """The flag of one table with this name; help is everywhere."""
    dashed = f"-{name}"
    for line in (*lines.splitlines(), _HELP_LINE):
        if dashed in line:
            flag = parse_flag(line)
            if name in flag.names:
                return flag
    return None


def flags_of(lines: str) -> dict[str, Flag]:
    """All flags of one table by each of their names."""
    found: dict[str, Flag] = {}
    for line in (*lines.splitlines(), "" if "--help" in lines else _HELP_LINE):
        if line:
            flag = parse_flag(line)
            for name in flag.names:
                found[name] = flag
    return found
