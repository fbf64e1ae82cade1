"""A container's table for the broker: the policy's dict into flat bytes that the decision loop (C, broker_table.h) reads in place.

Pure and on the hot path: create saves the bytes, the broker maps them.  Numbers of system calls are those of one machine.
"""

import posix
from _struct import error as StructError  # type: ignore[attr-defined]  # noqa: N812 - a class, whatever its name
from _struct import pack, unpack_from

from runtime.seccomp.arches import ARCHES, MACHINES, Arch, syscall_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

MAGIC, VERSION, NONE = 0x31544250, 1, 0xFFFFFFFF
MODES = ("enforce", "audit", "ask", "record")
AUDITS = ("none", "denials", "decisions", "all")
HANDLERS = ("", "open", "connect", "bind", "send", "exec", "mknod", "mount", "deny", "continue", "record", "change")
SECTIONS = ("read", "write", "hide", "unix_connect", "unix_bind", "egress", "bind")
ADDRESSES = ("egress", "bind")
FLAG_KILL, FLAG_ABSTRACT, FLAG_GROUPS_SEEN = 1, 2, 4
FLAG_HANDLER = 8  # the last text names who is asked: Python's business alone
FLAG_ROOT_SEEN = 16
FLAG_BY_KERNEL = 32
PROTOCOLS = {"tcp": 1, "udp": 2}
EPERM, EACCES = 1, 13
HEADER = 4 * (12 + len(SECTIONS) + 2)


class _Image:
    """Bytes that grow; every part starts at a multiple of four."""

    __slots__ = ("data", "texts")

    def __init__(self) -> None:
        self.data = bytearray(HEADER)
        self.texts: dict[bytes, int] = {}

    def add(self, part: bytes) -> int:
        """The offset at which `part` now lies."""
        offset = len(self.data)
        self.data += part
        self.data += bytes(-len(part) % 4)
        return offset

    def text(self, text: bytes) -> int:
        """The offset of a text; equal ones are stored once."""
        offset = self.texts.get(text)
        if offset is None:
            self.texts[text] = offset = self.add(text)
        return offset


