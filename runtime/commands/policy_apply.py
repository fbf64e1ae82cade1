"""policy apply: another policy for a container that runs, in effect with its next call.

The policy is added to the one that holds, so the container can only lose; root may replace what holds with `--loosen` (the site's floor
stays).  Alive are the broker's table, the network's programs and the limits of the cgroup.  The filter, the mounts, Landlock and what the
process was given cannot be changed from outside: a policy that needs them different is refused, with such rules, and nothing is done.
"""

import posix
from fcntl import LOCK_EX, flock

from runtime.commands.broker_client import ask_broker
from runtime.commands.containers import Container, read_at
from runtime.commands.gate_making import make_gate
from runtime.commands.launching import check_config, seccomp_section
from runtime.commands.learning import recording_layer
from runtime.commands.policy_call import PolicyCall
from runtime.commands.policy_mounts import check_mounts
from runtime.commands.update import change_limits
from runtime.errors import BrokerError, LifecycleError, PolicyError
from runtime.host.landlock import probe_landlock
from runtime.host.probe import probe_facts
from runtime.launch.report import reason
from runtime.launch.spawn import make_memfd
from runtime.plan.policy import SAVED_NAME, TABLE_NAME
from runtime.plan.saved_policy import decode_layers
from runtime.policy.artefact import load_policy
from runtime.policy.choose import NONE, combine, load_site
from runtime.policy.lower import lower
from runtime.policy.lower_landlock import denies_more
from runtime.policy.resolved import Resolved
from runtime.policy.trusted import DIRECTORY
from runtime.seccomp.compile import compile_profiles
from runtime.state.container_id import check_id
from runtime.state.lifecycle import require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.policy.lower import Lowered

    Added = tuple[list[dict[str, Any]], list[dict[str, Any]]] | None

# what differs: the mechanisms of `policy explain` whose rules are to blame
_BLAME = {
    "filter": ("seccomp", "broker"),
    "mounts": ("mounts",),
    "landlock": ("landlock",),
    "process": ("config",),
}
_NAMES = {
    "filter": "the seccomp filter",
    "mounts": "what is mounted read-only, noexec or hidden",
    "landlock": "the Landlock rules",
    "process": "what its processes were given (capabilities, limits)",
}
_PARTS = (
    "syscalls",
    "ioctl",
    "prctl",
    "clone_flags",
    "filesystem",
    "exec",
    "network",
    "capabilities",
    "namespaces",
    "resources",
    "limits",
)
_SHOWN = 3
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC


def execute(call: PolicyCall) -> int:
    """Exchange the policy.  Raises: OciError."""
    container_id, word = call.positional(2)
    loosen = call.switch("loosen")
    if loosen and posix.geteuid() != 0:
        raise BrokerError("only root may loosen a policy")
    container = Container(call.invocation.root, check_id(container_id))
    require("update", container.status, container_id)
    try:
        flock(container.dir_fd, LOCK_EX)  # one after the other: each goes by what the one before left
        said = _exchange(call, container, word, loosen)
    finally:
        container.close()
    call.say([f"{name}: {what}" for name, what in said.items()], said)
    return 0


def _exchange(call: PolicyCall, container: Container, word: str, loosen: bool) -> dict[str, str]:
    invocation = call.invocation
    held = _held(container)
    old = held.layers
    new = _wanted(call, word, held, loosen)
    config = check_config(read_at(container.dir_fd, "config.json"))
    facts = probe_facts(config, False, probe_landlock(invocation.exe_fd), limits=True)
    before, after = lower(old, config, facts), lower(new.layers, config, facts)
    added = None if loosen else (old, [layer for layer in new.layers if layer not in old])
    check_alive(before, after, added, config, facts)
    if after.hierarchy not in ("", before.hierarchy):
        check_mounts(container.state.pid, container.state.cgroup_path, after.hierarchy)
    gate = make_gate(new, after, facts, invocation.root)
    files = [(name, data) for name, data in ((TABLE_NAME, gate.table), (SAVED_NAME, gate.saved)) if data]
    unfinished = _stage(container.dir_fd, files)
    said = {"policy": new.name, "broker": "unchanged", "network": "unchanged", "resources": "unchanged"}
    if gate.table:
        said["broker"] = _swap(invocation.root, container.state.container_id, gate.table, loosen)
    if before.network != after.network or (unfinished and after.network is not None):
        from runtime.network.apply import replace_network

        replace_network(container.state.cgroup_mount, container.state.cgroup_path, after.network)
        said["network"] = "replaced"
    if _resources(before) != _resources(after) or (unfinished and _resources(after)):
        change_limits(container, _resources(after))
        said["resources"] = "changed"
    _commit(container.dir_fd, files)
    return said


