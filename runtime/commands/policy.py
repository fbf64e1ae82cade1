"""policy: check, show, compile and import policies, see what they do to a running container, and learn new ones.

Each action is a module of its own, `policy_ACTION`, with one `execute`; it is loaded when it is called.
"""

from runtime.commands.invocation import Invocation
from runtime.commands.policy_call import parse_call
from runtime.errors import NotBuilt, PolicyError, UsageError
from runtime.launch.report import encode, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# action: (arguments, summary, its flags as parse_call takes them)
ACTIONS = {
    "check": ("FILE...", "say what is wrong with policies, or with a config.toml", "--json"),
    "compile": (
        "POLICY",
        "compile a policy and keep it, so that the first container need not wait",
        "--output=FILE,-o --json",
    ),
    "list": ("", "list the policies that have a name", "--json"),
    "show": ("POLICY", "print a policy's text; with --json what it was compiled to", "--json"),
    "import": (
        "FILE",
        "make a policy of a profile of ZViz or a seccomp profile of Docker",
        "--name=NAME --output=FILE,-o",
    ),
    "schema": ("", "print the JSON Schema of policies", ""),
    "explain": ("POLICY", "say which mechanism enforces each rule on this host", "--config=DIR,-b --json"),
    "apply": ("ID POLICY", "put a running container under another policy", "--loosen --json"),
    "log": ("ID", "show what the broker decided for a container", "--follow,-f --json"),
    "learn": (
        "[-- COMMAND...]",
        "run a container and write the policy that it needs",
        "--bundle=DIR,-b --output=FILE,-o --container=ID",
    ),
}

FLAGS = {
    "--json": "print JSON",
    "--output=FILE,-o": "write to FILE in place of standard output",
    "--name=NAME": "the policy's name (default: the file's)",
    "--config=DIR,-b": "the bundle whose container it is for; without it what depends on config.json is not said",
    "--bundle=DIR,-b": "the bundle to run (default: the current directory)",
    "--loosen": "let the new policy allow what the old one did not",
    "--follow,-f": "go on with what is decided from now on",
    "--container=ID": "write the policy of a container that was started with the annotation instead",
}


def execute(invocation: Invocation) -> int:
    """The action of the command line; several violations of policies are told here, a line each.  Raises: OciError."""
    argv = invocation.arguments
    options = argv[: argv.index("--")] if "--" in argv else argv
    if invocation.switch("help") or not argv or argv[0] == "help" or "-h" in options or "--help" in options:
        show(encode(usage([argv[0]] if argv and argv[0] in ACTIONS else list(ACTIONS))))
        return 0 if argv or invocation.switch("help") else 1
    action = argv[0]
    if action not in ACTIONS:
        raise UsageError(f"policy: unknown action {action!r}; see postern policy --help")
    name = f"runtime.commands.policy_{action}"
    try:
        module = __import__(name, None, None, ("execute",))
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise NotBuilt(f"policy {action}") from None
    call = parse_call(invocation, action, ACTIONS[action][2], argv[1:])
    try:
        done: int = module.execute(call)
    except PolicyError as error:
        if len(error.violations) == 1:
            raise
        for line in error.violations:  # people read this: a line each, where create has one for all
            invocation.report.error(f"{error.kind}: {line}")
        return 1
    return done


def usage(actions: "Sequence[str]" = tuple(ACTIONS)) -> str:
    """The text of `postern policy --help`, or of one action's."""
    lines = ["NAME:", "   postern policy - what containers may do, and what they did", ""]
    lines += [
        "USAGE:",
        f"   postern policy {spelt(actions[0]) if len(actions) == 1 else 'ACTION [ARGUMENT...]'}",
        "",
        "ACTIONS:",
    ]
    for action in actions:
        lines += [f"   {spelt(action)}", f"         {ACTIONS[action][1]}"]
    flags = sorted({flag for action in actions for flag in ACTIONS[action][2].split()})
    lines += ["", "FLAGS:", *[f"   {_flag(flag):22}{FLAGS[flag]}" for flag in flags]] if flags else []
    lines += ["", "POLICY is the name of a built-in policy or of the site's, or a file."]
    return "\n".join(lines) + "\n"


def spelt(action: str) -> str:
    """How an action is called: its flags and arguments."""
    arguments, _summary, flags = ACTIONS[action]
    return " ".join(filter(None, [action, *[f"[{_flag(flag)}]" for flag in flags.split()], arguments]))


def _flag(spelling: str) -> str:
    return spelling.replace(",", ", ").replace("=", " ", 1)
