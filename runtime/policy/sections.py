"""OCI seccomp sections as they are put together here: rules, conditions, and the few shapes that a policy needs.  Pure."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Section = dict[str, Any]

ALLOW, ERRNO, LOG, NOTIFY, KILL = (
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_KILL_PROCESS",
)
WORD = 0xFFFFFFFF
EPERM, EACCES, EROFS, ENOSYS = 1, 13, 30, 38
EPROTONOSUPPORT, ESOCKTNOSUPPORT, EAFNOSUPPORT = 93, 94, 97


def rule(
    names: "Sequence[str]", action: str, errno: int | None = None, args: "Sequence[dict[str, Any]]" = ()
) -> "dict[str, Any]":
    """One entry of a section's syscalls; the errno counts for ERRNO alone."""
    made: dict[str, Any] = {"names": list(names), "action": action}
    if action == ERRNO:
        made["errnoRet"] = EPERM if errno is None else errno
    if args:
        made["args"] = list(args)
        made["joint"] = True
    return made


def masked(index: int, mask: int, value: int) -> "dict[str, Any]":
    """The condition that an argument, cut to the bits of `mask`, is `value`."""
    return {"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value}


def word(index: int, value: int) -> "dict[str, Any]":
    """The condition that an argument is `value` where the kernel reads 32 bits: what is above them must not matter."""
    return masked(index, WORD, value)


def unless(
    names: "Sequence[str]", allowed: "Iterable[dict[str, Any]]", errno: int, denied: str = ERRNO, passed: str = ALLOW
) -> "Section":
    """Deny calls unless one of the conditions holds; all other calls pass."""
    rules = [rule(names, passed, None, (condition,)) for condition in allowed]
    if not rules:
        return {"defaultAction": ALLOW, "syscalls": [rule(names, denied, errno)]}
    section: Section = {"defaultAction": denied, "otherwise": ALLOW, "syscalls": rules}
    if denied == ERRNO:
        section["defaultErrnoRet"] = errno
    return section


def passing(rules: "list[dict[str, Any]]") -> "Section":
    """A section that lets everything pass but what the rules say."""
    return {"defaultAction": ALLOW, "syscalls": rules}


def guard(rules: "list[dict[str, Any]]") -> "Section":
    """What is denied for the filter's own sake, so that calls can be seen: without an exception, and nobody is asked."""
    return {"defaultAction": ALLOW, "syscalls": rules, "guard": True}
