"""HOT: the policy of a container on its way into the plan: chosen, lowered, its table encoded; and what exec finds of it later.

Without a policy all that happens here is that there is none: one file that is not opened for create, one for exec.
"""

import posix

from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, LifecycleError, PolicyError
from runtime.host.probe import probe_facts
from runtime.plan.options import Gate
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from oci_schemas._types import Config
    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered
    from runtime.policy.trusted import Resolved
    from runtime.seccomp.program import Filter

    Section = dict[str, Any]
    Bound = tuple[tuple[str, ...] | None, int | None]

SITE, SITE_NAME = "/etc/postern", "config.toml"
ANNOTATION = "io.postern.policy"
LEARN = "learn"
_NOTIFY = "SCMP_ACT_NOTIFY"


@record
class Gated:
    """A config under a policy: the tightened config, its facts, all seccomp sections, and what the plan gets besides."""

    config: "Config"
    facts: "HostFacts"
    sections: "tuple[Section, ...]"
    gate: Gate | None = None
    lowered: "Lowered | None" = None


def find_policy(invocation: Invocation, config: "Mapping[str, Any]") -> "Resolved | None":
    """The policy that holds for a container.  Raises: PolicyError."""
    annotations = config.get("annotations") or {}
    asked, directory = invocation.policy, invocation.policy_dir or SITE
    if asked is None and ANNOTATION not in annotations and _is_absent(f"{directory}/{SITE_NAME}"):
        return None
    from runtime.policy.choose import choose_policy

    return choose_policy(asked, annotations, invocation.root, directory)


def is_learning(invocation: Invocation, config: "Mapping[str, Any]") -> bool:
    """Whether the container is to be recorded instead of restricted.  Raises: PolicyError."""
    annotation = (config.get("annotations") or {}).get(ANNOTATION)
    if LEARN not in (invocation.policy, annotation):
        return False
    from runtime.commands.learning import wants_learning
    from runtime.policy.choose import load_site

    site = load_site(invocation.root, invocation.policy_dir or SITE)
    return wants_learning(invocation.policy, annotation, site)


def _is_absent(path: str) -> bool:
    """Whether there is no such file for sure: one that we may only not look at could hold a floor."""
    try:
        posix.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def gate_config(invocation: Invocation, config: "Config", terminal: bool) -> Gated:
    """Choose a policy and lower it for this config; without one the config stays as it is.

    Raises: PolicyError, ConfigError.
    """
    learns = is_learning(invocation, config)
    found = None if learns else find_policy(invocation, config)
    own = (config.get("linux") or {}).get("seccomp")
    sections: tuple[Section, ...] = () if own is None else (own,)  # type: ignore[assignment]
    if found is None and not learns:
        return Gated(config, probe_facts(config, terminal), sections)
    from runtime.host.landlock import probe_landlock
    from runtime.policy.lower import lower

    facts = probe_facts(config, terminal, probe_landlock(invocation.exe_fd))
    if found is None:
        from runtime.commands.learning import lower_recording

        found, lowered = lower_recording(config, facts)
    else:
        lowered = lower(found.layers, config, facts, observe=invocation.switch("observe"))
    _check_listeners(own, lowered)
    tightened: Config = lowered.config  # type: ignore[assignment]
    gate = make_gate(found, lowered, facts, invocation.root)
    return Gated(tightened, facts, (*sections, *lowered.sections), gate, lowered)


def make_gate(found: "Resolved", lowered: "Lowered", facts: "HostFacts", root: str) -> Gate:
    """What the plan gets of a lowered policy."""
    from runtime.plan.policy import encode_saved

    table, listener = b"", None
    if lowered.broker is not None:
        from runtime.broker.table import encode_table
        from runtime.launch.broker import broker_socket

        table, listener = encode_table(lowered.broker, facts.machine), broker_socket(root)
    open_gate = Gate(lowered.points, lowered.landlock, lowered.network, b"", table, listener)
    saved = encode_saved(open_gate, found.name, lowered.bound, found.layers)
    return Gate(lowered.points, lowered.landlock, lowered.network, saved, table, listener)


def _check_listeners(own: "Mapping[str, Any] | None", lowered: "Lowered") -> None:
    """Refuse two listeners."""
    if own is None or lowered.broker is None:
        return
    for index, entry in enumerate(own.get("syscalls") or ()):
        if entry["action"] == _NOTIFY:
            text = "the policy needs the broker, and the kernel gives a process one listener (EBUSY for a second)"
            raise ConfigError("config.json", [(f"/linux/seccomp/syscalls/{index}/action", text)])


def check_trapped(gated: Gated, compiled: "Filter | None") -> bool:
    """Whether a listener will go to the broker.  Raises: PolicyError where a time limit depends on one that there is not."""
    lowered = gated.lowered
    if lowered is None or lowered.broker is None:
        return False
    trapped = compiled is not None and compiled.notify
    if not trapped and lowered.broker["wall_time_ms"] is not None:
        raise PolicyError(
            ["limits.wall_time: config.json denies every call that would bring the container to the broker"]
        )
    return trapped


def saved_gate(dir_fd: int) -> "tuple[Gate, Bound] | None":
    """The policy that a container was created with, as exec needs it; None without one.  Raises: LifecycleError, SyscallError."""
    from runtime.plan.policy import SAVED_NAME, decode_saved
    from runtime.state.store import failed, read_file

    try:
        data = read_file(dir_fd, SAVED_NAME)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(f"open the saved {SAVED_NAME}", error) from None
    try:
        return decode_saved(data)
    except ValueError as error:
        raise LifecycleError(str(error)) from None
