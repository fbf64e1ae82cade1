"""HOT: which container IDs may become part of a path.  Pure; the front decides the same in C (`id_is_valid`)."""

from runtime.errors import InvalidId

ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-")
ID_MAX = 1024  # one more than an ID may have, as in state_file.h


def check_id(container_id: str) -> str:
    """The ID, when it may become part of a path.

    Raises: InvalidId in runc's words.
    """
    if not container_id:
        raise InvalidId("container id cannot be empty")
    if container_id in (".", "..") or len(container_id) >= ID_MAX or not ID_CHARACTERS.issuperset(container_id):
        raise InvalidId("invalid container ID format")
    return container_id
