"""The intermediate forms between an OCI seccomp section and a program.

    section ──parse_profile──▶ Profile ──rewrite──▶ Clause ──decide──▶ Node ──lower──▶ instructions

A `Profile` is a checked section: its constructor's caller, `parse_profile`, has refused everything that has no meaning.
A `Test` looks at one 32-bit word of one argument; a `Clause` is a conjunction of tests with the verdict that it gives; a
`Node` is one decision over the value ranges of one word.  Verdicts are SECCOMP_RET_* values with their data, plain
integers.  Pure data: nothing here knows of files or of the kernel.  Source: config-linux.md#seccomp, seccomp(2).
"""

from runtime.record import record
from runtime.seccomp.arches import Arch

TYPE_CHECKING = False

RET_KILL_PROCESS = 0x80000000
RET_KILL_THREAD = 0x00000000
RET_TRAP = 0x00030000
RET_ERRNO = 0x00050000
RET_USER_NOTIF = 0x7FC00000
RET_TRACE = 0x7FF00000
RET_LOG = 0x7FFC0000
RET_ALLOW = 0x7FFF0000

ENOSYS = 38
EPERM = 1
MAX_ERRNO = 4095
WORD_MAX = 0xFFFFFFFF


@record
class Condition:
    """One argument compared with one value; `value_two` is what MASKED_EQ compares the masked argument with."""

    index: int
    op: str
    value: int
    value_two: int


@record
class Rule:
    """One entry of the section's syscalls: the verdict for some calls if all conditions hold.

    `joint` says that conditions on one argument are a conjunction as well, as only a policy means them.
    """

    index: int
    names: tuple[str, ...]
    action: int
    conditions: tuple[Condition, ...]
    joint: bool = False


@record
class Profile:
    """A checked section.

    `arches` are those that the program decides on, the native one first; `listed` the native token and those that the
    section itself names (calls newer than the profile get ENOSYS on those).  `newer_enosys` is False where the default
    lets new calls pass.
    `flags` is None where the section does not say.  `rest` is the verdict on calls that no rule names: the default, except in
    sections of a policy that decide on a few calls alone.
    """

    default: int
    rules: tuple[Rule, ...]
    arches: tuple[Arch, ...]
    listed: frozenset[str]
    newer_enosys: bool
    flags: int | None
    notify: bool
    warnings: tuple[str, ...]
    rest: int


class Node:
    """One decision: load the word, mask it, go to the target of the range it lies in.

    `starts[i]` is the first value of range i, which ends before `starts[i + 1]`; `starts[0]` is 0.  Compared by identity:
    `decide` makes one node per distinct decision.
    """

    __slots__ = ("mask", "starts", "targets", "word")

    def __init__(self, word: int, mask: int, starts: list[int], targets: "list[Target]") -> None:
        """Keep the four facts."""
        self.word = word
        self.mask = mask
        self.starts = starts
        self.targets = targets


if TYPE_CHECKING:
    # (word, mask, inclusive intervals): true if the masked word lies in one of them; word = 2 * argument + (1 if the high half)
    Test = tuple[int, int, tuple[tuple[int, int], ...]]
    # a verdict, or the next decision
    Target = int | Node
    # all tests true -> the target
    Clause = tuple[tuple[Test, ...], Target]
