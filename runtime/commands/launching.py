"""What create, run and plan share: the bundle's config, the caller's options, the plan, and the hand-over to the executor."""

import posix

from oci_schemas.validate import Invalid, load_config
from runtime.commands.gating import Gated, gate_config
from runtime.commands.invocation import Invocation, absolute
from runtime.errors import ConfigError, OciError, SyscallError
from runtime.host.probe import probe_own_network
from runtime.launch.report import created_now, reason
from runtime.launch.spawn import become_executor
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.options import CreateOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from oci_schemas._types import Config
    from runtime.host.facts import HostFacts
    from runtime.plan.launch_plan import LaunchPlan

CONFIG_NAME = "config.json"


def read_file(path: str) -> bytes:
    """All bytes of a file or pipe.  Raises: OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY)
    try:
        return read_fd(fd)
    finally:
        posix.close(fd)


def read_fd(fd: int) -> bytes:
    """All bytes up to the end of a borrowed descriptor.  Raises: OSError."""
    parts = []
    while part := posix.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def enter_bundle(invocation: Invocation) -> str:
    """Make the bundle the working directory and return its absolute path.  Raises: SyscallError."""
    bundle = invocation.text("bundle")
    if bundle:
        try:
            posix.chdir(bundle)
        except OSError as error:
            raise SyscallError(f"chdir {bundle}", error.errno or 0, reason(error)) from error
    return posix.getcwd()


def read_config(path: str) -> bytes:
    """The bytes of a config.  Raises: OciError in runc's words when there is none, SyscallError."""
    try:
        return read_file(path)
    except FileNotFoundError:
        raise OciError(f"JSON specification file {path} not found") from None
    except OSError as error:
        raise SyscallError(f"open {path}", error.errno or 0, reason(error)) from error


def check_config(data: bytes) -> "Config":
    """The content of a config that keeps to the specification.  Raises: ConfigError with every violation."""
    try:
        return load_config(data)
    except Invalid as invalid:
        raise ConfigError(CONFIG_NAME, invalid.violations) from None


def passed_sockets(environ: dict[bytes, bytes], pid: int) -> tuple[int, str | None]:
    """Socket activation: how many descriptors were passed to this very process, and their names (sd_listen_fds(3))."""
    if environ.get(b"LISTEN_PID") != b"%d" % pid:
        return 0, None
    count = environ.get(b"LISTEN_FDS", b"")
    if not count.isdigit() or int(count) == 0:
        return 0, None
    names = environ.get(b"LISTEN_FDNAMES")
    return int(count), names.decode("utf-8", "surrogateescape") if names else None


def check_preserved(first: int, count: int, exe_fd: int) -> None:
    """Every descriptor to be preserved must be open; ours does not count.  Raises: OciError in runc's words."""
    for index in range(count):
        fd = first + index
        try:
            if fd == exe_fd:
                raise FileNotFoundError
            posix.fstat(fd)
        except OSError:
            raise OciError(
                f"unable to stat preserved-fd {index} (of {count}): stat /proc/self/fd/{fd}: no such file or directory"
            ) from None


def check_network(config: "Config") -> None:
    """Refuse net.* sysctls where the network namespace that is joined by path is our own.  Raises: ConfigError in runc's words."""
    linux = config.get("linux") or {}
    names = [name for name in linux.get("sysctl") or () if name[:4] in ("net.", "net/")]
    if names and probe_own_network(linux.get("namespaces") or ()):
        message = f'sysctl "{names[0]}" not allowed in host network namespace'
        raise ConfigError(CONFIG_NAME, [("/linux/sysctl/" + names[0].replace("/", "~1"), message)])


def wants_network(invocation: Invocation, config: "Config") -> bool:
    """Whether something about the network is to be looked at, or made, before there is a plan."""
    return invocation.text("network") is not None or bool((config.get("linux") or {}).get("netDevices"))


def environment_text(name: bytes) -> str | None:
    """A variable of our own environment; None when unset or empty."""
    value = posix.environ.get(name)
    return value.decode("utf-8", "surrogateescape") if value else None


def is_rootless(invocation: Invocation, facts: "HostFacts") -> bool:
    """--rootless, or whether we lack the initial namespace's root."""
    if invocation.rootless is not None:
        return invocation.rootless
    return facts.euid != 0 or not facts.initial_userns


def _beside(bundle: str, path: str | None) -> str | None:
    return absolute(path, bundle) if path else None


