"""list: every container under the state root; a broken one is a warning and no more."""

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.commands.table import format_table
from runtime.errors import UsageError
from runtime.launch.report import encode, show
from runtime.state.store import list_containers, state_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TITLES = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def render(documents: "list[dict[str, Any]]", style: str) -> str:
    """The text for table, json or quiet."""
    if style == "quiet":
        return "".join(f"{document['id']}\n" for document in documents)
    if style == "json":
        return dumps(documents or None).decode() + "\n"
    rows = [_TITLES]
    for document in documents:
        words = [str(document[title.lower()]) for title in _TITLES]
        rows.append((words[0], words[1], words[2], words[3], words[4], words[5]))
    return format_table(list(rows))


def list_format(invocation: Invocation) -> str:
    """--format, table unless given.  Raises: UsageError."""
    style = invocation.text("format") or "table"
    if style not in ("table", "json"):
        raise UsageError(f'invalid format option "{style}": table or json')
    return style


def execute(invocation: Invocation) -> int:
    """Print the list.  Raises: UsageError, SyscallError."""
    style = list_format(invocation)
    found = list_containers(invocation.root, invocation.report.warning)
    documents = [state_document(state, status) for state, status in found]
    show(encode(render(documents, "quiet" if invocation.switch("quiet") else style)))
    return 0
