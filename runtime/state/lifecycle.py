"""HOT: which verb is legal in which status, and what is said when it is not.  Pure.

The front decides the same for start, kill and delete in C; a test compares the two.  The words are runc's.
Source: runtime.md#lifecycle.
"""

from runtime.errors import ContainerNotRunning, LifecycleError

# verb -> statuses in which it is legal; state and list are legal in all
LEGAL: dict[str, tuple[str, ...]] = {
    "start": ("created",),
    "exec": ("created", "running"),
    "kill": ("created", "running", "paused"),
    "delete": ("created", "stopped"),
    "pause": ("created", "running"),
    "resume": ("paused",),
    "update": ("created", "running", "paused"),
    "ps": ("created", "running", "paused"),
    "events": ("created", "running", "paused"),
}

_WORDS: dict[tuple[str, str], str] = {
    ("start", "stopped"): "cannot start a container that has stopped",
    ("start", "running"): "cannot start an already running container",
    ("exec", "stopped"): "cannot exec in a stopped container",
    ("exec", "paused"): "cannot exec in a paused container (use --ignore-paused to override)",
    ("resume", "created"): "container not paused",
    ("resume", "running"): "container not paused",
    ("resume", "stopped"): "container not paused",
}


def require(verb: str, status: str, container_id: str) -> None:
    """Nothing, when `verb` is legal in `status`.

    Raises: LifecycleError, ContainerNotRunning.
    """
    if status in LEGAL[verb]:
        return
    words = _WORDS.get((verb, status))
    if words:
        raise LifecycleError(words)
    if verb == "start":
        raise LifecycleError(f"cannot start a container in the {status} state")
    if verb == "delete":
        raise LifecycleError(f"cannot delete container {container_id} that is not stopped: {status}")
    raise ContainerNotRunning
