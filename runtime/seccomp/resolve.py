"""Rules into verdicts by the name of the system call, for one ABI at a time.

Precedence is libseccomp's: an unconditional rule beats every conditional one, and the first unconditional one wins;
`rewrite.in_libseccomp_order` says which of several conditional ones does.  Names that an ABI does not have are skipped there.
"""

from runtime.seccomp.arches import IPC, SOCKETCALL, Arch, syscall_numbers
from runtime.seccomp.decide import decide
from runtime.seccomp.filter import WORD_MAX, Rule
from runtime.seccomp.rewrite import Alternative, alternatives_of, clauses_of, in_libseccomp_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.decide import Choice
    from runtime.seccomp.filter import Target, Test

MULTIPLEXED = {name: ("socketcall", call) for name, call in SOCKETCALL.items()} | {
    name: ("ipc", call) for name, call in IPC.items()
}


class Resolver:
    """The rules that differ from what unnamed calls get, and the decisions made so far: equal ones are shared between ABIs."""

    __slots__ = ("asked", "decided", "default", "fixed", "known", "rest", "rules")

    def __init__(self, rules: tuple[Rule, ...], default: int, rest: int) -> None:
        """Sort the rules by name into unconditional verdicts and alternatives; `rest` is for calls without any rule."""
        self.default = default
        self.rest = rest
        self.rules = [rule for rule in rules if rule.action != default or rest != default]
        self.fixed: dict[str, Target] = {}
        for rule in reversed(self.rules):  # so that the first one stays
            if not rule.conditions:
                self.fixed.update(dict.fromkeys(rule.names, rule.action))
        self.asked: dict[str, list[Alternative]] = {}
        for rule in self.rules:
            if rule.conditions:
                for name in rule.names:
                    if name not in self.fixed:
                        self.asked.setdefault(name, []).extend(alternatives_of(rule))
        self.decided: dict[tuple[Choice, ...], Target] = {}
        self.known: dict[int, dict[str, Target]] = {}

    def verdicts(self, arch: Arch) -> "dict[str, Target]":
        """Name -> verdict or decision, for the calls that rules name, whether the ABI has them or not; do not change it."""
        known = self.known.get(arch.bits)
        if known is None:
            known = {name: self._decide(alternatives, arch.bits) for name, alternatives in self.asked.items()}
            known.update(self.fixed)
            self.known[arch.bits] = known
        doors = self._doors(arch) if arch.multiplexed else None
        return {**known, **doors} if doors else known

    def _decide(self, alternatives: "list[Alternative]", bits: int) -> "Target":
        choices = choices_of(in_libseccomp_order(alternatives), bits)
        target = self.decided.get(choices)
        if target is None:
            self.decided[choices] = target = decide(choices, self.default)
        return target

    def _doors(self, arch: Arch) -> "dict[str, Target]":
        """What socketcall(2) and ipc(2) answer, whose first argument says which call it is.

        What the call itself is given lies in memory there, so a condition on its first argument is lost; conditions on the
        others are compared with what the door's registers hold.  That is what libseccomp does.
        """
        if "socketcall" in self.fixed and "ipc" in self.fixed:
            return {}  # the engines' profiles let both through
        calls: dict[str, dict[int, list[Alternative]]] = {}
        for rule in sorted(self.rules, key=_is_conditional):
            for name in sorted(MULTIPLEXED.keys() & rule.names):
                door, call = MULTIPLEXED[name]
                if door not in self.fixed:
                    rest = [
                        (tuple([condition for condition in conditions if condition.index]), action)
                        for conditions, action in alternatives_of(rule)
                    ]
                    calls.setdefault(door, {}).setdefault(call, []).extend(rest)
        answers = {}
        for door, by_call in calls.items():
            choices: list[Choice] = []
            for call, alternatives in sorted(by_call.items()):
                asked = _is_call(call, arch.bits)
                for conjunctions, action in choices_of(_unconditional_first(alternatives), arch.bits):
                    choices.append((tuple([(*asked, *tests) for tests in conjunctions]), action))
            choices.extend(choices_of(in_libseccomp_order(self.asked.get(door, [])), arch.bits))
            if self.rest != self.default and door not in self.asked:
                # no rule names the door, but some name what is behind it
                named = tuple([_is_call(call, arch.bits) for call in sorted(by_call)])
                answers[door] = decide((*choices, (named, self.default)), self.rest)
            else:
                answers[door] = decide(tuple(choices), self.default)
        return answers


def _is_conditional(rule: Rule) -> bool:
    return bool(rule.conditions)


def choices_of(alternatives: "list[Alternative]", bits: int) -> "tuple[Choice, ...]":
    """The alternatives, their conditions as conjunctions of tests on words."""
    return tuple([(tuple(clauses_of(conditions, bits)), action) for conditions, action in alternatives])


def _is_call(call: int, bits: int) -> "tuple[Test, ...]":
    which = (0, WORD_MAX, ((call, call),))
    return ((1, WORD_MAX, ((0, 0),)), which) if bits == 64 else (which,)


def _unconditional_first(alternatives: "list[Alternative]") -> "list[Alternative]":
    for conditions, action in alternatives:
        if not conditions:
            return [(conditions, action)]
    return in_libseccomp_order(alternatives)


def newest_number(names: "set[str]", arch: Arch) -> int:
    """The highest number that one of `names` has, or 0."""
    numbers = syscall_numbers(arch)
    for name in reversed(numbers):
        if name in names:
            return numbers[name]
    return 0
