"""Hand a plan to the executor: seal its bytes into a memfd and become the executor.

The last thing that Python does for a container: from here on nothing of the interpreter is left in the process.
"""

import posix

from runtime.errors import FeatureMissing, SyscallError
from runtime.host.probe import read_file
from runtime.launch.report import reason

EXECUTOR_NAME = "postern:init"

_MFD_ALLOW_SEALING = 0x2
_MFD_NOEXEC_SEAL = 0x8  # since 6.3; older kernels say EINVAL
_F_ADD_SEALS = 1033
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # SEAL, SHRINK, GROW, WRITE
_EINVAL = 22


def make_memfd(name: str) -> int:
    """An empty memfd that can be sealed and survives execve.  Raises: OSError."""
    try:
        return posix.memfd_create(name, _MFD_ALLOW_SEALING | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != _EINVAL:
            raise
    return posix.memfd_create(name, _MFD_ALLOW_SEALING)


def seal_plan(image: bytes) -> int:
    """A memfd that holds `image` and can no longer be changed by anybody; the caller owns it.  Raises: SyscallError."""
    from fcntl import fcntl

    try:
        fd = make_memfd("postern-plan")
        rest = memoryview(image)
        while rest:
            rest = rest[posix.write(fd, rest) :]
        fcntl(fd, _F_ADD_SEALS, _SEALS)
    except OSError as error:
        raise SyscallError("unable to seal the launch plan", error.errno or 0, reason(error)) from error
    return fd


def executor_environment() -> dict[bytes, bytes]:
    """Our own environment, without the LC_CTYPE that the interpreter adds for itself (PEP 538)."""
    environment = dict(posix.environ)
    if b"LC_CTYPE" in environment:
        given = read_file("/proc/self/environ", once=False)
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
            del environment[b"LC_CTYPE"]
    return environment


def become_executor(exe_fd: int, image: bytes) -> None:
    """Replace this process by the executor with a plan; does not return.  Raises: SyscallError, FeatureMissing."""
    if exe_fd < 0:
        raise FeatureMissing("the executor's file was not handed over: start containers with the postern program")
    plan_fd = seal_plan(image)
    try:
        posix.set_inheritable(exe_fd, False)
        posix.execve(exe_fd, [EXECUTOR_NAME, str(plan_fd)], executor_environment())
    except OSError as error:
        posix.set_inheritable(exe_fd, True)  # the planner's interpreter leaves it to the stock one to say so
        posix.close(plan_fd)
        raise SyscallError("unable to start the executor", error.errno or 0, reason(error)) from error
