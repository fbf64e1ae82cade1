"""A denial into the line of a policy that would allow it.  Pure."""

from runtime.broker.recording import access_of
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_OPENING = ("open", "openat", "openat2", "creat")
_SENDING = ("connect", "sendto", "sendmsg", "sendmmsg")


@record
class Denial:
    """Equal denials as one: what was wanted, how it ended, and the first record of it."""

    program: str
    what: str
    how: str
    times: int
    first: "Mapping[str, Any]"


def target_of(entry: "Mapping[str, Any]") -> str:
    """The path or address that a record's call is about: the core's text without the words around it."""
    words = [word for word in str(entry.get("target") or "").split(" ") if word]
    found = [
        word for word in words if word[:1] in "/[" or word.startswith("unix:") or (":" in word and word[:1].isdigit())
    ]
    return found[0] if found else ""


def _what(entry: "Mapping[str, Any]") -> str:
    decoded = entry.get("decoded")
    shown = target_of(entry) or (" ".join(map(str, decoded.values())) if isinstance(decoded, dict) else "")
    return f"{entry.get('syscall')} {shown}".strip()


def _how(entry: "Mapping[str, Any]") -> str:
    if entry.get("handler") == "record":
        return "denied by the kernel (mounts or Landlock)"
    errno = entry.get("errno")
    words = {"kill": "killed", "trap": "trapped", "would-deny": "would be denied"}
    return words.get(str(entry.get("verdict")), f"denied with {errno}" if errno else "denied")


def group(entries: "Sequence[Mapping[str, Any]]") -> list[Denial]:
    """Equal ones together, in the order of their first times."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        key = (str(entry.get("program") or ""), _what(entry), _how(entry))
        found.setdefault(key, []).append(entry)
    return [Denial(*key, len(same), same[0]) for key, same in found.items()]


def _numbers(entry: "Mapping[str, Any]") -> tuple[int, ...]:
    return tuple(int(value, 16) for value in entry.get("args") or ())


def _covers(patterns: "Sequence[Sequence[Any]]", path: str) -> bool:
    """Whether a literal pattern covers a path; one with wildcards is taken to, since it is the broker's and was judged there."""
    return any("*" in pattern or pattern in ("/", path) or path.startswith(f"{pattern}/") for pattern, _ in patterns)


def is_denied_by_kernel(entry: "Mapping[str, Any]", layers: "Sequence[Mapping[str, Any]]") -> bool:
    """Whether the file rules of some layer do not cover what an observed call wanted."""
    access = access_of(str(entry.get("syscall")), _numbers(entry))
    path = target_of(entry)
    if not path.startswith("/") or path.startswith(("/dev/", "/proc/")):
        return False
    for layer in layers:
        files = layer.get("filesystem") or {}
        write, execute, read = files.get("write"), files.get("execute"), files.get("read")
        if access == "write" and write is not None and not _covers(write, path):
            return True
        if access == "execute" and execute is not None and not _covers(execute, path):
            return True
        if access == "read" and read is not None and not _covers([*read, *(write or ()), *(execute or ())], path):
            return True
    return False


def _address(call: str, target: str) -> str:
    host, _, port = target.rpartition(":")
    if call == "bind":
        return f"network.bind: [{port}]"
    return f'network.egress: [{{allow: "{host.strip("[]")}", ports: {port}}}]'


def _of_files(call: str, entry: "Mapping[str, Any]", target: str) -> str:
    access = access_of(call, _numbers(entry))
    place = target if access != "write" else target.rpartition("/")[0] or "/"
    return f"filesystem.{access}: [{place}]"


def suggestion(denial: Denial) -> str:
    """A line of YAML, its key in front."""
    entry, call = denial.first, str(denial.first.get("syscall"))
    target = target_of(entry)
    if target.startswith("unix:@"):
        return "network.unix.abstract: true"
    if target.startswith("unix:"):
        return f"network.unix.{'bind' if call == 'bind' else 'connect'}: [{target[5:]}]"
    if call in (*_SENDING, "bind") and target:
        return _address(call, target)
    if entry.get("handler") in ("open", "exec", "record") and target:
        return _of_files("execve" if entry.get("handler") == "exec" else call, entry, target)
    return _of_registers(call, entry.get("decoded") or {})


def _of_registers(call: str, decoded: "Mapping[str, Any]") -> str:
    if call in ("socket", "socketpair"):
        return f"network.domains: [{decoded.get('domain')}] and network.types: [{decoded.get('type')}]"
    if call == "ioctl":
        return f"ioctl: [{decoded.get('request')}]"
    if call == "prctl":
        return f"prctl: [{decoded.get('option')}]"
    if call in ("clone", "unshare", "setns") and str(decoded.get("flags", "")).startswith("CLONE_NEW"):
        return f"clone_flags: [{', '.join(str(decoded['flags']).split('|'))}]"
    return f"syscalls.allow: [{call}]"
