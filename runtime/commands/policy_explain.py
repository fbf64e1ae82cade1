"""policy explain: for every rule of a policy the mechanism that enforces it on this host, and the rules that nothing enforces."""

from runtime.commands.invocation import absolute
from runtime.commands.launching import CONFIG_NAME, check_config, read_config
from runtime.commands.policy_call import PolicyCall
from runtime.commands.table import format_table
from runtime.host.landlock import probe_landlock
from runtime.host.probe import probe_facts
from runtime.policy.choose import choose_policy
from runtime.policy.lower import examine
from runtime.policy.trusted import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.policy.enforcement import Findings
    from runtime.policy.lower import Lowered

NOTHING = "nothing"


def execute(call: PolicyCall) -> int:
    """Print a table, or with --json data; 1 when some rule is enforced by nothing, so that no container starts under the policy.

    Without --config what depends on a container is left out.  Raises: OciError.
    """
    (word,) = call.positional(1)
    invocation = call.invocation
    place = call.text("config")
    config: Any = {} if place is None else check_config(read_config(f"{absolute(place)}/{CONFIG_NAME}"))
    found = choose_policy(word, None, invocation.root, invocation.policy_dir or DIRECTORY)
    if found is None:
        raise call.usage("there is no policy to explain")
    facts = probe_facts(None, landlock=probe_landlock(invocation.exe_fd))
    lowered, findings = examine(found.layers, config, facts)
    call.say([explain_text(lowered, findings).rstrip("\n")], explain_data(found.name, lowered, findings))
    return 1 if findings.violations else 0


def explain_rows(lowered: "Lowered", findings: "Findings") -> list[tuple[str, str, str, str]]:
    """(rule, where, mechanism, note) of every rule, in the order of the places where they stand; what fails says why."""
    failed = [(text, where, NOTHING, why) for text, where, why in findings.violations]
    places = [row[:2] for row in failed]
    rows = [*(row for row in lowered.rows if row[:2] not in places), *failed]
    return sorted(rows, key=lambda row: _place(row[1]))


def _place(where: str) -> tuple[str, int]:
    """File and line, so that lines are ordered as numbers; what has no line comes last."""
    file, mark, line = where.rpartition(":")
    return (file, int(line)) if mark and line.isdigit() else (where, 1 << 30)


def explain_text(lowered: "Lowered", findings: "Findings") -> str:
    """The table."""
    rows = [("RULE", "FROM", "ENFORCED BY", "NOTE"), *explain_rows(lowered, findings)]
    lines = format_table([(text or "-", where, mechanism, note) for text, where, mechanism, note in rows])
    text = "".join(f"{line.rstrip()}\n" for line in lines.splitlines())
    if findings.violations:
        text += f"\n{len(findings.violations)} not enforceable here: no container starts under this policy\n"
    return text


def explain_data(name: str, lowered: "Lowered", findings: "Findings") -> "dict[str, Any]":
    """The same as data."""
    names = ("rule", "where", "mechanism", "note")
    return {
        "policy": name,
        "enforceable": not findings.violations,
        "rules": [dict(zip(names, row, strict=True)) for row in explain_rows(lowered, findings)],
    }
