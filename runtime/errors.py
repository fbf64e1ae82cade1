"""Every error that postern raises on purpose.

    OciError
    ├── UsageError              the command line is wrong
    ├── ConfigError             config.json (or --process, --resources): every violation with its JSON pointer
    ├── FilterError             a seccomp section: rule index, syscall
    ├── PolicyError             a policy: every violation with its file and line
    ├── HostError
    │   └── FeatureMissing      kernel or host lacks what the config asks for
    ├── LifecycleError
    │   └── ContainerNotFound · ContainerNotRunning · InvalidId
    ├── SyscallError            call, object, errno
    ├── CgroupError             a cgroup cannot be set up as asked
    ├── NetworkError            a network, or a policy's network rules, cannot be set up as asked
    ├── BrokerError             the broker cannot be started or reached, or refuses
    ├── NotBuilt                asked for something that this version refuses
    └── SafetyViolation         a path left its root, a file was not what it must be

What goes wrong in the executor is worded there (`runtime/native/undo.c`, `hooks.c`): it has no class here.
Text is lower case, names the object, has no full stop.  Lifecycle texts are API: engines search them (containerd's
shim, podman, CRI-O), so `tests/runtime/test_errors.py` pins them.
"""


class OciError(Exception):
    """Base of all: `kind` is a stable slug, `exit_code` what the process ends with, `str()` the one line."""

    kind = "error"
    exit_code = 1


class UsageError(OciError):
    """The command line is wrong."""

    kind = "usage"


class ConfigError(OciError):
    """config.json is wrong; `violations` is a list of (JSON pointer, message), all of them."""

    kind = "config"

    def __init__(self, name: str, violations: list[tuple[str, str]]) -> None:
        """Name the document (`config.json`) and list what is wrong with it."""
        self.violations = violations
        super().__init__(f"{name}: " + "; ".join(f"{pointer or '/'}: {text}" for pointer, text in violations))


class FilterError(OciError):
    """A seccomp section cannot be compiled; `violations` is a list of (JSON pointer, message), all of them."""

    kind = "filter"

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        """List what is wrong, pointers relative to the seccomp section."""
        self.violations = violations
        super().__init__("seccomp: " + "; ".join(f"{pointer or '/'}: {text}" for pointer, text in violations))


class PolicyError(OciError):
    """A policy is wrong or cannot be enforced here; `violations` are lines `file:line: key: text`, all of them."""

    kind = "policy"

    def __init__(self, violations: list[str]) -> None:
        """List what is wrong; each line names its place itself."""
        self.violations = violations
        super().__init__("policy: " + "; ".join(violations))


class HostError(OciError):
    """The host cannot do what was asked."""

    kind = "host"


class FeatureMissing(HostError):
    """The kernel or the host lacks a feature that the config requires."""

    kind = "feature-missing"


class LifecycleError(OciError):
    """The container is not in a state that allows the verb."""

    kind = "lifecycle"


class ContainerNotFound(LifecycleError):
    """No such container under this root."""

    kind = "container-not-found"

    def __init__(self) -> None:
        """Say it in runc's words; engines treat a delete that says so as done."""
        super().__init__("container does not exist")


class ContainerNotRunning(LifecycleError):
    """The verb needs a running init."""

    kind = "container-not-running"

    def __init__(self) -> None:
        """Say it in runc's words; engines map it to `already finished`."""
        super().__init__("container not running")


class InvalidId(LifecycleError):
    """The ID is empty or has characters that must never reach a path."""

    kind = "invalid-id"


class SyscallError(OciError):
    """A system call failed: `what` says on what, `errno` why."""

    kind = "syscall"

    def __init__(self, what: str, errno: int, text: str) -> None:
        """Keep the number for callers and the text for people."""
        self.errno = errno
        super().__init__(f"{what}: {text}")


class CgroupError(OciError):
    """A cgroup cannot be set up as asked."""

    kind = "cgroup"


class BrokerError(OciError):
    """The broker cannot be started or reached, or refuses what it was asked."""

    kind = "broker"


class NetworkError(OciError):
    """A network, or a policy's network rules, cannot be set up as asked."""

    kind = "network"


class NotBuilt(OciError):
    """Asked for something that the spec or another runtime has and this version refuses."""

    kind = "not-built"

    def __init__(self, what: str) -> None:
        """Name it as the user wrote it."""
        super().__init__(f"{what} is not supported by this version of postern")


class SafetyViolation(OciError):
    """A path left its root or a file is not what it must be; never retried."""

    kind = "safety"
