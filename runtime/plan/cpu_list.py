"""Lists of CPUs or NUMA nodes, `0-3,7`, as bit masks.  Source: cpuset(7), "List format"."""

_MOST = 8192  # CPUs that a kernel can be built for; keeps a mask small


def parse_mask(text: str) -> tuple[int, ...]:
    """64-bit words, lowest numbers first; empty for an empty list.  Raises: ValueError with a line for the user."""
    bits = 0
    for part in text.replace(" ", "").split(","):
        if not part:
            continue
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ValueError(f'invalid list "{text}"')
        low, high = int(first), int(last or first)
        if low > high or high >= _MOST:
            raise ValueError(f'invalid list "{text}": {part} is out of range')
        bits |= ((1 << high - low + 1) - 1) << low
    words = []
    while bits:
        words.append(bits & 0xFFFFFFFFFFFFFFFF)
        bits >>= 64
    return tuple(words)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6
