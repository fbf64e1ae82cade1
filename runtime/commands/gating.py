"""HOT: the policy of a container on its way into the plan, chosen; and what exec finds of it later.

Without a policy all that happens here is that there is none: one file that is not opened for create, one for exec.
"""

import posix

from runtime.commands.invocation import Invocation
from runtime.errors import LifecycleError
from runtime.host.probe import probe_facts
from runtime.launch.linking import link
from runtime.plan.options import Gate
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from oci_schemas._types import Config
    from runtime.commands.gate_cache import Ready
    from runtime.host.facts import HostFacts
    from runtime.plan.saved_policy import Held
    from runtime.policy.resolved import Resolved
    from runtime.seccomp.program import Filter

SITE, SITE_NAME = "/etc/postern", "config.toml"
ANNOTATION = "io.postern.policy"
LEARN = "learn"


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
    annotation: str | None = annotations.get(ANNOTATION)
    absent = _is_absent(directory)
    if asked is None and annotation is None and absent:
        return None
    link("policy")
    if absent and (asked is None or annotation is None):
        from runtime.policy.built_in import load_builtin

        # without rules of the site the operator may name anything, a container whatever is built in
        found = load_builtin(asked or annotation or "")
        if found is not None:
            return found
    link("choice")
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
        status = posix.lstat(directory)
        if status.st_mode & 0o170000 == 0o120000 or status.st_mode & 0o022 or status.st_uid not in (0, posix.geteuid()):
            return False  # followed, or refused by name, where files are read
        posix.lstat(f"{directory}/{SITE_NAME}")
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
        from runtime.commands.gate_making import make_ready

        return _gated(config, facts, make_ready(invocation, found, lowered, config, facts))
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
    facts = probe_facts(config, terminal, abi, chosen.limits)
    from runtime.commands.gate_finding import find_ready

    return _gated(config, facts, find_ready(invocation, chosen, config, facts))


def _gated(config: "Config", facts: "HostFacts", ready: "Ready") -> Gated:
    from runtime.commands.gate_cache import put_in

    tightened: Config = put_in(config, ready)  # type: ignore[assignment]
    return Gated(tightened, facts, ready.compiled, ready.gate, ready.trapped, ready.warnings)


def saved_gate(dir_fd: int) -> "Held | None":
    """The policy that a container was created with, as exec needs it (`decode_saved`); None without one.  Raises: LifecycleError, SyscallError."""
    from runtime.plan.policy import SAVED_NAME
    from runtime.plan.saved_policy import decode_saved
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
