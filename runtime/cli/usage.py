"""Usage texts, made from the tables of `options`.  Only read when somebody asks or is wrong."""

from runtime.cli.options import GLOBAL_FLAGS, VERBS, flags_of

_COLUMN = 34


def _flag_lines(lines: str) -> str:
    shown: list[str] = []
    for flag in dict.fromkeys(flags_of(lines).values()):
        if not flag.text:
            continue
        names = ", ".join(f"-{name}" if len(name) == 1 else f"--{name}" for name in flag.names)
        value = f" {flag.placeholder}" if flag.placeholder else ""
        head = f"   {names}{value}"
        shown.append(
            f"{head:<{_COLUMN}}  {flag.text}" if len(head) <= _COLUMN else f"{head}\n{'':<{_COLUMN}}  {flag.text}"
        )
    return "\n".join(shown)


def verb_usage(verb: str) -> str:
    """The text of `postern VERB --help`, ending in a newline."""
    summary, arguments, _least, _most, lines, _stops = VERBS[verb]
    line = " ".join(word for word in ("postern", verb, "[options]", arguments) if word)
    return f"NAME:\n   postern {verb} - {summary}\n\nUSAGE:\n   {line}\n\nOPTIONS:\n{_flag_lines(lines)}\n"


def program_usage() -> str:
    """The text of `postern --help`, ending in a newline."""
    verbs = "\n".join(f"   {verb:<12}{row[0]}" for verb, row in VERBS.items())
    return (
        "NAME:\n   postern - Open Container Initiative runtime\n\n"
        "USAGE:\n   postern [global options] command [options] [arguments]\n\n"
        f"COMMANDS:\n{verbs}\n   {'help':<12}show this text, or that of a command\n\n"
        f"GLOBAL OPTIONS:\n{_flag_lines(GLOBAL_FLAGS)}\n"
    )
