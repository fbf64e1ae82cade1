"""From a recording to the smallest policy that its program still runs under.  Pure.

System calls with the classes of their arguments; paths folded into directories, so that the next run may use other names in them; sockets,
addresses and ports.  What cannot be learned from system calls (capabilities, resources, what may be executed) is left to people.
"""

from runtime.broker.needs import NAMING
from runtime.broker.recording import MADE
from runtime.policy.launch_calls import LAUNCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# so many different entries of one directory stand for the directory; nearer the root it takes more
_MANY = {1: 24, 2: 8}
_MANY_DEEP = 4
_WILD = frozenset("*?[]{}")
_INTERNET = ("AF_INET", "AF_INET6")
# what the C library does instead of these, which a policy withholds, has been recorded
_WITHHELD = frozenset(("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"))
# seen from outside these are not there
_ONESELF = ("/proc/self", "/proc/thread-self")
# what a policy calls them; others by their numbers
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_LISTENING = frozenset(("listen", "accept", "accept4"))


def learned_calls(recording: "Mapping[str, Any]") -> list[str]:
    """The system calls that the policy allows: those that were made, and those that starting a program takes."""
    return sorted((set(recording["calls"]) | set(LAUNCH)) - _WITHHELD)


def fold(paths: "Iterable[str]") -> list[str]:
    """Paths, sorted, where a directory of which many entries are used stands for them, and nothing stands below another one."""
    kept = set(paths)
    if "/" in kept:
        return ["/"]
    for depth in range(max((path.count("/") for path in kept), default=0), 0, -1):
        entries: dict[str, set[str]] = {}
        for path in kept:
            parts = path.split("/")
            if len(parts) > depth + 1:
                entries.setdefault("/".join(parts[: depth + 1]), set()).add(parts[depth + 1])
        for directory, names in entries.items():
            if len(names) >= _MANY.get(depth, _MANY_DEEP):
                kept = {path for path in kept if not path.startswith(f"{directory}/")} | {directory}
    return [path for path in sorted(kept) if not any(_is_below(path, other) for other in kept)]


def _is_below(path: str, other: str) -> bool:
    return path != other and path.startswith(f"{other}/")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _place(path: str) -> str:
    """A path as a rule can name it: below /proc as /proc, since the numbers in it are of this run; else up to what would be a wildcard."""
    if path.startswith("/proc/"):
        return "/proc"
    while not (path.isprintable() and _WILD.isdisjoint(path)):
        path = _parent(path)
    return path


def learned_paths(recording: "Mapping[str, Any]") -> tuple[list[str], list[str]]:
    """(read, write): what was not there needs no rule to be read, and what was made needs its directory."""
    read, write = set(), set()
    for call, access, path, kind in recording["targets"]:
        if not access or path[:1] != "/":
            continue
        place = _place(path)
        if access == "write":
            if kind == "-":
                continue  # nothing came of it, and nothing will
            write.add(place if place == "/proc" or (kind != MADE and call not in NAMING) else _parent(place))
        elif kind != "-" or path in _ONESELF or any(_is_below(path, one) for one in _ONESELF):
            read.add(place)
    return fold(read), fold(write)


def _port(address: str) -> tuple[str, int] | None:
    """("1.2.3.4", 80) of `1.2.3.4:80` and `[::1]:80`; None for anything else."""
    host, mark, port = address.rpartition(":")
    if not mark or not port.isdigit() or address.startswith("unix:"):
        return None
    return host.strip("[]"), int(port)


def learned_network(recording: "Mapping[str, Any]") -> "dict[str, Any] | None":
    """The network section; None where no socket was made, so that there is none."""
    made = {tuple(text.split(" ")) for call in ("socket", "socketpair") for text in recording["calls"].get(call, ())}
    if not made:
        return None
    section: dict[str, Any] = {
        "domains": sorted({domain for domain, _type, _protocol in made}),
        "types": sorted({kind for _domain, kind, _protocol in made}),
    }
    internet = [entry for entry in made if entry[0] in _INTERNET]
    if internet:
        usual = {"SOCK_STREAM": "6", "SOCK_DGRAM": "17"}
        numbers = {usual.get(kind, "0") if number == "0" else number for _domain, kind, number in internet}
        section["protocols"] = sorted(_PROTOCOLS.get(number, number) for number in numbers)
    egress: dict[str, set[int]] = {}
    bound: set[int] = set()
    unix: dict[str, set[str]] = {"connect": set(), "bind": set()}
    looked_for: set[str] = set()  # sockets that were not there
    for call, _access, target, kind in recording["targets"]:
        address = _port(target)
        if address is not None and call == "bind":
            bound.add(address[1])
        elif address is not None and address[1]:
            egress.setdefault(address[0], set()).add(address[1])
        elif target.startswith("unix:") and kind == "-":
            looked_for.add(target[5:])
        elif target.startswith("unix:"):
            unix["bind" if call == "bind" else "connect"].add(target[5:])
    section |= _addresses(egress, bound, bool(_LISTENING & set(recording["calls"])))
    names = unix["connect"] | unix["bind"] | looked_for
    if "AF_UNIX" in section["domains"] and any(name[:1] == "/" for name in names):
        section["unix"] = {
            key: sorted(name for name in values if name[:1] == "/")
            for key, values in unix.items()
            if values or (key == "connect" and looked_for)
        }
        section["unix"]["abstract"] = any(name[:1] == "@" for name in names)
    return section


