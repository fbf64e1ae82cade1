"""Rules by name into verdicts by system call number, for one ABI at a time.

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

    __slots__ = ("asked", "by_name", "conditional", "decided", "default", "fixed", "rest")

    def __init__(self, rules: tuple[Rule, ...], default: int, rest: int) -> None:
        """Sort the rules into unconditional ones, last first, and conditional ones in order; `rest` is for calls without any."""
        self.default = default
        self.rest = rest
        apart = [rule for rule in rules if rule.action != default or rest != default]
        self.fixed = [rule for rule in reversed(apart) if not rule.conditions]
        self.conditional = [rule for rule in apart if rule.conditions]
        self.asked: dict[str, list[Alternative]] = {}
        for rule in self.conditional:
            for name in rule.names:
                self.asked.setdefault(name, []).extend(alternatives_of(rule))
        self.decided: dict[tuple[Choice, ...], Target] = {}
        self.by_name: dict[tuple[str, int], Target] = {}

    def verdicts(self, arch: Arch) -> "dict[int, Target]":
        """Number -> verdict or decision, for the calls that rules name."""
        numbers = syscall_numbers(arch)
        found: dict[int, Target] = {}
        for rule in self.fixed:
            found.update(dict.fromkeys(map(numbers.get, rule.names), rule.action))  # type: ignore[arg-type]
        found.pop(None, None)  # type: ignore[call-overload]  # all names that the ABI does not have
        waiting: dict[int, list[Alternative]] = {}
        through: dict[int, Target] = {}
        for name, alternatives in self.asked.items():
            number = numbers.get(name)
            if number is not None and number not in found:
                waiting[number] = alternatives
                through[number] = self._decide(name, arch.bits)
        if arch.multiplexed:
            through.update(self._doors(arch, found, waiting))
        found.update(through)
        return found

    def _decide(self, name: str, bits: int) -> "Target":
        target = self.by_name.get((name, bits))
        if target is None:
            choices = choices_of(in_libseccomp_order(self.asked[name]), bits)
            target = self.decided.get(choices)
            if target is None:
                self.decided[choices] = target = decide(choices, self.default)
            self.by_name[name, bits] = target
        return target

    def _doors(
        self, arch: Arch, found: "dict[int, Target]", waiting: "dict[int, list[Alternative]]"
    ) -> "dict[int, Target]":
        """What socketcall(2) and ipc(2) answer, whose first argument says which call it is.

        What the call itself is given lies in memory there, so a condition on its first argument is lost; conditions on the
        others are compared with what the door's registers hold.  That is what libseccomp does.
        """
        numbers = syscall_numbers(arch)
        if numbers["socketcall"] in found and numbers["ipc"] in found:
            return {}  # the engines' profiles let both through
        calls: dict[int, dict[int, list[Alternative]]] = {}
        for rule in (*reversed(self.fixed), *self.conditional):
            for name in sorted(MULTIPLEXED.keys() & rule.names):
                door, call = MULTIPLEXED[name]
                number = numbers[door]
                if number not in found:
                    rest = [
                        (tuple([condition for condition in conditions if condition.index]), action)
                        for conditions, action in alternatives_of(rule)
                    ]
                    calls.setdefault(number, {}).setdefault(call, []).extend(rest)
        answers = {}
        for number, by_call in calls.items():
            choices: list[Choice] = []
            for call, alternatives in sorted(by_call.items()):
                asked = _is_call(call, arch.bits)
                for conjunctions, action in choices_of(_unconditional_first(alternatives), arch.bits):
                    choices.append((tuple([(*asked, *tests) for tests in conjunctions]), action))
            choices.extend(choices_of(in_libseccomp_order(waiting.get(number, [])), arch.bits))
            if (
                self.rest != self.default and number not in waiting
            ):  # no rule names the door, but some name what is behind it
                named = tuple([_is_call(call, arch.bits) for call in sorted(by_call)])
                answers[number] = decide((*choices, (named, self.default)), self.rest)
            else:
                answers[number] = decide(tuple(choices), self.default)
        return answers


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
