"""Verdicts by number into one table over all 2**32 numbers of an audit architecture.

Between the calls that rules name stands the default; above the newest call that the profile names stands ENOSYS, so that
a libc which probes for a newer call falls back instead of giving up.  x86_64 and x32 share one audit architecture.
"""

from runtime.seccomp.arches import X32, X32_BIT, X86_64, Arch, syscall_blocks, syscall_numbers
from runtime.seccomp.filter import ENOSYS, RET_ERRNO, RET_KILL_THREAD, WORD_MAX, Profile
from runtime.seccomp.resolve import Resolver, newest_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.filter import Target

NEWER = RET_ERRNO | ENOSYS
BAD_ARCH = RET_KILL_THREAD  # libseccomp's default, which runc and crun leave
BIT_31 = 1 << 31
FEW = 40


def range_tables(profile: Profile) -> "list[tuple[int, list[int], list[Target]]]":
    """(AUDIT_ARCH_*, first numbers, targets) of each audit architecture that the profile decides on, the native one first."""
    resolver = Resolver(profile.rules, profile.default, profile.rest)
    names: set[str] = set()
    if profile.newer_enosys:
        names = names.union(*[rule.names for rule in profile.rules])
    members: dict[int, list[Arch]] = {}
    for arch in profile.arches:
        members.setdefault(arch.audit, []).append(arch)
    done = []
    for audit, arches in members.items():
        table = RangeTable(profile.rest)
        newest = {arch.token: newest_number(names, arch) if arch.token in profile.listed else 0 for arch in arches}
        for arch in sorted(arches, key=_is_x32):
            base = X32_BIT if arch.token == X32 else 0
            verdicts = resolver.verdicts(arch)
            table.add(base, _blocks(arch, verdicts), verdicts, newest[arch.token])
        if X86_64 in newest:
            table.close_x86_64(newest[X86_64], newest.get(X32))
        done.append((audit, table.starts, table.targets))
    return done


def _blocks(arch: Arch, verdicts: "dict[str, Target]") -> list[tuple[int, tuple[str, ...]]]:
    """The table of an ABI, or of a few calls those alone: sections of policies are many and short."""
    if len(verdicts) > FEW:
        return syscall_blocks(arch)
    numbers = syscall_numbers(arch)
    return sorted([(numbers[name], (name,)) for name in verdicts if name in numbers])


def _is_x32(arch: Arch) -> bool:
    return arch.token == X32


class RangeTable:
    """Ranges under construction, in ascending order: range i goes from `starts[i]` to before `starts[i + 1]`."""

    __slots__ = ("default", "starts", "targets")

    def __init__(self, default: int) -> None:
        """Start with the default for every number."""
        self.default = default
        self.starts = [0]
        self.targets: list[Target] = [default]

    def add(
        self, base: int, blocks: "list[tuple[int, tuple[str, ...]]]", verdicts: "dict[str, Target]", newest: int
    ) -> None:
        """Add one ABI's calls, whose numbers start at `base` and go to the end; newer than `newest` is ENOSYS (0: default)."""
        default = self.default
        self.put(base, default)
        last: Target | None = None  # the last call's; None for calls that no rule names
        end = named = base  # after the last call, and after the last one that a rule names
        for start, names in blocks:
            if last is not None and start != end:
                self.put(end, default)
                last, named = None, end
            for number, target in enumerate(map(verdicts.get, names), start):
                if target is not last:
                    if target is None:
                        named = number
                    last = target
                    self.put(number, default if target is None else target)
            end = start + len(names)
        if last is not None:
            named = end
            self.put(end, default)
        if newest:
            self.put(max(newest + 1, named), NEWER)  # a multiplexer that rules reach may be newer than what they name

    def close_x86_64(self, newest: int, newest_x32: int | None) -> None:
        """The numbers that no call of x86_64 and x32 has, as runc's and libseccomp's programs together decide them.

        Bit 30 says x32, whatever bit 31 says.  Without x32 (None) such numbers are another architecture's, but -1 is a call
        that a tracer cancelled.
        """
        other = self.default
        if newest_x32 is None:
            other = BAD_ARCH
            self.put(X32_BIT, other)
        self.put(BIT_31, NEWER if newest else other)
        self.put(BIT_31 | X32_BIT, NEWER if newest_x32 else other)
        if newest_x32 is None:
            self.put(WORD_MAX, self.default)

    def put(self, start: int, target: "Target") -> None:
        """From `start` on, which is at or above every earlier range's: `target`."""
        if self.starts[-1] == start:
            self.starts.pop()
            self.targets.pop()
        if not self.targets or self.targets[-1] != target:
            self.starts.append(start)
            self.targets.append(target)
