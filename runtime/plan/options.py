"""What the caller asked for on the command line, as immutable values for the planner.  Paths are absolute."""

from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.lower_landlock import Landlock


@record
class Gate:
    """What a policy adds to a plan beyond a tighter config and more seccomp sections.

    `points` are (path, read_only, no_exec), "/" first, as `runtime.policy.lower` gives them; `landlock` and `network` too.  `saved` is
    policy.bin and `table` broker.table, b"" for no such file.  `listener` is the socket that a listener is sent to instead of
    where the config says.  `hierarchy` says which mounts of cgroup2 refuse the container, as
    `runtime.policy.hierarchy` names them; "": none is looked for.
    """

    points: tuple[tuple[str, bool, bool], ...] = ()
    landlock: "Landlock | None" = None
    network: bytes = b""  # as `runtime.plan.network_table` encodes it
    saved: bytes = b""
    table: bytes = b""
    listener: str | None = None
    hierarchy: str = ""


@record
class CreateOptions:
    """create and run."""

    mode: str  # "CREATE" or "RUN"
    container_id: str
    bundle: str
    root: str
    created: str  # RFC 3339 with nanoseconds, UTC
    detach: bool = False  # run
    keep: bool = False  # run
    no_subreaper: bool = False  # run
    no_pivot: bool = False
    no_new_keyring: bool = False
    console_socket: str | None = None
    pidfd_socket: str | None = None
    pid_file: str | None = None
    preserve_fds: int = 0
    listen_fds: int = 0  # socket activation: already checked against LISTEN_PID
    listen_fdnames: str | None = None
    notify_socket: str | None = None
    log_path: str | None = None
    log_json: bool = False
    debug: bool = False
    cgroup_manager: str = "cgroupfs"  # "cgroupfs" | "systemd" | "disabled"
    rootless: bool = False
    config_json: bytes = b""  # config.json as it was read, saved for exec; empty: the planner writes it anew
    gate: Gate | None = None
    network_fd: int | None = None  # --network bridge: the network namespace that was made, held open for the executor


@record
class ExecOptions:
    """exec: the process comes from --process or from the container's own config with the command line merged in."""

    container_id: str
    root: str
    init_pid: int
    init_start_time: int
    detach: bool = False
    console_socket: str | None = None
    pidfd_socket: str | None = None
    pid_file: str | None = None
    preserve_fds: int = 0
    cgroup: str | None = None  # below the container's cgroup
    log_path: str | None = None
    log_json: bool = False
    debug: bool = False
    rootless: bool = False
    bundle: str = ""  # for the state that a seccomp agent gets
    cgroup_mount: str | None = None  # the container's cgroup as its state says; None when it has none
    cgroup_path: str | None = None
    no_new_keyring: bool = False  # stay in the caller's session keyring instead of the container's
    gate: Gate | None = None