def encode_table(broker: "Mapping[str, Any]", machine: str | None = None) -> bytes:
    """The table of one container for `machine` (as uname -m says, this one by default); equal dicts give equal bytes.

    Raises: ValueError for what the table cannot hold (an unknown handler, mode, address), KeyError for a missing field.
    """
    token = MACHINES[machine or posix.uname().machine]
    arch = Arch(token, *ARCHES[token])
    image = _Image()
    numbers = syscall_numbers(arch)
    calls = _calls(broker["calls"], broker.get("default"), numbers)
    call_offset = image.add(calls)
    sections = []
    for name in SECTIONS:
        layers = broker.get(name)
        add_layer = _addresses if name in ADDRESSES else _paths
        offsets = None if layers is None else [add_layer(image, layer) for layer in layers]
        sections.append(NONE if offsets is None else image.add(pack(f"<{1 + len(offsets)}I", len(offsets), *offsets)))
    texts = [text.encode("utf-8", "surrogateescape") for text in (broker.get("name") or "", *broker.get("rules", ()))]
    handler = broker.get("handler")
    texts += [handler.encode("utf-8", "surrogateescape")] if handler else []
    pairs = [number for text in texts for number in (image.text(text), len(text))]
    text_offset = image.add(pack(f"<{len(pairs)}I", *pairs))
    flags = FLAG_KILL if broker.get("on_failure") == "kill" else 0
    unix_is_free = broker.get("unix_connect") is None and broker.get("unix_bind") is None
    flags |= FLAG_ABSTRACT if broker.get("unix_abstract", unix_is_free) else 0
    flags |= FLAG_HANDLER if handler else 0
    # a call that has an entry here may still be one that the filter lets pass without asking
    seen = set(broker.get("seen", ()))
    flags |= FLAG_GROUPS_SEEN if seen >= {"setgroups", "execve", "execveat"} else 0
    flags |= FLAG_ROOT_SEEN if "chroot" in seen else 0
    flags |= FLAG_BY_KERNEL if broker.get("by_kernel") else 0
    head = (
        *(MAGIC, VERSION, len(image.data), arch.audit),
        *(MODES.index(broker["mode"]), AUDITS.index(broker.get("audit", "denials")), flags, broker["timeout_ms"]),
        *(broker["max_inflight"], broker.get("wall_time_ms") or 0, call_offset, len(calls) // 8),
        *sections,
        *(text_offset, len(texts)),
    )
    image.data[:HEADER] = pack(f"<{len(head)}I", *head)
    return bytes(image.data)


def _entry(call: "Mapping[str, Any]") -> bytes:
    error = call.get("errno") or (EPERM if call["handler"] in {"deny", "mount"} else EACCES)
    rule = call.get("rule")
    return pack("<BBHI", HANDLERS.index(call["handler"]), 0, error, NONE if rule is None else rule)


def _calls(
    calls: "Mapping[str, Mapping[str, Any]]", default: "Mapping[str, Any] | None", numbers: "Mapping[str, int]"
) -> bytes:
    """One entry per number up to the highest one named, or with a default up to the machine's highest.

    Calls that the machine does not have are left out.
    """
    entries = {} if default is None else dict.fromkeys(numbers.values(), _entry(default))
    entries.update({numbers[name]: _entry(call) for name, call in calls.items() if name in numbers})
    count = max(entries) + 1 if entries else 0
    return b"".join([entries.get(number, bytes(8)) for number in range(count)])


def hash_path(path: bytes) -> int:
    """FNV-1a, as the loop computes it along a path."""
    value = 2166136261
    for byte in path:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def _paths(image: _Image, layer: "Sequence[Sequence[Any]]") -> int:
    literals: dict[bytes, int] = {}
    globs: dict[bytes, int] = {}
    for pattern, rule in layer:
        text = pattern.encode("utf-8", "surrogateescape")
        if not text.startswith(b"/"):
            raise ValueError(f"pattern {pattern!r} is not absolute")
        stem = text.removesuffix(b"/**")
        number = NONE if rule is None else rule
        if b"*" in stem:
            globs.setdefault(text, number)
        else:
            literals.setdefault(stem.rstrip(b"/"), number)
    bits = max(1, (len(literals) * 2).bit_length())
    slots = [0] * (1 << bits)
    patterns = []
    for index, (text, rule) in enumerate(literals.items()):
        value = hash_path(text)
        patterns.append(pack("<4I", image.text(text), len(text), value, rule))
        place = value & len(slots) - 1
        while slots[place]:
            place = place + 1 & len(slots) - 1
        slots[place] = index + 1
    patterns += [pack("<4I", image.text(text), len(text), 0, rule) for text, rule in globs.items()]
    pattern_offset = image.add(b"".join(patterns))
    slot_offset = image.add(pack(f"<{len(slots)}I", *slots))
    return image.add(pack("<5I", len(patterns), pattern_offset, len(literals), slot_offset, bits))


def _addresses(image: _Image, layer: "Sequence[Mapping[str, Any]]") -> int:
    rules = []
    for rule in layer:
        family, prefix, address = _cidr(rule.get("cidr"))
        ports = [number for pair in rule.get("ports") or () for number in pair]
        protocols = sum(PROTOCOLS[name] for name in set(rule.get("protocols") or ()))
        number = rule.get("rule")
        head = (rule.get("action", "allow") == "deny", family, prefix, protocols)
        where = (image.add(pack(f"<{len(ports)}I", *ports)), len(ports) // 2, NONE if number is None else number)
        rules.append(pack("<7I", *head, *where) + address)
    return image.add(pack("<2I", len(rules), image.add(b"".join(rules))))


def _cidr(cidr: str | None) -> tuple[int, int, bytes]:
    """(AF_*, bits, 16 bytes) of an IPv4 or IPv6 network; none: any address."""
    if not cidr:
        return 0, 0, bytes(16)
    text, _, bits = cidr.partition("/")
    address = _six(text) if ":" in text else bytes(map(int, text.split(".")))
    prefix = int(bits) if bits else len(address) * 8
    if len(address) not in {4, 16} or not 0 <= prefix <= len(address) * 8:
        raise ValueError(f"{cidr!r} is no network")
    return (10 if len(address) == 16 else 2), prefix, address.ljust(16, b"\0")


def _six(text: str) -> bytes:
    head, double, tail = text.partition("::")
    halves = [_words(head), _words(tail)]
    missing = 16 - len(halves[0]) - len(halves[1])
    if missing < 0 or (missing > 0) != bool(double):
        raise ValueError(f"{text!r} is no IPv6 address")
    return halves[0] + bytes(missing) + halves[1]


def _words(text: str) -> bytes:
    words = b""
    for word in text.split(":") if text else ():
        words += bytes(map(int, word.split("."))) if "." in word else pack(">H", int(word, 16))
    return words


def table_texts(table: bytes) -> tuple[str, list[str]]:
    """(name, texts of the rules) of an encoded table: what the rule numbers of events mean."""
    offset, count = unpack_from("<2I", table, HEADER - 8)
    numbers = unpack_from(f"<{2 * count}I", table, offset)
    texts = [
        table[numbers[at] : numbers[at] + numbers[at + 1]].decode("utf-8", "surrogateescape")
        for at in range(0, 2 * count, 2)
    ]
    return texts[0], texts[1:]


def table_wall_time_ms(table: bytes) -> int:
    """How long the container may run, 0: for ever."""
    value: int = unpack_from("<I", table, 36)[0]
    return value


def decode_head(table: bytes) -> "dict[str, Any]":
    """What the broker's worker needs of an encoded table: how it decides, the policy's name, the texts of its rules.

    Raises: ValueError when it is no table.
    """
    try:
        magic, version, size, _arch, mode, audit, flags, timeout_ms, max_inflight, wall_time_ms = unpack_from(
            "<10I", table
        )
        name, rules = table_texts(table)
        if (magic, version, size) != (MAGIC, VERSION, len(table)):
            raise ValueError("it is not a table of this version")
        handler = rules.pop() if flags & FLAG_HANDLER else None
        return {
            "mode": MODES[mode],
            "audit": AUDITS[audit],
            "timeout_ms": timeout_ms,
            "max_inflight": max_inflight,
            "on_failure": "kill" if flags & FLAG_KILL else "deny",
            "wall_time_ms": wall_time_ms,
            "name": name,
            "handler": handler,
            "rules": rules,
        }
    except (IndexError, StructError):
        raise ValueError("it is no table") from None
