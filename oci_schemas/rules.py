"""HOT: the checks of the OCI documents that a schema cannot express, in plain Python.

Both ways of validating call them after the schema has passed: the models through `Document`, the hot loader directly.
A check receives plain data of the right types, the place where it lies, and a list to which it adds what it finds; it
never raises and never looks at types again. Required properties are read with `get` all the same, because the error
report runs the checks over what is left when the wrong values are taken out.
Imports nothing of the standard library: every module would cost start-up time.

Source: config.md, runtime.md, features.md.
"""

from oci_schemas.rules_linux import check_linux, check_resource_limits
from oci_schemas.wording import quoted

Pointer = tuple[str | int, ...]
Violation = tuple[Pointer, str]
Found = list[Violation]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Data = dict[str, Any]

_NICE_POLICIES = ("SCHED_OTHER", "SCHED_BATCH")
_PRIORITY_POLICIES = ("SCHED_FIFO", "SCHED_RR")
_LIVE = ("created", "running", "paused")


def check_config(config: "Data", at: Pointer, found: Found) -> None:
    """Add to `found` every rule that config.json breaks.

    Source: config.md.
    """
    _check_version(config.get("ociVersion"), (*at, "ociVersion"), found)
    for i, mount in enumerate(config.get("mounts") or ()):
        if mount.get("uidMappings") and not mount.get("gidMappings"):
            found.append(((*at, "mounts", i, "gidMappings"), "uidMappings and gidMappings must be given together"))
        elif mount.get("gidMappings") and not mount.get("uidMappings"):
            found.append(((*at, "mounts", i, "uidMappings"), "uidMappings and gidMappings must be given together"))
    process = config.get("process")
    if process is not None:
        check_process(process, (*at, "process"), found)
    linux = config.get("linux")
    if linux is not None:
        check_linux(linux, (*at, "linux"), found)


def check_process(process: "Data", at: Pointer, found: Found) -> None:
    """Add to `found` every rule that a process breaks.

    Source: config.md#process.
    """
    if not process.get("args"):
        found.append(((*at, "args"), "args must not be empty"))
    cwd = process.get("cwd")
    if cwd is not None and cwd[:1] != "/":
        found.append(((*at, "cwd"), "Cwd must be an absolute path" if cwd else "Cwd property must not be empty"))
    for i, entry in enumerate(process.get("env") or ()):
        if entry.find("=") < 1:
            found.append(((*at, "env", i), f"environment variable {quoted(entry)} is not NAME=value"))
    _check_console_size(process, at, found)
    _check_rlimits(process.get("rlimits") or (), (*at, "rlimits"), found)
    scheduler = process.get("scheduler")
    if scheduler is not None:
        _check_scheduler(scheduler, (*at, "scheduler"), found)


def check_resources(resources: "Data", at: Pointer, found: Found) -> None:
    """Add to `found` every rule that control group limits break.

    Source: config-linux.md#control-groups.
    """
    check_resource_limits(resources, at, found)


def check_state(state: "Data", at: Pointer, found: Found) -> None:
    """Add to `found` every rule that a container's state breaks.

    Source: runtime.md#state.
    """
    _check_version(state.get("ociVersion"), (*at, "ociVersion"), found)
    if state.get("pid") is None and state.get("status") in _LIVE:
        found.append(((*at, "pid"), f"a {state['status']} container needs a pid"))


def check_features(features: "Data", at: Pointer, found: Found) -> None:
    """Add to `found` every rule that a features document breaks.

    Source: features.md.
    """
    for name in ("ociVersionMin", "ociVersionMax"):
        _check_version(features.get(name), (*at, name), found)


def check_text(value: object, at: Pointer, found: Found) -> None:
    """Add to `found` the place of every NUL character: no kernel interface can carry one.

    `value` is any JSON-like data.
    """
    if isinstance(value, str):
        if "\0" in value:
            found.append((at, "contains a NUL character"))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                found.append(((*at, key), "the property name contains a NUL character"))
            check_text(item, (*at, key), found)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_text(item, (*at, i), found)


def _check_version(version: str | None, at: Pointer, found: Found) -> None:
    """SemVer as runc reads it: two or three numbers, then anything after a dash or a plus; any value is accepted."""
    if version is None:
        return
    numbers = version.partition("-")[0].partition("+")[0].split(".")
    if not (2 <= len(numbers) <= 3 and all(n.isascii() and n.isdigit() for n in numbers)):
        found.append((at, f"{quoted(version)} is not a semantic version"))


def _check_console_size(process: "Data", at: Pointer, found: Found) -> None:
    """`consoleSize` must be ignored when there is no terminal; a terminal counts in 16 bits (ioctl_tty(2))."""
    size = process.get("consoleSize")
    if size is None or not process.get("terminal"):
        return
    for name in ("height", "width"):
        if size.get(name, 0) > 0xFFFF:
            found.append(((*at, "consoleSize", name), "must be at most 65535"))


def _check_rlimits(rlimits: "Iterable[Data]", at: Pointer, found: Found) -> None:
    """Each type once (config.md#posix-process), soft not above hard (setrlimit(2) gives EINVAL)."""
    seen = set()
    for i, rlimit in enumerate(rlimits):
        kind = rlimit.get("type")
        if kind is not None and kind in seen:
            found.append(((*at, i, "type"), f"duplicated rlimit {kind}"))
        seen.add(kind)
        soft, hard = rlimit.get("soft"), rlimit.get("hard")
        if soft is not None and hard is not None and soft > hard:
            found.append(((*at, i, "soft"), f"soft limit {soft} is above the hard limit {hard}"))


def _check_scheduler(scheduler: "Data", at: Pointer, found: Found) -> None:
    """Which property belongs to which policy (sched(7)); sched_setattr(2) would say EINVAL, or ignore it."""
    policy = scheduler.get("policy")
    if policy is None:
        return
    nice, priority = scheduler.get("nice"), scheduler.get("priority")
    if nice and policy not in _NICE_POLICIES:
        found.append(((*at, "nice"), f"{policy} takes no nice value"))
    elif nice and not -20 <= nice <= 19:
        found.append(((*at, "nice"), "must be between -20 and 19"))
    if priority and policy not in _PRIORITY_POLICIES:
        found.append(((*at, "priority"), f"{policy} takes no priority"))
    elif policy in _PRIORITY_POLICIES and not 1 <= (priority or 0) <= 99:
        found.append(((*at, "priority"), f"{policy} needs a priority between 1 and 99"))
    for name in ("runtime", "deadline", "period"):
        if scheduler.get(name) and policy != "SCHED_DEADLINE":
            found.append(((*at, name), f"{policy} takes no {name}"))
