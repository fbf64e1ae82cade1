"""linux.seccomp: when the compiled filter is loaded, with which flags, and where its listener goes.

Loading needs a right or no_new_privs: with noNewPrivileges it is the very last step before execve, so that the filter
needs to allow as little of ours as possible; without, it comes before the capabilities go.
Source: config-linux.md#seccomp, seccomp(2).
"""

from _struct import pack, unpack_from

from oci_schemas.json_text import quote
from runtime.abi.filters import FILTER_FLAG_NEW_LISTENER, FILTER_FLAG_SPEC_ALLOW, FILTER_FLAG_TSYNC, FILTER_FLAGS
from runtime.errors import FeatureMissing
from runtime.plan.draft import Draft
from runtime.plan.launch_plan import op
from runtime.plan.state import SPEC_VERSION
from runtime.seccomp.program import Filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.plan.options import Gate

SAVED_NAME = "seccomp.bpf"


def filter_flags(draft: Draft, compiled: Filter) -> int:
    """The flags to load with, NEW_LISTENER not among them: the executor adds it."""
    available = draft.facts.seccomp_flags
    if compiled.flags is None:
        return available & FILTER_FLAG_SPEC_ALLOW
    flags = compiled.flags & ~FILTER_FLAG_NEW_LISTENER
    for name, bit in FILTER_FLAGS.items():
        if flags & bit & ~available:
            draft.block(FeatureMissing(f"seccomp: this kernel does not know {name}"))
    if compiled.notify:
        flags &= ~FILTER_FLAG_TSYNC  # init has one thread, and the kernel takes no listener together with it
    return flags


def encode_filter(draft: Draft, compiled: Filter) -> bytes:
    """The file in the state directory from which exec loads the same filter: flags (with NEW_LISTENER), program."""
    flags = filter_flags(draft, compiled) | (FILTER_FLAG_NEW_LISTENER if compiled.notify else 0)
    return pack("<I", flags) + compiled.program


def decode_filter(data: bytes) -> Filter:
    """What `encode_filter` wrote.  Raises: ValueError when it is not that."""
    if len(data) < 12 or len(data) % 8 != 4:
        raise ValueError(f"{SAVED_NAME} is damaged")
    flags: int = unpack_from("<I", data)[0]
    return Filter(data[4:], flags & ~FILTER_FLAG_NEW_LISTENER, bool(flags & FILTER_FLAG_NEW_LISTENER), ())


def load_filter(draft: Draft, compiled: Filter | None, last: bool) -> None:
    """FINAL: load the filter, when its place (`last`: with noNewPrivileges) is here."""
    if compiled is None or bool(draft.process.get("noNewPrivileges")) != last:
        return
    what = "unable to init seccomp: error loading seccomp filter into kernel"
    flags = "NOTIFY" if compiled.notify else ""
    bits = filter_flags(draft, compiled)
    draft.final.append(op("SECCOMP", what, flags, flags=bits, blob=compiled.program))


def send_listener(draft: Draft, compiled: Filter | None, gate: "Gate | None") -> None:
    """COMMIT: the listener goes to the broker, or to the config's agent, with the container's state; a failure is an error."""
    if compiled is None or not compiled.notify:
        return
    section = draft.linux.get("seccomp") or {}
    own = gate.listener if gate is not None else None
    path = own or section.get("listenerPath")
    if not path:
        draft.refuse("/linux/seccomp/listenerPath", "SCMP_ACT_NOTIFY needs a listenerPath")
        return
    metadata = None if own else section.get("listenerMetadata")
    middle = f',"metadata":{quote(metadata)},"state":' if metadata else ',"state":'
    head = f'{{"ociVersion":"{SPEC_VERSION}","fds":["seccompFd"],"pid":'
    what = f'unable to send the seccomp listener to "{path}"'
    # our own broker says whether it took the listener, and looks at whoever brings it meanwhile
    places: dict[str, Any] = {"path": path, "head": head, "middle": middle, "tail": "}"}
    if own:
        places["answered"] = 1
    draft.commit.append(op("SEND_LISTENER", what, **places))
