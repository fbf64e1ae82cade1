"""What each attack must come to under each policy: the one table that the tests and docs/policy-attacks.md are made from.

    python -m integration.security.policy_verdicts [--check]     writes the page, or compares it

An attack that a row does not open for a policy must be stopped there, with one of the errors below or by ending the process, and
must have changed nothing: `test_policy_attacks.py` holds that against real containers.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from integration.security.attack_rows import EXECUTION, GROUPS, MAPPED, POLICIES, Row

PAGE = Path(__file__).parents[2] / "docs/policy-attacks.md"
# Errors by which a mechanism says no.  ENOENT, ENODATA or EINVAL are none of them: they would hide an attack that is broken.
REFUSALS = frozenset({"EPERM", "EACCES", "EROFS", "ENOSYS", "EXDEV"})
# ... and by which a kernel says that it was built without the part that is attacked
ABSENT = frozenset({"ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"})


def is_stopped(row: Row, verdict: str) -> bool:
    """Whether a verdict of the attack program is the end that a policy owes.

    User-mode Linux takes every way into the kernel for its own: there is no other door.
    """
    how, _, why = verdict.partition(" ")
    if row.killed and not _is_user_mode():
        return verdict == "killed SIGSYS"
    if row.killed:
        return how in ("killed", "denied")
    return verdict == "killed SIGSYS" or (how == "denied" and why in REFUSALS | row.refusals | ABSENT | row.absent)


@cache
def _is_user_mode() -> bool:
    return "User Mode Linux" in Path("/proc/cpuinfo").read_text()


def is_real(row: Row, verdict: str) -> bool:
    """Whether, without a policy and with every right, the attack succeeds or its object is not part of this kernel."""
    how, _, why = verdict.partition(" ")
    if row.killed and _is_user_mode():
        return True
    return how == "succeeded" or (how == "denied" and why in ABSENT | row.absent)


def page() -> str:
    """docs/policy-attacks.md."""
    lines = [
        "# Attacks and verdicts",
        "",
        "Generated from `integration/security/attack_rows.py` by `make generate`; `make integration T=integration/security/test_policy_attacks.py` holds it against the kernel.",
        "",
        "Every attack is a few lines of C in `integration/guest/attack_*.c`, run as root inside a container with the policy in force.",
        "The same attacks run without a policy and with every capability, where each must succeed, or the kernel must lack what it attacks: what is stopped below is stopped by the policy.",
        "A config that withholds nothing (all capabilities, no masks, every device) is attacked as well as an ordinary engine's, with and without a user namespace, and a process of `exec` as well as init.",
        "",
        "**stopped**: the call fails, nothing changed, and the server outside received nothing.",
        "**killed**: the process ends with SIGSYS.",
        "*open*: the policy lets it pass, and the config decides.",
        "",
        "`fenced` and `mediated` are the tests' own policies (`integration/security/policies`).",
        "`fenced` lets every system call pass but limits paths, programs and addresses, so that each limit is seen to hold without the help of a system call list.",
        "`mediated` says the same in a way that needs the broker for every open, connect, bind and send, and limits unix sockets too.",
    ]
    for group in GROUPS:
        lines += ["", f"## {group.title}", "", "| attack | what it does | " + " | ".join(POLICIES) + " |"]
        lines.append("|---" * (2 + len(POLICIES)) + "|")
        for row in group.rows:
            stopped = "killed" if row.killed else "stopped"
            cells = ["*open*" if policy in row.opens else stopped for policy in POLICIES]
            lines.append("| " + " | ".join((f"`{row.name}`", row.what, *cells)) + " |")
        if group is EXECUTION:
            names = ", ".join(f"`{name}`" for name in sorted(MAPPED))
            lines += [
                "",
                f"Under `exec`, a list of programs that Landlock enforces, all of these are stopped but {names}.",
            ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare the page."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
