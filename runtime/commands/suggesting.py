"""What was denied, of the records of an observed run: by the broker, or by the kernel as the same rules have it.  Pure."""

from runtime.broker.needs import access_of
from runtime.launch.report import encode
from runtime.policy.patterns import around, is_wild, plain
from runtime.record import record
from runtime.syscalls.broker import glob_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Resolve = Callable[[str], str]

PEERS = frozenset(("connect", "bind", "sendto", "sendmsg", "sendmmsg"))
# with these there must be nothing yet
_MAKING = frozenset(("mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"))
# how the kernel refuses what mounts, Landlock and the cgroup's programs withhold
_REFUSALS = ("EROFS", "EACCES", "EPERM")
_O_CREAT = 0o100
# how the core begins the text of an open that it has judged, the longest first; and what has to be allowed for it
_JUDGED = (("read and write ", "write"), ("look at ", "read"), ("write ", "write"), ("read ", "read"))
# links to what the program has open: as devices, they are not what a read-only mount protects
_OPEN_ALREADY = ("stdin", "stdout", "stderr")
_DEVICES = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", *_OPEN_ALREADY)
)


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
    text = str(entry.get("target") or "")
    if entry.get("handler") in ("record", "change"):
        return text.partition("\n")[0].strip()
    if entry.get("handler") == "open":
        for judged, _ in _JUDGED:
            if text.startswith(f"{judged}/"):
                return text.removeprefix(judged)
    words = [word for word in text.split(" ") if word]
    found = [
        word for word in words if word[:1] in "/[" or word.startswith("unix:") or (":" in word and word[:1].isdigit())
    ]
    return found[0] if found else ""


def _what(entry: "Mapping[str, Any]") -> str:
    decoded = entry.get("decoded")
    shown = target_of(entry) or (" ".join(map(str, decoded.values())) if isinstance(decoded, dict) else "")
    if not entry.get("syscall"):  # of the container as a whole
        return str(entry.get("target") or "")
    return f"{entry.get('syscall')} {shown}".strip()


def by_broker(entry: "Mapping[str, Any]") -> bool:
    """Whether a denial was given by the broker or the filter; else the kernel's is inferred from the rules."""
    return entry.get("verdict") not in ("continue", "fail")


def is_unjudged(entry: "Mapping[str, Any]") -> bool:
    """Whether the broker refused an open for what it is, whatever the rules say: its text is then the call's own."""
    text = str(entry.get("target") or "")
    return entry.get("handler") == "open" and by_broker(entry) and text.startswith(f"{entry.get('syscall')} ")


def is_device(path: str) -> bool:
    """Whether a path is one of the devices that every container has, which can be written to where they can be read."""
    return path in _DEVICES or path.startswith("/dev/pts/")


def _how(entry: "Mapping[str, Any]") -> str:
    if not by_broker(entry):
        if entry.get("mode") == "audit":
            return "would be denied"
        by = "the network's programs" if entry.get("syscall") in PEERS else "mounts or Landlock"
        return f"denied by the kernel ({by})"
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


def covers(patterns: "Sequence[Sequence[Any]]", path: str, exactly: bool) -> bool:
    """Whether a pattern covers a path; one with wildcards is taken to, unless `exactly`, since it is the broker's and was judged there."""
    over = around(path)
    for written, *_ in patterns:
        pattern = plain(written)
        if not is_wild(pattern):
            found = pattern in over
        else:
            found = not exactly or any(glob_matches(encode(pattern), encode(one)) for one in over[:-1])
        if found:
            return True
    return False


def paths_of(entry: "Mapping[str, Any]") -> list[str]:
    """All paths of a record: two where a call has two names."""
    text = str(entry.get("target") or "")
    return text.split("\n") if entry.get("handler") == "record" else [target_of(entry)]


def wanted(entry: "Mapping[str, Any]") -> str:
    """What a record's call wanted of its path: read, write or execute.  A device is read, however it was opened."""
    if entry.get("handler") == "exec":
        return "execute"
    text = str(entry.get("target") or "")
    access = access_of(str(entry.get("syscall")), _numbers(entry))
    if entry.get("handler") == "open":
        access = next((found for judged, found in _JUDGED if text.startswith(f"{judged}/")), access)
        access = "read" if is_device(target_of(entry)) else access
    return access


