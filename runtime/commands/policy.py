"""policy: check, show, compile and import policies, see what they do to a running container, and learn new ones.

Each action is a module of its own, `policy_ACTION`, with one `execute`; it is loaded when it is called.
"""

from runtime.commands.invocation import Invocation
from runtime.commands.policy_call import parse_call
from runtime.errors import NotBuilt, UsageError
from runtime.launch.report import encode, show

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


def execute(invocation: Invocation) -> int:
    """The action of the command line.  Raises: OciError."""
    argv = invocation.arguments
    options = argv[: argv.index("--")] if "--" in argv else argv
    if invocation.switch("help") or not argv or argv[0] == "help" or "-h" in options or "--help" in options:
        show(encode(usage()))
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
    done: int = module.execute(parse_call(invocation, action, ACTIONS[action][2], argv[1:]))
    return done


def usage() -> str:
    """The text of `postern policy --help`."""
    lines = ["NAME:", "   postern policy - what containers may do, and what they did", ""]
    lines += ["USAGE:", "   postern policy ACTION [ARGUMENT...]", "", "ACTIONS:"]
    for action, (arguments, summary, flags) in ACTIONS.items():
        words = [action, *(f"[{flag.replace(',', ', ').replace('=', ' ', 1)}]" for flag in flags.split()), arguments]
        lines += [f"   {' '.join(filter(None, words))}", f"         {summary}"]
    lines += ["", "POLICY is the name of a built-in policy or of the site's, or a file."]
    return "\n".join(lines) + "\n"
