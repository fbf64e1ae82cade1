"""The program: argv to a verb, errors to one line and an exit code.

The only place where an exception becomes text.  Called by the bundle with the executor's descriptor and the command line as the
user wrote it.
"""

from runtime.cli.parse import Parsed, Value, WrongUsage, parse_globals, parse_verb
from runtime.cli.settings import report_of, settle
from runtime.commands.invocation import Invocation
from runtime.errors import OciError
from runtime.launch.report import Report, encode, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# what a failed exec ends with, so that callers can tell it from the process's own code
_EXEC_FAILED = 255
# the verbs that have actions, each with flags, and explain them
_OWN_HELP = ("policy", "seccomp")
# the verbs that start a process; what ends one must not fail because a log's directory is gone
_STARTING = ("create", "run", "exec")


def main(exe_fd: int, argv: list[str]) -> int:
    """Run one command line; returns the exit code, or does not return at all when an executor takes over.

    `exe_fd` is the executor's sealed file (-1: none).  Every failure is one line on stderr and, with --log, in the log.
    """
    report = Report()
    verb = ""
    try:
        values, rest = parse_globals(argv)
        report = report_of(values)
        verb = rest[0] if rest else ""
        return _dispatch(parse_verb(values, rest), report, exe_fd)
    except OciError as error:
        if isinstance(error, WrongUsage):
            _show_usage(error.verb)
        report.error(str(error))
        return _EXEC_FAILED if verb == "exec" and not isinstance(error, WrongUsage) else error.exit_code
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    except Exception as error:  # noqa: BLE001 - no traceback may reach a user
        _report_internal(report, error)
        return _EXEC_FAILED if verb == "exec" else 1


def _dispatch(parsed: Parsed, report: Report, exe_fd: int) -> int:
    if not parsed.verb:
        return _program(parsed.globals)
    if parsed.flags.get("help") and parsed.verb not in _OWN_HELP:
        from runtime.cli.usage import verb_usage

        show(encode(verb_usage(parsed.verb)))
        return 0
    if parsed.verb in _STARTING:
        report.check_log()
    invocation = Invocation(parsed.verb, parsed.flags, parsed.arguments, exe_fd)
    settle(invocation, parsed.globals, report)
    return _command(parsed.verb)(invocation)


def _command(verb: str) -> "Callable[[Invocation], int]":
    """The function of a verb: every module of `runtime.commands` that is named as a verb has one `execute`."""
    module = __import__(f"runtime.commands.{verb}", None, None, ("execute",))
    execute: Callable[[Invocation], int] = module.execute
    return execute


def _program(values: dict[str, Value]) -> int:
    """--version, --help, or nothing at all."""
    if values.get("version") and not values.get("help"):
        from runtime.host.version import version_text

        show(encode(version_text()))
    else:
        from runtime.cli.usage import program_usage

        show(encode(program_usage()))
    return 0


def _show_usage(verb: str) -> None:
    from runtime.cli.usage import program_usage, verb_usage

    try:
        show(encode("Incorrect Usage.\n\n" + (verb_usage(verb) if verb else program_usage())))
    except OSError:
        return  # nobody reads stdout; the error itself goes to stderr


def _report_internal(report: Report, error: Exception) -> None:
    """A fault of ours (or an error of the host that nobody foresaw): one line; the traceback only with --debug."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        text = f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"
    else:
        text = f"{type(error).__name__}: {error}"
    report.error("internal error: " + " ".join(text.split("\n")))
    if report.debugging and report.path:
        import traceback

        report.debug("".join(traceback.format_exception(error)))
