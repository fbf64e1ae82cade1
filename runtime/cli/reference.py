"""The flag tables of docs/cli.md, made from `options`; `python -m runtime.cli.reference docs/cli.md` writes them anew.

Cold: run by people, and by the test that compares the document with the tables.
"""

import sys

from runtime.cli.options import GLOBAL_FLAGS, VERBS, flags_of
from runtime.commands.policy import ACTIONS, FLAGS, spelt

MARK = "<!-- from here on made by: python -m runtime.cli.reference docs/cli.md -->\n"


def flag_table(lines: str) -> str:
    """One table of `options` as Markdown."""
    rows = []
    for flag in dict.fromkeys(flags_of(lines).values()):
        if not flag.text or flag.name == "help":
            continue
        names = ", ".join(f"`-{name}`" if len(name) == 1 else f"`--{name}`" for name in flag.names)
        value = f" `{flag.placeholder}`" if flag.placeholder else ""
        repeat = ", repeatable" if flag.kind == "list" else ""
        rows.append(f"| {names}{value}{repeat} | {flag.text} |\n")
    return "".join(["| flag | what it does |\n|---|---|\n", *rows]) if rows else "No flags of its own.\n"


def policy_actions() -> str:
    """The actions of `postern policy`, which have flags of their own, as Markdown."""
    rows = [f"| `{spelt(action)}` | {summary} |\n" for action, (_, summary, _) in ACTIONS.items()]
    flags = [
        f"| `{spelling.replace(',', '`, `').replace('=', ' ', 1)}` | {text} |\n" for spelling, text in FLAGS.items()
    ]
    head = "|---|---|\n"
    return "".join(
        ["\n| action | what it does |\n", head, *rows, "\n| flag of actions | what it does |\n", head, *flags]
    )


def reference() -> str:
    """The whole generated part, from the mark on."""
    parts = [MARK, "\n## Global flags\n\n", flag_table(GLOBAL_FLAGS), "\n## Verbs\n"]
    for verb, (summary, arguments, _least, _most, lines, _stops) in VERBS.items():
        call = " ".join(word for word in ("postern", verb, "[options]", arguments) if word)
        parts.append(f"\n### {verb}\n\n`{call}`: {summary}.\n\n{flag_table(lines)}")
        if verb == "policy":
            parts.append(policy_actions())
    return "".join(parts)


def main(path: str) -> int:
    """Replace the generated part of a document."""
    with open(path, encoding="utf-8") as file:
        head, mark, _old = file.read().partition(MARK)
    if not mark:
        raise SystemExit(f"{path} has no line {MARK.strip()}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + reference())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