def _held(container: Container) -> Resolved:
    """What holds: create's name and layers, or those of the apply before.  Raises: PolicyError, LifecycleError."""
    try:
        data = read_at(container.dir_fd, SAVED_NAME)
    except FileNotFoundError:
        raise PolicyError(
            [f"container {container.state.container_id} was created without a policy: none can be put over it later"]
        ) from None
    try:
        return _named("", decode_layers(data)[2])
    except ValueError as error:
        raise LifecycleError(str(error)) from None


def _named(digest: str, layers: "list[dict[str, Any]]") -> Resolved:
    """Called as the broker's log calls it: by all policies that hold, each once."""
    return Resolved("+".join(dict.fromkeys([str(layer["name"]) for layer in layers])), digest, layers)


def _wanted(call: PolicyCall, word: str, held: Resolved, loosen: bool) -> Resolved:
    """The policy to be put in force: what holds and the new one; with --loosen the new one and the site's floor.  Raises: PolicyError."""
    invocation = call.invocation
    directory = invocation.policy_dir or DIRECTORY
    if word == NONE and not loosen:
        raise PolicyError([f'"{NONE}" adds nothing to {held.name}: --loosen leaves the site\'s floor alone in force'])
    found = load_policy(word, invocation.root, directory) if word != NONE else None
    if not loosen and found is not None:
        return _named(found.hash, [*held.layers, *(layer for layer in found.layers if layer not in held.layers)])
    site = load_site(invocation.root, directory)
    floor = [load_policy(floor, invocation.root, directory, directory) for floor in (site or {}).get("floor") or ()]
    asked = [found] if found is not None else []
    # no layers at all are no policy, and what was created under one keeps something to add to
    nothing = Resolved(NONE, "", [{**recording_layer(), "name": NONE, "audit": "denials"}])
    made = combine([*asked, *floor] or [nothing])
    return _named(made.hash, made.layers)


def _resources(lowered: "Lowered") -> "dict[str, Any]":
    return dict((lowered.config.get("linux") or {}).get("resources") or {})


def _process(lowered: "Lowered") -> "dict[str, Any]":
    """The config without what can change in a running container, and without what is mounted."""
    linux = {
        key: value
        for key, value in (lowered.config.get("linux") or {}).items()
        if key not in ("resources", "seccomp", "maskedPaths")
    }
    return {**lowered.config, "linux": linux}


def _masked(lowered: "Lowered") -> "list[str]":
    return list((lowered.config.get("linux") or {}).get("maskedPaths") or ())


def _program(lowered: "Lowered", config: "Any", machine: str) -> bytes:
    own = seccomp_section(config)
    sections = [*([own] if own else []), *lowered.sections]
    kept: list[Any] = []
    for section in sections:  # what two layers say alike makes no other filter
        plain = {key: value for key, value in section.items() if key != "by"}
        if plain not in kept:
            kept.append(plain)
    return compile_profiles(kept, machine).program if kept else b""


def _differences(before: "Lowered", after: "Lowered", config: "Any", facts: "HostFacts") -> list[str]:
    """Which of the things that a running container keeps would have to be others."""
    differs = {
        "filter": (before.broker is None and after.broker is not None)
        or (
            before.sections != after.sections
            and _program(before, config, facts.machine) != _program(after, config, facts.machine)
        ),
        "mounts": before.points != after.points or _masked(before) != _masked(after),
        "landlock": denies_more(before.landlock, after.landlock),
        "process": _process(before) != _process(after) or before.bound != after.bound,
    }
    return [what for what, is_different in differs.items() if is_different]


