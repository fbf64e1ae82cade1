"""The hot verbs under the planner's own interpreter (runtime/native/embed/planner.c): plan, become the executor, or fail.

Nothing is explained here and nothing is printed: every exception makes the planner give the same command line to the stock
interpreter, where `runtime.cli.main` says what is wrong.
"""

from runtime.cli.parse import parse_globals, parse_verb
from runtime.cli.settings import report_of, settle
from runtime.commands.invocation import Invocation

VERBS = ("create", "run", "exec")


def launch(exe_fd: int, argv: list[str]) -> None:
    """Become the executor of this command line's plan.  Returns or raises: leave it to the stock interpreter."""
    values, rest = parse_globals(argv)
    parsed = parse_verb(values, rest)
    if parsed.verb not in VERBS or parsed.flags.get("help"):
        return
    invocation = Invocation(parsed.verb, parsed.flags, parsed.arguments, exe_fd)
    settle(invocation, parsed.globals, report_of(values))
    module = __import__(f"runtime.commands.{parsed.verb}", None, None, ("execute",))
    module.execute(invocation)
