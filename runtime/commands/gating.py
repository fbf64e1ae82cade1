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
    from collections.abc import Mapping, Sequence
    from typing import Any

    from oci_schemas._types import Config
    from runtime.commands.gate_cache import Ready
    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered
    from runtime.policy.trusted import Resolved
    from runtime.seccomp.program import Filter

    Bound = tuple[tuple[str, ...] | None, int | None]

SITE, SITE_NAME = "/etc/postern", "config.toml"
ANNOTATION = "io.postern.policy"
LEARN = "learn"
_NOTIFY = "SCMP_ACT_NOTIFY"


@record
class Gated:
    """A config on its way into the plan: the config (tightened, under a policy), facts, the filter, what the plan gets besides.

    `trapped`: some call goes to the broker.  `warnings` say what the policy itself lets be left out on this host.
    """

    config: "Config"
    facts: "HostFacts"
    compiled: "Filter | None"
    gate: Gate | None = None
    trapped: bool = False
    warnings: tuple[str, ...] = ()


def find_policy(invocation: Invocation, config: "Mapping[str, Any]") -> "Resolved | None":
    """The policy that holds for a container.  Raises: PolicyError."""
    annotations = config.get("annotations") or {}
    asked, directory = invocation.policy, invocation.policy_dir or SITE
    if asked is None and ANNOTATION not in annotations and _is_absent(directory):
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


def _is_absent(directory: str) -> bool:
    """Whether the site has no config for sure: one that we may only not look at, or that others could have removed, had a floor."""
    try:
        status = posix.stat(directory)
        if status.st_mode & 0o022 or status.st_uid not in (0, posix.geteuid()):
            return False  # refused by name where files are read
        posix.stat(f"{directory}/{SITE_NAME}")
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def gate_config(invocation: Invocation, config: "Config", terminal: bool) -> Gated:
    """Choose a policy and lower it for this config; without one the config stays as it is.

    Raises: PolicyError, ConfigError, FilterError.
    """
    if is_learning(invocation, config):
        from runtime.commands.learning import lower_recording
        from runtime.host.landlock import probe_landlock

        facts = probe_facts(config, terminal, probe_landlock(invocation.exe_fd))
        found, lowered = lower_recording(config, facts)
        return _gated(config, facts, _make_ready(invocation, found, lowered, config, facts))
    chosen = find_policy(invocation, config)
    if chosen is None:
        facts = probe_facts(config, terminal)
        own = (config.get("linux") or {}).get("seccomp")
        compiled = None
        if own is not None:
            from runtime.launch.filter_cache import compiled_filter

            compiled = compiled_filter(own, facts.machine, invocation.root)  # type: ignore[arg-type]
        return Gated(config, facts, compiled)
    abi = 0
    if chosen.landlock:
        from runtime.host.landlock import probe_landlock

        abi = probe_landlock(invocation.exe_fd)
    facts = probe_facts(config, terminal, abi)
    return _gated(config, facts, _ready(invocation, chosen, config, facts))


def _gated(config: "Config", facts: "HostFacts", ready: "Ready") -> Gated:
    from runtime.commands.gate_cache import put_in

    tightened: Config = put_in(config, ready)  # type: ignore[assignment]
    return Gated(tightened, facts, ready.compiled, ready.gate, ready.trapped, ready.warnings)


def _ready(invocation: Invocation, chosen: "Resolved", config: "Config", facts: "HostFacts") -> "Ready":
    """A policy lowered and compiled for this config, now or by an earlier call for the same kind of container."""
    from runtime.commands.gate_cache import gate_key, keep_gate, kept_gate, reduce_config
    from runtime.launch.filter_cache import compiler_identity

    reduced, observe = reduce_config(config), invocation.switch("observe")
    identity = compiler_identity()
    key = gate_key(chosen.hash, facts, reduced, identity, observe)
    ready = kept_gate(invocation.root, key) if identity else None
    if ready is None:
        from runtime.policy.lower import lower

        lowered = lower(chosen.layers, reduced, facts, observe)
        ready = _make_ready(invocation, chosen, lowered, reduced, facts)
        if identity and invocation.verb != "plan":
            keep_gate(invocation.root, key, ready)
    return ready


def _make_ready(
    invocation: Invocation, found: "Resolved", lowered: "Lowered", config: "Mapping[str, Any]", facts: "HostFacts"
) -> "Ready":
    from oci_schemas.json_text import dumps
    from runtime.commands.gate_cache import Ready, tightened_parts

    own = (config.get("linux") or {}).get("seccomp")
    _check_listeners(own, lowered)
    sections = lowered.sections if own is None else (own, *lowered.sections)
    compiled = _compiled(invocation, sections, facts.machine)
    process, linux = tightened_parts(lowered.config)
    trapped = _is_trapped(lowered, compiled)
    gate = make_gate(found, lowered, facts, invocation.root)
    text = dumps(own).decode() if own is not None else ""
    return Ready(process, linux, gate, compiled, trapped, lowered.warnings, text)


def _compiled(invocation: Invocation, sections: "Sequence[dict[str, Any]]", machine: str) -> "Filter":
    """Their program; kinds that differ in their limits alone have the same, and compiling it is most of what a new kind costs."""
    if invocation.verb == "plan":
        from runtime.seccomp.compile import compile_profiles

        return compile_profiles(sections, machine)
    from runtime.launch.filter_cache import compiled_filter

    return compiled_filter(sections, machine, invocation.root)


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
    return Gate(lowered.points, lowered.landlock, lowered.network, saved, table, listener, lowered.hierarchy)


def _check_listeners(own: "Mapping[str, Any] | None", lowered: "Lowered") -> None:
    """Refuse two listeners."""
    if own is None or lowered.broker is None:
        return
    for index, entry in enumerate(own.get("syscalls") or ()):
        if entry["action"] == _NOTIFY:
            text = "the policy needs the broker, and the kernel gives a process one listener (EBUSY for a second)"
            raise ConfigError("config.json", [(f"/linux/seccomp/syscalls/{index}/action", text)])


def _is_trapped(lowered: "Lowered", compiled: "Filter") -> bool:
    """Whether a listener will go to the broker.  Raises: PolicyError where a time limit depends on one that there is not."""
    if lowered.broker is None:
        return False
    if not compiled.notify and lowered.broker["wall_time_ms"] is not None:
        raise PolicyError(
            ["limits.wall_time: config.json denies every call that would bring the container to the broker"]
        )
    return compiled.notify


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
