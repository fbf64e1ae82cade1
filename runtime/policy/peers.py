"""Rules about peers -> the prefixes of a longest-prefix table, each with the verdict of all rules that cover it.  Pure, hot.

A layer allows what one of its rules allows and none denies; what is allowed is what every layer allows.  The longest prefix that
matches an address lies in every shorter one that does, so its verdict can hold them all and one lookup decides.
"""

from runtime.policy.addresses import Prefix, covers, parse_cidr
from runtime.policy.port_classes import Ranges, cut_ports, mask_of, merge_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Rule = Mapping[str, Any]

BITS = {4: 32, 6: 128}
LOOPBACK = {4: (127 << 24, 8), 6: (1, 128)}
UNSPECIFIED = {4: (0, 32), 6: (0, 128)}
_LOOPBACK_RULES = ({"action": "allow", "cidr": "127.0.0.0/8"}, {"action": "allow", "cidr": "::1"})

# what one direction's layers say of a prefix: for each layer the allowed and the denied intervals
Said = list[tuple[int, int]]


Shape = tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]


def _shape(rule: "Rule") -> Shape:
    """What a rule says beside the address."""
    return tuple(rule.get("protocols") or ()), tuple([tuple(pair) for pair in rule.get("ports") or ()])


class Direction:
    """The rules of egress or ingress of all layers that restrict it."""

    __slots__ = ("layers", "ranges", "said", "verdicts")

    def __init__(self, layers: "Sequence[Sequence[Rule]]", loopback: bool) -> None:
        """`loopback`: every layer allows it unless one of its rules denies it.  Raises: ValueError for what is no CIDR."""
        extra = _LOOPBACK_RULES if loopback else ()
        self.layers: list[list[Rule]] = [[*rules, *extra] for rules in layers]
        self.said: dict[int, dict[Prefix, Said]] = {4: {}, 6: {}}
        self.verdicts: dict[int, dict[Prefix, int]] = {4: {}, 6: {}}
        # many rules differ in nothing but their address
        shapes = [[_shape(rule) for rule in rules] for rules in self.layers]
        kinds: dict[Shape, Rule] = {}
        for rules, known in zip(self.layers, shapes, strict=True):
            kinds.update(zip(known, rules, strict=True))
        self.ranges: Ranges = cut_ports(kinds.values())
        masks = {shape: mask_of(rule, self.ranges) for shape, rule in kinds.items()}
        for index, rules in enumerate(self.layers):
            for rule, shape in zip(rules, shapes[index], strict=True):
                self._note(index, rule, masks[shape])

    def _note(self, index: int, rule: "Rule", mask: int) -> None:
        version, prefix = parse_cidr(rule["cidr"])
        said = self.said[version].get(prefix)
        if said is None:
            said = self.said[version][prefix] = [(0, 0)] * len(self.layers)
        allowed, denied = said[index]
        said[index] = (allowed, denied | mask) if rule["action"] == "deny" else (allowed | mask, denied)

    def resolve(self, version: int, prefixes: "Sequence[Prefix]") -> None:
        """Find the verdict of each prefix (sorted; the rules' own must be among them)."""
        bits, said, verdicts = BITS[version], self.said[version], self.verdicts[version]
        nothing: Said = [(0, 0)] * len(self.layers)
        above: list[tuple[Prefix, Said]] = [((0, 0), said.get((0, 0), nothing))]
        for prefix in prefixes:
            while not covers(above[-1][0], prefix, bits):
                above.pop()
            known = above[-1][1]
            own = said.get(prefix)
            if own is not None and above[-1][0] != prefix:
                known = [(a | allow, d | deny) for (a, d), (allow, deny) in zip(known, own, strict=True)]
                above.append((prefix, known))
            verdicts[prefix] = _verdict(known)

    def at(self, version: int, address: int) -> Said:
        """What all rules that cover one address say of it."""
        bits = BITS[version]
        found: Said = [(0, 0)] * len(self.layers)
        for prefix, said in self.said[version].items():
            if covers(prefix, (address, bits), bits):
                found = [(a | allow, d | deny) for (a, d), (allow, deny) in zip(found, said, strict=True)]
        return found

    def resolve_unspecified(self) -> None:
        """Connecting to no address is connecting to ourselves: allowed where loopback is, and not denied by its own name."""
        for version in BITS:
            named = self.at(version, 0)
            # a socket that is bound to an IPv4-mapped address gets to 127.0.0.1 by ::
            targets = [self.at(other, _first_loopback(other)) for other in ((4,) if version == 4 else (4, 6))]
            verdict = -1
            for target in targets:
                verdict &= _verdict([(a, d | deny) for (a, d), (_a, deny) in zip(target, named, strict=True)])
            self.verdicts[version][UNSPECIFIED[version]] = verdict

    def classes(self) -> tuple[Ranges, dict[int, int]]:
        """The classes of ports that the verdicts need, and what each verdict is in them."""
        return merge_classes(self.ranges, [mask for table in self.verdicts.values() for mask in table.values()])


def _first_loopback(version: int) -> int:
    return (127 << 24 | 1) if version == 4 else 1


def _verdict(said: Said) -> int:
    verdict = -1
    for allowed, denied in said:
        verdict &= allowed & ~denied
    return verdict


def sorted_prefixes(directions: "Sequence[Direction]", version: int) -> list[Prefix]:
    """All prefixes that one of the directions' rules names, the covering before the covered; with the unspecified address."""
    names = {(0, 0), UNSPECIFIED[version]}
    for direction in directions:
        names.update(direction.said[version])
    return sorted(names)


def needed(
    table: "Mapping[Prefix, tuple[int, ...]]", prefixes: "Sequence[Prefix]", version: int
) -> list[tuple[Prefix, tuple[int, ...]]]:
    """The prefixes whose verdict is another than that of the longest shorter one; nothing stands for no verdict at all."""
    bits, kept = BITS[version], []
    above: list[tuple[Prefix, tuple[int, ...]]] = []
    for prefix in prefixes:
        while above and not covers(above[-1][0], prefix, bits):
            above.pop()
        value = table[prefix]
        if value != (above[-1][1] if above else (0,) * len(value)):
            kept.append((prefix, value))
            above.append((prefix, value))
    return kept
