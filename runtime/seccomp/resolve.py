"""Rules by name into a table over all system call numbers of one audit architecture.

The table has a target for each of the 2**32 numbers, as ranges: the calls that rules name, the default for the rest, ENOSYS
for calls newer than the newest one that the profile names, and a dead thread for another architecture's numbers.
Precedence is libseccomp's: an unconditional rule beats every conditional one, and the first unconditional one wins.
Names that an architecture does not have are skipped there.
"""

from runtime.seccomp.arches import IPC, SOCKETCALL, X32, X32_BIT, X86_64, Arch, syscall_numbers
from runtime.seccomp.decide import decide
from runtime.seccomp.filter import ENOSYS, RET_ERRNO, RET_KILL_THREAD, WORD_MAX, Profile, Rule
from runtime.seccomp.rewrite import clauses_of, drop_rules_like_default, split_repeated_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Clause, Target

NEWER = RET_ERRNO | ENOSYS
BAD_ARCH = RET_KILL_THREAD  # libseccomp's default, which runc and crun leave
MULTIPLEXED = {
    **{name: ("socketcall", call) for name, call in SOCKETCALL.items()},
    **{name: ("ipc", call) for name, call in IPC.items()},
}


def resolve_arches(profile: Profile) -> "list[tuple[int, list[int], list[Target]]]":
    """(AUDIT_ARCH_*, first numbers, targets) of each audit architecture that the profile decides on, the native one first."""
    rules = drop_rules_like_default(profile.rules, profile.default)
    names: set[str] = set()
    if profile.newer_enosys:
        names = names.union(*[rule.names for rule in profile.rules])
    tables: dict[int, list[Arch]] = {}
    for arch in profile.arches:
        tables.setdefault(arch.audit, []).append(arch)
    done = []
    for audit, members in tables.items():
        table = _Table(profile.default)
        for arch in sorted(members, key=_is_x32):
            newest = _newest(names, arch) if arch.token in profile.listed else 0
            table.add(X32_BIT if _is_x32(arch) else 0, number_rules(rules, arch, profile.default), newest)
        if members[0].token == X86_64 and len(members) == 1:
            table.close_x32()
        done.append((audit, table.starts, table.targets))
    return done


def _is_x32(arch: Arch) -> bool:
    return arch.token == X32


def _newest(names: set[str], arch: Arch) -> int:
    """The highest number that the profile names, or 0; calls behind a multiplexer do not count, as in runc."""
    if arch.multiplexed:
        names = names.difference(MULTIPLEXED)
    numbers = syscall_numbers(arch)
    return max([numbers[name] for name in names if name in numbers], default=0)


def number_rules(rules: list[Rule], arch: Arch, default: int) -> "dict[int, Target]":
    """Number -> verdict or decision, for the calls that rules name."""
    numbers = syscall_numbers(arch)
    fixed: dict[int, Target] = {}
    conditional: dict[int, list[Clause]] = {}
    for rule in reversed(rules):
        if not rule.conditions:
            fixed.update(dict.fromkeys([numbers[name] for name in rule.names if name in numbers], rule.action))
    for rule in rules:
        if rule.conditions or arch.multiplexed:
            _add_clauses(rule, arch, conditional)
    for number, clauses in conditional.items():
        if number not in fixed:
            fixed[number] = decide(tuple(clauses), default)
    return fixed


def _add_clauses(rule: Rule, arch: Arch, conditional: "dict[int, list[Clause]]") -> None:
    numbers = syscall_numbers(arch)
    alternatives = split_repeated_arguments(rule.conditions)
    clauses: list[Clause] | None = None
    for name in rule.names:
        if rule.conditions and name in numbers:
            if clauses is None:
                clauses = [(tests, rule.action) for one in alternatives for tests in clauses_of(one, arch.bits)]
            conditional.setdefault(numbers[name], []).extend(clauses)
        if arch.multiplexed and name in MULTIPLEXED:
            door, call = MULTIPLEXED[name]
            if door in numbers:
                conditional.setdefault(numbers[door], []).extend(_through(call, rule, arch))


def _through(call: int, rule: Rule, arch: Arch) -> "list[Clause]":
    """The rule as seen through socketcall(2) or ipc(2), whose first argument says which call it is.

    What the call itself is given lies in memory there, so a condition on the first argument is lost; conditions on the others
    are compared with what the door's registers hold.  That is what libseccomp does.
    """
    found: list[Clause] = []
    for one in split_repeated_arguments(rule.conditions):
        rest = tuple(condition for condition in one if condition.index)
        for tests in clauses_of(rest, arch.bits):
            which = ((1, WORD_MAX, ((0, 0),)),) if arch.bits == 64 else ()
            found.append(((*which, (0, WORD_MAX, ((call, call),)), *tests), rule.action))
    return found


class _Table:
    """Ranges under construction, in ascending order."""

    __slots__ = ("default", "end", "starts", "targets")

    def __init__(self, default: int) -> None:
        self.default = default
        self.starts = [0]
        self.targets: list[Target] = [default]
        self.end: Target = default  # what stands behind the last call added

    def add(self, base: int, verdicts: "dict[int, Target]", newest: int) -> None:
        """Add one ABI's calls, whose numbers start at `base` and go to the end; newer than `newest` is ENOSYS (0: default)."""
        starts, targets, default = self.starts, self.targets, self.default
        if base:
            self._put(base, default)
        last = targets[-1]
        position = base
        for number in sorted(verdicts):
            target = verdicts[number]
            if number != position and last != default:
                starts.append(position)
                targets.append(default)
                last = default
            if target != last:
                if starts[-1] == number:
                    targets[-1] = target
                else:
                    starts.append(number)
                    targets.append(target)
                last = target
            position = number + 1
        self._put(position, default)
        if newest:
            self._put(newest + 1, NEWER)
        self.end = targets[-1]

    def close_x32(self) -> None:
        """x86_64 without x32: numbers with bit 30 belong to another architecture, but -1 is a call that a tracer cancelled."""
        self._put(X32_BIT, BAD_ARCH)
        self._put(WORD_MAX, self.default)

    def _put(self, start: int, target: "Target") -> None:
        if self.starts[-1] == start:
            self.starts.pop()
            self.targets.pop()
        if not self.targets or self.targets[-1] != target:
            self.starts.append(start)
            self.targets.append(target)