def make_options(invocation: Invocation, mode: str, container_id: str) -> tuple[CreateOptions, Gated]:
    """Read the bundle, check the command line against it, apply the policy; the working directory is the bundle afterwards.

    Mode "" is CREATE, or RUN where the process wants a terminal, for which create would ask a console socket.
    Raises: OciError.
    """
    pid_file, config_file = invocation.text("pid-file"), invocation.text("config")
    if pid_file:
        pid_file = absolute(pid_file)
    if config_file:
        config_file = absolute(config_file)
    bundle = enter_bundle(invocation)
    data = read_config(config_file or CONFIG_NAME)
    config = check_config(data)
    check_network(config)
    process = config.get("process")
    terminal = bool(process and process.get("terminal"))
    mode = mode or ("RUN" if terminal else "CREATE")
    detach = mode == "CREATE" or invocation.switch("detach")
    listen_fds, listen_names = passed_sockets(posix.environ, posix.getpid())
    preserve_fds = invocation.count("preserve-fds")
    check_preserved(3, listen_fds, invocation.exe_fd)
    check_preserved(3 + listen_fds, preserve_fds, invocation.exe_fd)
    gated = gate_config(invocation, config, terminal and not detach)
    report = invocation.report
    rootless = is_rootless(invocation, gated.facts)
    network_fd = None
    if wants_network(invocation, config):
        from runtime.commands.networking import make_network

        network_fd = make_network(invocation, config, rootless, listen_fds + preserve_fds)
    options = CreateOptions(
        mode=mode,
        container_id=container_id,
        bundle=bundle,
        root=invocation.root,
        created=created_now(),
        detach=invocation.switch("detach"),
        keep=invocation.switch("keep"),
        no_subreaper=invocation.switch("no-subreaper"),
        no_pivot=invocation.switch("no-pivot"),
        no_new_keyring=invocation.switch("no-new-keyring"),
        console_socket=_beside(bundle, invocation.text("console-socket")),
        pidfd_socket=_beside(bundle, invocation.text("pidfd-socket")),
        pid_file=pid_file,
        preserve_fds=preserve_fds,
        listen_fds=listen_fds,
        listen_fdnames=listen_names,
        notify_socket=environment_text(b"NOTIFY_SOCKET"),
        log_path=report.path,
        log_json=report.as_json,
        debug=report.debugging,
        cgroup_manager=invocation.cgroup_manager,
        rootless=rootless,
        config_json=data,
        gate=gated.gate,
        network_fd=network_fd,
    )
    return options, gated


def require_terminal() -> None:
    """A terminal in the foreground needs one of ours at its other end.  Raises: SyscallError in runc's words."""
    if posix.isatty(0) or posix.isatty(1) or posix.isatty(2):
        return
    try:
        posix.close(posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC))
    except OSError as error:
        raise SyscallError("open /dev/tty", error.errno or 0, reason(error)) from error


def keep_root(root: str) -> None:
    """Make a state root below $XDG_RUNTIME_DIR sticky, so that cleaners of old files leave it alone.  Raises: SyscallError.

    Source: XDG Base Directory Specification, $XDG_RUNTIME_DIR.
    """
    runtime_dir = environment_text(b"XDG_RUNTIME_DIR")
    if not runtime_dir or root != f"{runtime_dir}/postern":
        return
    try:
        if not posix.access(root, posix.F_OK):
            posix.mkdir(root, 0o700)
        posix.chmod(root, 0o1700)
    except OSError as error:
        raise SyscallError(f"make the state root {root}", error.errno or 0, reason(error)) from error


def seccomp_section(config: "Mapping[str, Any]") -> "dict[str, Any] | None":
    """The config's seccomp section, if any."""
    linux = config.get("linux")
    return linux.get("seccomp") if linux else None


def launch(invocation: Invocation, mode: str) -> int:
    """Create (and run) the container that the invocation names; becomes the executor.  Raises: OciError."""
    container_id = invocation.container_id()
    options, gated = make_options(invocation, mode, container_id)
    process = gated.config.get("process")
    if mode == "RUN" and not options.detach and process and process.get("terminal"):
        require_terminal()
    compiled = gated.compiled
    warnings: list[str] = []
    plan = compile_create(gated.config, options, gated.facts, compiled, warnings)
    for line in gated.warnings:
        invocation.report.notice(line)
    for line in warnings:
        invocation.report.warning(line)
    for line in compiled.warnings if compiled is not None else ():
        invocation.report.debug(line)
    keep_root(invocation.root)
    image = encode_image(plan)
    if gated.trapped:
        from runtime.commands.brokering import require_broker

        require_broker(invocation, gated.facts)
    if wants_network(invocation, gated.config):
        from runtime.commands.networking import connect_network

        connect_network(invocation, gated.config, container_id, options.network_fd)
    invocation.report.release()
    become_executor(invocation.exe_fd, image)
    return 1


def encode_image(plan: "LaunchPlan") -> bytes:
    """The plan's bytes.  Raises: ConfigError for what no plan can hold."""
    try:
        return encode_plan(plan)
    except ValueError as error:
        raise ConfigError(CONFIG_NAME, [("", str(error))]) from None
