"""state: a container as JSON.  The front does this by itself where it can read the state file."""

from oci_schemas.json_text import dumps
from runtime.commands.containers import Container
from runtime.commands.invocation import Invocation
from runtime.launch.report import show


def execute(invocation: Invocation) -> int:
    """Print the state, two-space indented.  Raises: OciError."""
    container = Container(invocation.root, invocation.container_id())
    show(dumps(container.document(), "  "))
    container.close()
    return 0
