"""plan: print what create, or run for a process with a terminal, would do.  Needs no root, touches nothing."""

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.commands.launching import make_options
from runtime.launch.report import encode, show
from runtime.plan.compile import compile_create
from runtime.state.container_id import check_id

_EXAMPLE_ID = "example"


def execute(invocation: Invocation) -> int:
    """Print the plan.  Raises: OciError, as create would."""
    from runtime.plan.explain import explain, explain_json

    container_id = check_id(invocation.arguments[0]) if invocation.arguments else _EXAMPLE_ID
    options, gated = make_options(invocation, "", container_id)
    compiled = gated.compiled
    warnings = list(gated.warnings)
    plan = compile_create(gated.config, options, gated.facts, compiled, warnings)
    for line in (*warnings, *(compiled.warnings if compiled is not None else ())):
        invocation.report.warning(line)
    if invocation.switch("json"):
        show(dumps(explain_json(plan), "  ") + b"\n")
    else:
        show(encode(explain(plan)))
    return 0
