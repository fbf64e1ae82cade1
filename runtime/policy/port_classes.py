"""Ports and protocols as a few classes, so that a set of them is a bit mask.  Pure, hot.

All rules of one direction cut the ports of TCP and of UDP into intervals that no rule divides; those that every address treats
alike are one class.  An address's verdict is then one 64-bit mask, which the kernel's programs shift by the class of a port.
"""

import itertools

from runtime.abi.sockets import IPPROTO_TCP, IPPROTO_UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

PORT_MAX = 0xFFFF
CLASSES_MAX = 64
ALL_PORTS = ((0, PORT_MAX),)
PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}

# protocol -> (first port, last port, number), by first port; what no range holds has no number
Ranges = dict[int, list[tuple[int, int, int]]]


def rule_ports(rule: "Mapping[str, Any]") -> "Iterable[tuple[int, int, int]]":
    """(protocol, first port, last port) of all that a rule speaks of; without ports or protocols: of all."""
    for name in rule.get("protocols") or PROTOCOLS:
        for low, high in rule.get("ports") or ALL_PORTS:
            yield PROTOCOLS[name], low, high


def cut_ports(rules: "Iterable[Mapping[str, Any]]") -> Ranges:
    """The intervals, numbered from 0, that no rule divides."""
    cuts: dict[int, set[int]] = {protocol: {0, PORT_MAX + 1} for protocol in PROTOCOLS.values()}
    for rule in rules:
        for protocol, low, high in rule_ports(rule):
            cuts[protocol].update((low, high + 1))
    ranges: Ranges = {}
    number = 0
    for protocol, points in cuts.items():
        begins = sorted(points)
        ranges[protocol] = [
            (low, end - 1, number + index) for index, (low, end) in enumerate(itertools.pairwise(begins))
        ]
        number += len(ranges[protocol])
    return ranges


def mask_of(rule: "Mapping[str, Any]", ranges: Ranges) -> int:
    """The intervals that a rule holds, a bit for each."""
    mask = 0
    for protocol, low, high in rule_ports(rule):
        for begin, _end, number in ranges[protocol]:
            if low <= begin <= high:
                mask |= 1 << number
    return mask


def merge_classes(ranges: Ranges, masks: "Iterable[int]") -> tuple[Ranges, dict[int, int]]:
    """Intervals that all masks treat alike become one class, those in none of them go.

    Gives the ranges with the classes' numbers, and for each mask the one that says the same in them.
    """
    wanted = sorted(set(masks))
    classes: dict[tuple[bool, ...], int] = {}
    merged: Ranges = {protocol: [] for protocol in ranges}
    renamed = dict.fromkeys(wanted, 0)
    for protocol, intervals in ranges.items():
        for low, high, number in intervals:
            column = tuple([bool(mask >> number & 1) for mask in wanted])
            if not any(column):
                continue
            place = classes.setdefault(column, len(classes))
            last = merged[protocol][-1] if merged[protocol] else (0, -2, -1)
            if last[2] == place and last[1] + 1 == low:
                merged[protocol][-1] = (last[0], high, place)
            else:
                merged[protocol].append((low, high, place))
    for column, place in classes.items():
        for mask, holds in zip(wanted, column, strict=True):
            renamed[mask] |= holds << place
    return merged, renamed
