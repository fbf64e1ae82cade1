"""argv to an invocation, with runc's grammar.

One or two dashes mean the same; `--flag=value` or `--flag value`; a switch may be given a value only with `=`; the last of repeated
flags wins, except that --policy may be given once; flags may follow the ID, except where a command line follows it (exec, kill, ps);
`--` ends flags.  Pure: asks nothing of the machine and prints nothing.
"""

from runtime.cli.options import GLOBAL_FLAGS, HELP, NOT_BUILT, VERBS, find_flag
from runtime.errors import NotBuilt, UsageError
from runtime.record import record

Value = bool | int | str | list[str]

# what Go's strconv.ParseBool takes: engines written in Go format booleans with it
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class WrongUsage(UsageError):
    """A command line that runc answers with its usage text: `verb` says whose, "" means the program's."""

    def __init__(self, verb: str, text: str) -> None:
        """Keep whose usage is to be shown."""
        self.verb = verb
        super().__init__(text)


@record
class Parsed:
    """A command line taken apart.  Without a verb: help or version was asked for, or nothing at all."""

    verb: str
    globals: dict[str, Value]
    flags: dict[str, Value]
    arguments: list[str]


def _switch(name: str, value: str | None) -> bool:
    if value is None or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(f'invalid boolean value "{value}" for -{name}: parse error')


def _number(name: str, value: str) -> int:
    digits = value[1:] if value[:1] in ("+", "-") else value
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise UsageError(f'invalid value "{value}" for flag -{name}: parse error')
    return int(value)


def _dashed(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def take_flags(argv: list[str], lines: str, stops: bool) -> tuple[dict[str, Value], list[str], list[str]]:
    """Split argv by a table of `options` into flag values by the flags' first names, positional arguments, and the rest.

    With `stops` the first positional ends the flags: it and all after it are the rest.
    Raises: UsageError with Go's words.
    """
    values: dict[str, Value] = {}
    positional: list[str] = []
    at, end = 0, len(argv)
    while at < end:
        word = argv[at]
        if word == "--":
            return values, positional, argv[at + 1 :]
        if len(word) < 2 or word[0] != "-":
            if stops:
                return values, positional, argv[at:]
            positional.append(word)
            at += 1
            continue
        name, has_value, text = word[2 if word[1] == "-" else 1 :].partition("=")
        if not name or name[0] == "-":
            raise UsageError(f"bad flag syntax: {word}")
        flag = find_flag(lines, name)
        if flag is None:
            raise UsageError(f"flag provided but not defined: -{name}")
        at += 1
        if flag.kind == "switch":
            values[flag.name] = _switch(name, text if has_value else None)
            continue
        if not has_value:
            if at == end:
                raise UsageError(f"flag needs an argument: {_dashed(name)}")
            text = argv[at]
            at += 1
        if flag.kind == "number":
            values[flag.name] = _number(name, text)
        elif flag.kind == "list":
            earlier = values.get(flag.name)
            values[flag.name] = [*earlier, text] if isinstance(earlier, list) else [text]
        elif flag.name == "policy" and flag.name in values:
            # policies add up everywhere else, so nobody would expect the first of two to be dropped
            raise UsageError("--policy is given twice: what holds in addition goes into a policy's extends")
        else:
            values[flag.name] = text
    return values, positional, []


def _count(verb: str, found: int, least: int, most: int | None) -> None:
    if least == most and found != least:
        raise WrongUsage(verb, f'postern: "{verb}" requires exactly {least} argument(s)')
    if found < least:
        raise WrongUsage(verb, f'postern: "{verb}" requires a minimum of {least} argument(s)')
    if most is not None and found > most:
        raise WrongUsage(verb, f'postern: "{verb}" requires a maximum of {most} argument(s)')


def parse_globals(argv: list[str]) -> tuple[dict[str, Value], list[str]]:
    """The flags before the verb, and the rest of argv from the verb on.  Raises: WrongUsage."""
    try:
        values, _, rest = take_flags(argv, GLOBAL_FLAGS, stops=True)
    except UsageError as error:
        raise WrongUsage("", str(error)) from None
    return values, rest


def parse_verb(values: dict[str, Value], rest: list[str]) -> Parsed:
    """The verb and what is its own.  Raises: WrongUsage; NotBuilt for a verb that this version refuses."""
    if not rest or values.get("help") or values.get("version"):
        return Parsed("", values, {}, rest)
    verb = rest[0]
    if verb in HELP:
        return _help(values, rest[1:])
    if verb not in VERBS:
        raise WrongUsage("", f"unknown command: {verb}")
    if verb in NOT_BUILT:
        raise NotBuilt(verb)
    _summary, _arguments, least, most, lines, stops = VERBS[verb]
    try:
        flags, positional, tail = take_flags(rest[1:], lines, stops)
    except UsageError as error:
        raise WrongUsage(verb, str(error)) from None
    positional += tail
    if "help" not in flags:
        _count(verb, len(positional), least, most)
    return Parsed(verb, values, flags, positional)


def _help(values: dict[str, Value], topics: list[str]) -> Parsed:
    if not topics:
        return Parsed("", {**values, "help": True}, {}, [])
    verb = topics[0]
    if verb in NOT_BUILT:
        raise NotBuilt(verb)
    if verb not in VERBS:
        raise WrongUsage("", f"No help topic for '{verb}'")
    return Parsed(verb, values, {"help": True}, [])
