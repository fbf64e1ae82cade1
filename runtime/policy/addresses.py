"""CIDR blocks as numbers.  Pure, hot: the standard library's module for this costs milliseconds to import.

An IPv4-mapped IPv6 block is the IPv4 block that it stands for, because the kernel sends its packets as IPv4.
Source: RFC 4291 section 2.2, RFC 4632.
"""

Prefix = tuple[int, int]  # the address with all bits below the length zero, and the length

_BYTES = {str(number): number for number in range(256)}  # a leading zero is no decimal to everybody
_MAPPED = 0xFFFF << 32  # ::ffff:0:0/96


def _parse_ipv4(text: str) -> int:
    try:
        first, second, third, fourth = text.split(".")
        return _BYTES[first] << 24 | _BYTES[second] << 16 | _BYTES[third] << 8 | _BYTES[fourth]
    except (KeyError, ValueError):
        raise ValueError(f"{text} is not an IPv4 address") from None


def _groups(text: str) -> list[int]:
    """The 16-bit groups of one side of `::`; an IPv4 address may stand at the end."""
    words = []
    parts = text.split(":") if text else []
    for index, part in enumerate(parts):
        if "." in part and index == len(parts) - 1:
            address = _parse_ipv4(part)
            words += [address >> 16, address & 0xFFFF]
        elif 0 < len(part) <= 4 and all(letter in "0123456789abcdefABCDEF" for letter in part):
            words.append(int(part, 16))
        else:
            raise ValueError("not a group")
    return words


def _parse_ipv6(text: str) -> int:
    head, gap, tail = text.partition("::")
    try:
        first, last = _groups(head), _groups(tail)
    except ValueError:
        raise ValueError(f"{text} is not an IPv6 address") from None
    missing = 8 - len(first) - len(last)
    if (missing < 1 and gap) or (missing and not gap) or ("." in head and gap):
        raise ValueError(f"{text} is not an IPv6 address")
    address = 0
    for word in (*first, *[0] * missing, *last):
        address = address << 16 | word
    return address


def parse_cidr(text: str) -> tuple[int, Prefix]:
    """`10.0.0.0/8`, `fd00::/8`, or an address alone: its version (4 or 6) and its prefix.

    Bits below the length are ignored.  Raises: ValueError.
    """
    name, slash, length_text = text.partition("/")
    version, bits = (6, 128) if ":" in name else (4, 32)
    address = _parse_ipv6(name) if version == 6 else _parse_ipv4(name)
    length = bits
    if slash:
        if not (length_text.isdigit() and length_text.isascii() and int(length_text) <= bits):
            raise ValueError(f"{text} has no length between 0 and {bits}")
        length = int(length_text)
    if version == 6 and length >= 96 and address >> 32 == _MAPPED >> 32:
        version, bits, length, address = 4, 32, length - 96, address & 0xFFFFFFFF
    free = bits - length
    return version, (address >> free << free, length)


def covers(prefix: Prefix, other: Prefix, bits: int) -> bool:
    """Whether `other` lies in `prefix`, both of the version with so many bits."""
    return other[1] >= prefix[1] and (prefix[0] ^ other[0]) >> (bits - prefix[1]) == 0
