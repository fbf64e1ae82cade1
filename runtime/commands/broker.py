"""postern broker: the program itself is the keeper; here its flags are explained, and its worker begins."""

import posix

from runtime.commands.invocation import Invocation
from runtime.errors import PolicyError, UsageError
from runtime.launch.front import PROGRAM_NAME, become_front
from runtime.launch.report import show
from runtime.policy.trusted import DIRECTORY

_LONGEST_IDLE = 86400


def compile_table(policy: str, root: str, site: str) -> bytes:
    """The table of an agent behind another runtime, for its worker; `site`: whose floor holds.  Raises: PolicyError."""
    from runtime.broker.agent_policy import agent_table
    from runtime.broker.table import encode_table
    from runtime.policy.choose import choose_policy
    from runtime.seccomp.arches import find_arch, syscall_numbers

    found = choose_policy(policy, None, root, site)
    if found is None:
        raise PolicyError([f'"{policy}" is no policy that an agent could enforce'])
    arch = find_arch(posix.uname().machine)
    return encode_table(agent_table(found.layers, list(syscall_numbers(arch)) if arch else []))


def execute(invocation: Invocation) -> int:
    """Become the keeper, or with --worker serve one.  Raises: OciError."""
    site = invocation.policy_dir or DIRECTORY
    if "worker" in invocation.flags:
        from runtime.broker.worker import run_worker

        return run_worker(invocation.number("worker", -1), invocation.root, invocation.exe_fd, site)
    policy = invocation.text("table")
    if policy is not None:
        show(compile_table(policy, invocation.root, site))
        return 0
    idle = invocation.text("idle")
    if idle is not None and not (idle.isascii() and idle.isdigit() and int(idle) <= _LONGEST_IDLE):
        raise UsageError(f'invalid value "{idle}" for flag -idle: seconds, at most {_LONGEST_IDLE}')
    words = [
        PROGRAM_NAME,
        "--root",
        invocation.root,
        *(["--policy-dir", site] if invocation.policy_dir else []),
        "broker",
    ]
    if invocation.switch("foreground"):
        words.append("--foreground")
    if idle is not None:
        words += ["--idle", idle]
    become_front(invocation.exe_fd, words)
    return 1
