"""Quantities as people write them: "512MiB", "1.5", "10m", "8000-8100".

Cold.  Each function raises ValueError with what is wrong.
"""

import re

from oci_schemas.wording import quoted

_SIZE = re.compile(r"(\d{1,18})(?:\s*([kmgt])(i?)b?|\s*b)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,8})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?", re.ASCII)
_CPUS = re.compile(r"\d{1,6}(?:\.\d{1,3})?", re.ASCII)
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
PERIOD_US = 100_000
_LEAST_QUOTA_US = 1000  # what the kernel takes


def parse_size(text: str) -> int:
    """Bytes.  Units are powers of 1024, with or without the i, as in runc's and Docker's flags."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f'{quoted(text)} is no size: bytes, or a number with KiB, MiB, GiB, TiB, as in "512MiB"')
    size = int(match[1]) << 10 * " kmgt".index((match[2] or " ").lower())
    if size >= 1 << 63:
        raise ValueError(f"{quoted(text)} is out of range")
    return size


def parse_duration(text: str) -> int:
    """Milliseconds, at least one and at most a year."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f'{quoted(text)} is no duration: numbers with d, h, m, s, ms, as in "1h30m"')
    units = (86_400_000, 3_600_000, 60_000, 1000, 1)
    total = sum(int(part or 0) * unit for part, unit in zip(match.groups(), units, strict=True))
    if not 1 <= total <= 365 * units[0]:
        raise ValueError(f"{quoted(text)} is out of range: 1ms to 365d")
    return total


def parse_cpus(text: str) -> int:
    """Microseconds of a period of PERIOD_US."""
    if not _CPUS.fullmatch(text):
        raise ValueError(f'{quoted(text)} is no number of processors, such as "1.5"')
    whole, _, part = text.partition(".")
    quota = int(whole) * PERIOD_US + int(part.ljust(3, "0")) * PERIOD_US // 1000
    if quota < _LEAST_QUOTA_US:
        raise ValueError(f"{quoted(text)} is less than the 0.01 that the kernel can keep to")
    return quota


def parse_ports(text: str) -> list[int]:
    """[first, last]."""
    match = _PORTS.fullmatch(text)
    if not match:
        raise ValueError(f'{quoted(text)} is no port: 0 to 65535, or a range such as "8000-8100"')
    first, last = int(match[1]), int(match[2] or match[1])
    if last > 65535 or first > last:
        raise ValueError(f"{quoted(text)} is out of range or the wrong way round: 0 to 65535")
    return [first, last]
