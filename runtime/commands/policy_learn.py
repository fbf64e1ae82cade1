"""policy learn: run a bundle, or take a container that was recorded under an engine, and write the policy that it needs."""

import errno
import posix
import stat
from time import monotonic, sleep

from oci_schemas.json_text import dumps
from runtime.broker.learn import learned_calls, learned_policy, remarks, to_yaml
from runtime.broker.recording import interpreter_of, load_recording, real_path, recording_path
from runtime.commands.broker_client import ask_broker
from runtime.commands.invocation import Invocation, absolute
from runtime.commands.launching import CONFIG_NAME, check_config, read_config
from runtime.commands.learn_run import Ended, run_recorded
from runtime.commands.learning import LEARN
from runtime.commands.policy_call import PolicyCall
from runtime.errors import BrokerError, SyscallError, UsageError
from runtime.launch.front import PROGRAM_NAME
from runtime.launch.report import encode, reason, show
from runtime.state.container_id import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


def execute(call: PolicyCall) -> int:
    """Write the policy to --output, or print it; the exit code is the program's.  Raises: OciError."""
    recorded, output = call.text("container"), call.text("output")
    if output is not None:
        check_output(output)
    if recorded is not None:
        if call.arguments or call.text("bundle") is not None:
            raise call.usage("--container takes a container that was recorded: neither a bundle nor a command")
        return _write(call, check_id(recorded), [], 0)
    bundle = absolute(call.text("bundle") or ".")
    config: dict[str, Any] = dict(check_config(read_config(f"{bundle}/{CONFIG_NAME}")))
    container_id = f"{LEARN}-{posix.getpid()}-{int(monotonic() * 1000)}"
    try:
        code = _run(call, bundle, config, container_id)
    except Ended as ended:
        _forget(call.invocation.root, container_id)
        call.invocation.report.error(f"policy learn: {ended}: the container was ended, and nothing is written")
        return ended.code
    args = call.arguments or list((config.get("process") or {}).get("args") or ())
    rootfs = absolute(str((config.get("root") or {}).get("path") or "rootfs"), bundle)
    return _write(call, container_id, interpreters(rootfs, args), code)


def check_output(output: str) -> None:
    """Fail as writing the policy would, before the program runs for it; nothing is made.  Raises: SyscallError, UsageError."""
    _name(output, "")
    try:
        number = _refusal(output)
    except OSError as error:
        raise SyscallError(f"write {output}", error.errno or 0, reason(error)) from error
    if number:
        raise SyscallError(f"write {output}", number, reason(OSError(number, posix.strerror(number))))


def _refusal(output: str) -> int:
    """The errno with which a file could not be written to or made, 0 when it could; nothing is opened.  Raises: OSError likewise."""
    try:
        place, needed = output, posix.W_OK
        if stat.S_ISDIR(posix.stat(output).st_mode):
            return errno.EISDIR
    except FileNotFoundError:
        directory = output.rpartition("/")[0] or ("/" if output[:1] == "/" else ".")
        place, needed = f"{directory}/.", posix.W_OK | posix.X_OK
        posix.stat(place)
    if posix.access(place, needed, effective_ids=True):
        return 0
    return errno.EROFS if posix.statvfs(place).f_flag & posix.ST_RDONLY else errno.EACCES


def _global_words(invocation: Invocation) -> list[str]:
    """Our own global flags for the call that makes the container: it is made where, how and under whose rules we were told to."""
    words = ["--root", invocation.root, "--cgroup-manager", invocation.cgroup_manager]
    if invocation.policy_dir:
        words += ["--policy-dir", invocation.policy_dir]
    if invocation.rootless is not None:
        words += ["--rootless", "true" if invocation.rootless else "false"]
    report = invocation.report
    if report.path:
        words += ["--log", report.path, "--log-format", "json" if report.as_json else "text"]
    return [*words, "--log-level", report.level]


def _run(call: PolicyCall, bundle: str, config: "dict[str, Any]", container_id: str) -> int:
    """Run the bundle in record mode, in the foreground; its exit code."""
    invocation = call.invocation
    words = [PROGRAM_NAME, *_global_words(invocation), "run", "--policy", LEARN, "--bundle", bundle]
    if call.arguments:
        process = {**(config.get("process") or {}), "args": call.arguments}
        fd = posix.memfd_create("learn-config", 0)
        posix.write(fd, dumps({**config, "process": process}))
        words += ["--config", f"/proc/self/fd/{fd}"]
    # the policy is what standard output is for, unless it goes to a file
    return run_recorded(invocation, [*words, container_id], container_id, call.text("output") is None)


def interpreters(rootfs: str, args: list[str]) -> list[str]:
    """What the kernel opens by itself to start a program: the program, the interpreter of a script, the loader.  Symlinks resolved."""
    found: list[str] = []
    names = [args[0]] if args and args[0][:1] == "/" else []
    if args and not names:
        names = [
            f"{place}/{args[0]}"
            for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        ]
    while names and len(found) < 8:
        path, kind = real_path(rootfs, names.pop(0))
        if kind != "f" or path in found:
            continue
        found.append(path)
        names = (
            [*interpreter_of(f"{rootfs}{path}"), *names]
            if len(found) == 1
            else [*names, *interpreter_of(f"{rootfs}{path}")]
        )
        if len(found) == 1:
            names = names[:1]
    return found


def _forget(root: str, container_id: str) -> None:
    """Take away what was recorded of a run that somebody ended: it is a part, of which no policy is to be made."""
    try:
        await_served(root, container_id)
        posix.unlink(recording_path(root, container_id))
    except (BrokerError, FileNotFoundError):
        pass  # it was never served


def await_served(root: str, container_id: str) -> None:
    """Return when the broker has written the last of a container, or after half a minute.  Raises: BrokerError."""
    end = monotonic() + _PATIENCE_SECONDS
    while monotonic() < end:
        served = ask_broker(root, {"op": "status"})["containers"]
        if all(row["id"] != container_id for row in served):
            return
        sleep(_PAUSE_SECONDS)


def await_recording(root: str, container_id: str) -> "dict[str, Any]":
    """The container's recording, once the broker has written the last of it.  Raises: BrokerError."""
    await_served(root, container_id)
    try:
        return load_recording(root, container_id)
    except FileNotFoundError:
        raise BrokerError(f"container {container_id} was not recorded") from None
    except (OSError, ValueError) as error:
        raise BrokerError(f"the recording of {container_id} cannot be read: {error}") from None


def _write(call: PolicyCall, container_id: str, programs: list[str], code: int) -> int:
    root = call.invocation.root
    try:
        recording = await_recording(root, container_id)
    except BrokerError:
        if code:  # it never started, and has said why
            return code
        raise
    if recording["lost"]:
        raise BrokerError(
            f"{recording['lost']} paths or addresses were too many to be noted: the policy would be too narrow"
        )
    output = call.text("output")
    name = _name(output, container_id)
    policy = learned_policy(recording, name, programs)
    text = to_yaml(policy, remarks(policy))
    if output is None:
        show(encode(text))
    else:
        try:
            fd = posix.open(output, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
            posix.write(fd, encode(text))
            posix.close(fd)
        except OSError as error:
            raise SyscallError(f"write {output}", error.errno or 0, reason(error)) from error
        show(encode(f"{output}: {len(learned_calls(recording))} system calls\n"))
    return code


def _name(output: str | None, container_id: str) -> str:
    stem = (output or container_id).rpartition("/")[2].partition(".")[0].lower()
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in stem)[:63].lstrip(
        "._-"
    )
    if not kept:
        raise UsageError("policy learn: a policy's name is its file's, in letters and digits")
    return kept
