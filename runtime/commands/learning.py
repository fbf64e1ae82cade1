"""Record mode for a container that is about to be made: everything is let through, and the broker writes down what was done.

Asked for by `--policy learn`, or by the annotation where the site lets it: a container that is learned from is under no policy.
"""

from runtime.errors import PolicyError
from runtime.policy.choose import NONE
from runtime.policy.lower import lower
from runtime.policy.resolved import Resolved
from runtime.seccomp.arches import find_arch, syscall_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered

LEARN = "learn"
_ENOSYS = 38
# through these a program does what others do, unseen or with flags that no filter sees: its library must take the others
_WITHHELD = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
# the one call that no filter may hand to a listener
_NEVER = "write"


def wants_learning(asked: str | None, annotation: str | None, site: "Mapping[str, Any] | None") -> bool:
    """Whether a container is to be recorded.  Raises: PolicyError where the site does not let it."""
    if LEARN not in (asked, annotation):
        return False
    if asked not in (None, LEARN, NONE):
        raise PolicyError(
            [f'annotation io.postern.policy: "{LEARN}" would lift the policy "{asked}" that the operator asks for']
        )
    if asked != LEARN and site is not None and LEARN not in (site.get("annotation") or ()):
        raise PolicyError(
            [f'annotation io.postern.policy: "{LEARN}" may not be chosen: the site\'s config.toml does not list it']
        )
    if site is not None and site.get("floor"):
        raise PolicyError([f'"{LEARN}" lets everything pass, and the site has a floor'])
    return True


def recording_layer() -> "dict[str, Any]":
    """A layer that withholds nothing."""
    return {
        "name": LEARN,
        "version": "1",
        "source": LEARN,
        "rules": [],
        "requirements": {},
        "syscalls": None,
        "ioctl": None,
        "prctl": None,
        "clone_flags": None,
        "filesystem": None,
        "exec": None,
        "network": None,
        "capabilities": None,
        "namespaces": {"required": []},
        "resources": {},
        "limits": {"wall_time_ms": None, "open_files": None},
        "broker": {"mode": "enforce", "timeout_ms": 5000, "max_inflight": 64, "on_failure": "deny", "handler": None},
        "audit": "all",
    }


def recorded_calls(machine: str) -> list[str]:
    """Every system call of the machine that a filter can hand to the broker."""
    arch = find_arch(machine)
    return [] if arch is None else [name for name in syscall_numbers(arch) if name not in (*_WITHHELD, _NEVER)]


def lower_recording(config: "Mapping[str, Any]", facts: "HostFacts") -> "tuple[Resolved, Lowered]":
    """The policy that records, lowered for a config."""
    layer = recording_layer()
    lowered = lower([layer], config, facts)
    names = recorded_calls(facts.machine)
    section = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] if facts.kernel >= (5, 19) else [],
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_NOTIFY"},
            {"names": list(_WITHHELD), "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        ],
    }
    broker: dict[str, Any] = {
        "mode": "record",
        "timeout_ms": 5000,
        "max_inflight": 64,
        "on_failure": "deny",
        "audit": "all",
        "name": LEARN,
        "handler": None,
        "calls": {name: {"handler": "record", "errno": 1, "rule": None} for name in names},
        **dict.fromkeys(("read", "write", "hide", "unix_connect", "unix_bind", "egress", "bind")),
        "unix_abstract": True,
        "rules": [],
        "wall_time_ms": None,
    }
    made = type(lowered)(
        lowered.config,
        (section,),
        lowered.points,
        lowered.landlock,
        lowered.network,
        broker,
        lowered.rows,
        lowered.bound,
    )
    return Resolved(LEARN, "", [layer]), made