def withholding(access: str, path: str, layer: "Mapping[str, Any]", exactly: bool = False) -> list[str]:
    """The keys of a layer that do not cover what was wanted of a path; `exactly` as for `covers`."""
    files = layer.get("filesystem") or {}
    write, execute, read = files.get("write"), files.get("execute"), files.get("read")
    hide = [entry for entry in files.get("hide") or () if exactly or not is_wild(plain(entry[0]))]
    readable = [*(read or ()), *(write or ()), *(execute or ()), *((exactly and layer.get("exec")) or ())]
    found = []
    if access == "write" and write is not None and not covers(write, path, exactly):
        found.append("filesystem.write")
    if access == "execute" and execute is not None and not covers(execute, path, exactly):
        found.append("filesystem.execute")
    if access == "execute" and layer.get("exec") is not None and not covers(layer["exec"], path, exactly):
        found.append("exec")
    if access != "write" and read is not None and not covers(readable, path, exactly):
        found.append("filesystem.read")
    if covers(hide, path, exactly):
        found.append("filesystem.hide")
    return found


def _could_succeed(entry: "Mapping[str, Any]", access: str) -> bool:
    """Whether a call would not have failed anyway, by what was there before it."""
    existed, call = entry.get("existed"), str(entry.get("syscall"))
    if existed is None:
        return True
    if access != "write":
        return bool(existed)
    if call in _MAKING:
        return not existed
    flags = _numbers(entry)[1 if call == "open" else 2] if call in ("open", "openat") else _O_CREAT
    return bool(existed) or flags & _O_CREAT != 0


def is_denied_by_kernel(
    entry: "Mapping[str, Any]", layers: "Sequence[Mapping[str, Any]]", resolve: "Resolve" = str
) -> bool:
    """Whether the rules of some layer do not cover what an observed call wanted; `resolve` follows a path's symlinks."""
    if str(entry.get("syscall")) in PEERS:
        return any(refusing_peer(entry, layer) for layer in layers)
    access = wanted(entry)
    if entry.get("verdict") == "fail" and entry.get("errno") not in _REFUSALS:
        return False
    for path in paths_of(entry):
        if path[:1] != "/":
            continue
        found = resolve(path)
        # devices can be written to where files cannot, by whatever name they are called
        if access == "write" and any(name.startswith("/dev/") or "/fd/" in name for name in (path, found)):
            continue
        if _could_succeed(entry, access) and any(withholding(access, found, layer) for layer in layers):
            return True
    return False


def _address(entry: "Mapping[str, Any]") -> tuple[str, int] | None:
    """The internet address of a record's target, with its port."""
    host, mark, port = target_of(entry).rpartition(":")
    return (host.strip("[]"), int(port)) if mark and port.isdigit() and not host.startswith("unix") else None


def refusing_peer(entry: "Mapping[str, Any]", layer: "Mapping[str, Any]") -> str:
    """`network.bind` or `network.egress` where a layer's rules for no protocol allow a record's address; else nothing.

    Loopback is left out: its own rule depends on the network namespace.
    """
    from ipaddress import ip_address, ip_network

    address = _address(entry)
    key = "bind" if entry.get("syscall") == "bind" else "egress"
    rules = (layer.get("network") or {}).get(key)
    if rules is None or address is None or address[1] == 0 or entry.get("verdict") not in ("continue", "fail"):
        return ""
    try:
        peer = ip_address(address[0])
    except ValueError:
        return ""
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if key == "egress" and peer.is_loopback:
        return ""
    for protocol in ("tcp", "udp"):
        found = {
            rule.get("action", "allow")
            for rule in rules
            if protocol in rule["protocols"]
            and any(low <= address[1] <= high for low, high in rule["ports"])
            and ("cidr" not in rule or peer in ip_network(rule["cidr"], strict=False))
        }
        if found == {"allow"}:
            return ""
    return f"network.{key}"
