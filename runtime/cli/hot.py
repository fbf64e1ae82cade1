"""The hot verbs under the planner's own interpreter (runtime/native/embed/planner.c): plan, become the executor, or fail.

Nothing is explained here, and nothing is printed before the plan is complete: every exception makes the planner give the same command line to the stock
interpreter, where `runtime.cli.main` says what is wrong.
"""

import posix

from runtime.cli.parse import Parsed, parse_globals, parse_verb
from runtime.cli.settings import report_of, settle
from runtime.commands.invocation import Invocation

VERBS = ("create", "run", "exec")

_S_IFMT, _S_IFREG = 0o170000, 0o100000


def reads_once(parsed: Parsed) -> bool:
    """Whether a document comes from a pipe or the like: who reads it first must be the one who explains it."""
    for flag in ("config", "process"):
        path = parsed.flags.get(flag)
        if isinstance(path, str) and path and posix.stat(path).st_mode & _S_IFMT != _S_IFREG:
            return True
    return False


def launch(exe_fd: int, argv: list[str]) -> None:
    """Become the executor of this command line's plan.  Returns or raises: leave it to the stock interpreter."""
    values, rest = parse_globals(argv)
    parsed = parse_verb(values, rest)
    # a bridge is made by packages that only the stock interpreter has
    cold = parsed.flags.get("help") or parsed.flags.get("network") == "bridge"
    if parsed.verb not in VERBS or cold or reads_once(parsed):
        return
    invocation = Invocation(parsed.verb, parsed.flags, parsed.arguments, exe_fd)
    report = report_of(values)
    report.check_log()
    report.held = []
    settle(invocation, parsed.globals, report)
    module = __import__(f"runtime.commands.{parsed.verb}", None, None, ("execute",))
    module.execute(invocation)