def check_alive(before: "Lowered", after: "Lowered", added: "Added", config: "Any", facts: "HostFacts") -> None:
    """Refuse what cannot be changed in a running container.

    `added`: (the layers that hold, those that come to them); None where they are replaced.  Raises: PolicyError with the first rules
    that would need it, each with the mechanism.
    """
    changed = _differences(before, after, config, facts)
    if not changed:
        return
    lines = [] if added is None else _culprits(before, added, config, facts)
    if not lines:
        for what in changed:
            rows = {True: after.rows, False: before.rows}
            for is_new, other in ((True, before.rows), (False, after.rows)):
                verb = "changed" if is_new else "taken back"
                lines += [
                    f"{where}: {text}: {_NAMES[what]} cannot be {verb} in a running container"
                    for text, where, mechanism, _ in rows[is_new]
                    if mechanism in _BLAME[what] and (text, where) not in [row[:2] for row in other]
                ]
    lines = list(dict.fromkeys(lines)) or [
        f"{_NAMES[what]} cannot be changed in a running container" for what in changed
    ]
    raise PolicyError([*lines[:_SHOWN], *([f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])])


def _culprits(before: "Lowered", added: "tuple[list[Any], list[Any]]", config: "Any", facts: "HostFacts") -> list[str]:
    """The rules of new layers that need another filter, mount, ...: each section of a layer is tried by itself."""
    old, new = added
    lines = []
    neutral = recording_layer()
    for layer in new:
        for part in _PARTS:
            if layer[part] == neutral[part]:
                continue
            alone = {**neutral, "name": layer["name"], "rules": layer["rules"], part: layer[part]}
            try:
                lowered = lower([*old, alone], config, facts)
            except PolicyError:
                continue  # the rest of its layer makes it possible
            for what in _differences(before, lowered, config, facts):
                where, text = _place(lowered, layer, part, what)
                lines.append(f"{where}: {text}: {_NAMES[what]} cannot be changed in a running container")
    return lines


def _place(lowered: "Lowered", layer: "dict[str, Any]", part: str, what: str) -> tuple[str, str]:
    """A rule of a section that the mechanism enforces; else the section's first one."""
    own = {
        (rule["where"], rule["text"])
        for rule in layer["rules"]
        if rule["text"].startswith(part) and not rule["text"].endswith("default: allow")
    }
    for text, where, mechanism, _ in lowered.rows:
        if (where, text) in own and mechanism == _BLAME[what][0]:
            return where, text
    return next(
        ((rule["where"], part) for rule in layer["rules"] if rule["text"].startswith(part)),
        (str(layer["source"]), part),
    )


def _swap(root: str, container_id: str, table: bytes, loosen: bool) -> str:
    fd = make_memfd("broker-table")
    try:
        posix.write(fd, table)
        answer = ask_broker(root, {"op": "apply", "id": container_id, "loosen": loosen}, (fd,))
    finally:
        posix.close(fd)
    return f"table of {answer['swapped']} listener{'' if answer['swapped'] == 1 else 's'} exchanged"


def _stage(dir_fd: int, files: "Sequence[tuple[str, bytes]]") -> bool:
    """Write what is to be saved beside what is, before anything changes.

    Whether an apply before did not come to its end: what is saved then does not say what is in force.
    """
    unfinished = False
    for name, data in files:
        try:
            try:
                posix.unlink(_staged(name), dir_fd=dir_fd)
                unfinished = True
            except FileNotFoundError:
                pass
            _write(dir_fd, _staged(name), data)
        except OSError as error:
            raise BrokerError(f"{name} cannot be saved for exec: {reason(error)}") from error
    return unfinished


def _write(dir_fd: int, name: str, data: bytes) -> None:
    fd = posix.open(name, _WRITE, 0o600, dir_fd=dir_fd)
    try:
        while data:
            data = data[posix.write(fd, data) :]
    finally:
        posix.close(fd)


def _commit(dir_fd: int, files: "Sequence[tuple[str, bytes]]") -> None:
    """Replace the files of the state directory, each whole or not at all; policy.bin, which an apply goes by, is the last."""
    for name, _data in files:
        try:
            posix.rename(_staged(name), name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except OSError as error:
            raise BrokerError(f"the policy holds, but {name} cannot be saved for exec: {reason(error)}") from error


def _staged(name: str) -> str:
    return f".{name}.new"