def _addresses(egress: dict[str, set[int]], bound: set[int], listens: bool) -> "dict[str, Any]":
    section: dict[str, Any] = {}
    if egress:
        section["egress"] = [{"allow": host, "ports": sorted(ports)} for host, ports in sorted(egress.items())]
    if bound:
        section["bind"] = [{"ports": sorted(bound)}]
    if bound and listens:
        section["ingress"] = [{"allow": "any", "ports": sorted(bound - {0}) or ["0-65535"]}]
    return section


def _executed(recording: "Mapping[str, Any]") -> list[str]:
    """Programs that were started, but for those that are named by what a process runs already."""
    return [
        _place(path)
        for _call, access, path, kind in recording["targets"]
        if access == "execute" and path[:1] == "/" and kind == "f" and not path.startswith("/proc/")
    ]


def _files(read: list[str], write: list[str], programs: list[str]) -> "dict[str, Any]":
    """The filesystem section.  Whoever lists the root may read everything: no rule covers a directory without what is below it."""
    if "/" in (*read, *write):
        return {"write": write}
    folded = fold({*read, *programs})
    return {
        "read": [path for path in folded if not any(path == top or _is_below(path, top) for top in write)],
        "write": write,
    }


def learned_policy(recording: "Mapping[str, Any]", name: str, programs: "Iterable[str]") -> "dict[str, Any]":
    """The policy as a document.  `programs`: what the kernel itself opened to start it (interpreters), beside what was recorded."""
    calls = recording["calls"]
    read, write = learned_paths(recording)
    files = _files(read, write, [*_executed(recording), *programs])
    flags = {
        flag
        for call in ("clone", "unshare", "setns")
        for text in calls.get(call, ())
        for flag in text.split("|")
        if flag
    }
    policy: dict[str, Any] = {
        "name": name,
        "version": "1",
        "description": f"learned from a run of {recording['seen']} noted system calls",
        "syscalls": {"default": "deny", "errno": "ENOSYS", "allow": learned_calls(recording)},
        "ioctl": list(calls.get("ioctl", ())),
        "prctl": list(calls.get("prctl", ())),
        "clone_flags": sorted(flags),
        "filesystem": files,
    }
    network = learned_network(recording)
    if network is not None:
        policy["network"] = network
    return policy


_PLAIN_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/")
_PLAIN = _PLAIN_FIRST | frozenset("0123456789_.-+")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))


def _scalar(value: object) -> str:
    from oci_schemas.json_text import quote

    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = text and text[0] in _PLAIN_FIRST and set(text) <= _PLAIN and text.lower() not in _WORDS
    return text if plain else quote(text)


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def remarks(policy: "Mapping[str, Any]") -> list[str]:
    """What whoever reads a learned policy should know: where it is wider than the run was."""
    files = policy["filesystem"]
    found = []
    if "read" not in files:
        found.append(
            "everything may be read: the run listed or changed the root itself, and a rule for it covers all below"
        )
    if "/" in files["write"]:
        found.append(
            "everything may be written: the run wrote in the root itself, or under a name that no rule can say"
        )
    return found


def to_yaml(policy: "Mapping[str, Any]", comments: "Sequence[str]" = ()) -> str:
    """The document as YAML, after its comments: short lists on a line, long ones an entry a line."""
    lines = [f"# {comment}" for comment in comments]
    for key, value in policy.items():
        if not isinstance(value, dict):
            lines += _entry(key, value, "")
            continue
        lines += ["", f"{key}:"]
        for name, item in value.items():
            lines += _entry(name, item, "  ")
    return "\n".join(lines).lstrip("\n") + "\n"


def _entry(key: str, value: object, indent: str) -> list[str]:
    line = f"{indent}{key}: {_flow(value)}"
    if isinstance(value, list) and len(line) > 120:
        return [f"{indent}{key}:", *(f"{indent}  - {_flow(item)}" for item in value)]
    return [line]
