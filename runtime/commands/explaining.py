"""run --explain-denials: run a container so that the broker hears of every denial, and say at the end what would have allowed it.

The run itself is a process of its own, the same command line with the hidden flag `--observe`.  Denials of the filter are then given by the
broker, with the same errno; what mounts and Landlock deny is noted on its way to the kernel and judged here by the same rules.
"""

import posix
import signal

from oci_schemas.json_text import loads
from runtime.broker.logs import DIRECTORY, log_name
from runtime.broker.recording import real_path
from runtime.commands.advising import advice, unseen
from runtime.commands.gating import find_policy
from runtime.commands.invocation import Invocation, absolute
from runtime.commands.launching import CONFIG_NAME, check_config, read_config
from runtime.commands.policy_learn import await_served
from runtime.commands.suggesting import Denial, group, is_denied_by_kernel
from runtime.errors import BrokerError, SyscallError, UsageError
from runtime.host.probe import read_file
from runtime.launch.broker import DIRECTORY as BROKER_DIRECTORY
from runtime.launch.broker import is_listening
from runtime.launch.report import encode, one_line, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.commands.suggesting import Resolve

_FLAG = "explain-denials"
_STOCK_WORDS = 6  # python -I -S -B entry exe_fd
_STOCK_FLAGS = ["-I", "-S", "-B"]


def run_explained(invocation: Invocation) -> int:
    """Run and explain on standard error; the exit code is the container's.  Raises: OciError."""
    if invocation.switch("detach"):
        raise UsageError("--explain-denials speaks at the container's end: it needs a run in the foreground")
    container_id = invocation.container_id()
    bundle = absolute(invocation.text("bundle") or ".")
    config = check_config(read_config(absolute(invocation.text("config") or CONFIG_NAME, bundle)))
    found = find_policy(invocation, config)
    path = f"{invocation.root}/{BROKER_DIRECTORY}/{DIRECTORY}/{log_name(container_id)}"
    before = _size(path)
    code = _run(observed_words())
    if is_listening(invocation.root):
        await_served(invocation.root, container_id)
    layers = [] if found is None else found.layers
    rootfs = absolute(str(dict(config.get("root", {})).get("path") or "rootfs"), bundle)

    def resolve(name: str) -> str:
        return real_path(rootfs, name)[0]

    lines = explain(denials(path, before, layers, resolve), None if found is None else layers, resolve)
    posix.write(2, encode("".join(f"{one_line(line)}\n" for line in lines)))
    return code


def observed_words() -> list[str]:
    """This process's own command line, with --observe in the place of our flag.  Raises: BrokerError."""
    words = [
        word.decode("utf-8", "surrogateescape") for word in read_file("/proc/self/cmdline", once=False).split(b"\0")
    ]
    if words[1:4] != _STOCK_FLAGS:
        raise BrokerError("--explain-denials is for the stock interpreter")  # which the planner's own hands over to
    taken = ["--observe" if word.partition("=")[0].lstrip("-") == _FLAG else word for word in words[_STOCK_WORDS:-1]]
    return [*words[:_STOCK_WORDS], *taken]


def _run(words: list[str]) -> int:
    """Run the same interpreter on a command line; the exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is for the container
    try:
        pid = posix.posix_spawn(words[0], words, dict(posix.environ), setsigdef=[signal.SIGINT])
        code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    except OSError as error:
        raise SyscallError(f"exec {words[0]}", error.errno or 0, reason(error)) from error
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _size(path: str) -> int:
    try:
        return posix.stat(path).st_size
    except OSError:
        return 0


def denials(path: str, start: int, layers: "list[dict[str, Any]]", resolve: "Resolve" = str) -> list[Denial]:
    """What was denied, from the records that were added to a log, each once with how often."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError:
        return []
    parts = []
    try:
        posix.lseek(fd, start if posix.fstat(fd).st_size >= start else 0, 0)
        while part := posix.read(fd, 1 << 16):
            parts.append(part)
    finally:
        posix.close(fd)
    records = [loads(line) for line in b"".join(parts).splitlines() if line]
    denied = [one for one in records if one.get("verdict") in ("deny", "would-deny", "kill", "trap")]
    denied += [
        one
        for one in records
        if one.get("verdict") in ("continue", "fail") and is_denied_by_kernel(one, layers, resolve)
    ]
    return group(sorted(denied, key=lambda one: str(one.get("time"))))


def explain(found: list[Denial], layers: "list[dict[str, Any]] | None", resolve: "Resolve" = str) -> list[str]:
    """The lines that are printed; `layers` is None without a policy."""
    if layers is None:
        return ["policy: none was asked for, so nothing was denied by one"]
    count = len(found)
    lines = [
        f"policy: {count} {'thing was' if count == 1 else 'things were'} denied"
        if found
        else "policy: no denial was seen"
    ]
    for denial in found:
        times = "" if denial.times == 1 else f" ({denial.times} times)"
        lines.append(f"  {denial.program or '-'}: {denial.what}: {denial.how}{times}")
        for number, line in enumerate(advice(denial, layers, resolve)):
            lines.append(f"      {'and:           ' if number else 'would allow it:'}  {line}")
    return [*lines, f"  cannot be seen: {unseen(layers)}"]
