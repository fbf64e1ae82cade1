"""HOT: reading files that decide what a container may do: only those that nobody but root and the caller can have written."""

import posix

from runtime.errors import PolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Layers = list[dict[str, Any]]

DIRECTORY = "/etc/postern"
MAX_BYTES = 1 << 18
SUFFIXES = (".yaml", ".yml", ".json")

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
_OTHERS_WRITE = 0o022
_TYPE_MASK, _REGULAR = 0o170000, 0o100000
_NOBODY = 65534  # how an owner appears who has no number in our user namespace
_INITIAL = "0 0 4294967295"


def wants_landlock(layers: "Layers") -> bool:
    """Whether it matters for these layers what Landlock the kernel has."""
    for layer in layers:
        files: Any = layer.get("filesystem") or {}
        requirements: Any = layer.get("requirements") or {}
        if files.get("read") is not None or layer.get("exec") is not None or "landlock" in requirements:
            return True
    return False


def wants_limits(layers: "Layers") -> bool:
    """Whether these layers limit what the container's cgroup may use."""
    return any(layer.get("resources") for layer in layers)


class Resolved:
    """A policy that is ready to be lowered: `hash` of all it was made from, `layers` that hold together.

    The layers are read when they are first asked for: a container of a kind that there was before needs the hash alone.
    """

    __slots__ = ("_layers", "_read", "_wants_landlock", "_wants_limits", "hash", "name")

    def __init__(
        self,
        name: str,
        digest: str,
        layers: "Layers | Callable[[], Layers]",
        wants: "tuple[bool, bool] | None" = None,
    ) -> None:
        """`layers`: they, or what reads them; `wants`: what `wants_landlock` and `wants_limits` say of them where that is known."""
        self.name, self.hash = name, digest
        self._layers: Layers | None = None if callable(layers) else layers
        self._read: Callable[[], Layers] | None = layers if callable(layers) else None
        self._wants_landlock: bool | None = None if wants is None else wants[0]
        self._wants_limits: bool | None = None if wants is None else wants[1]

    @property
    def layers(self) -> "Layers":
        """The layers.  Raises: PolicyError where they cannot be read."""
        if self._layers is None and self._read is not None:
            self._layers = self._read()
        return self._layers or []

    @property
    def landlock(self) -> bool:
        """Whether it matters what Landlock the kernel has."""
        if self._wants_landlock is None:
            self._wants_landlock = wants_landlock(self.layers)
        return self._wants_landlock

    @property
    def limits(self) -> bool:
        """Whether it matters who may change the limits of cgroups."""
        if self._wants_limits is None:
            self._wants_limits = wants_limits(self.layers)
        return self._wants_limits

    def __eq__(self, other: object) -> bool:
        """Alike in name, hash and layers."""
        if not isinstance(other, Resolved):
            return NotImplemented
        return (self.name, self.hash, self.layers) == (other.name, other.hash, other.layers)

    __hash__ = None  # type: ignore[assignment]


def is_file(word: str) -> bool:
    """Whether a policy is named by its file rather than by name."""
    return "/" in word or word.endswith(SUFFIXES)


def read_trusted(path: str, directory: str) -> bytes | None:
    """The content of a policy file or of config.toml; None when there is none.

    `directory` is the site's own: what a user namespace shows there without an owner is root's.
    Raises: PolicyError for what cannot be read, is no regular file, is too long, or could be somebody else's words: of what lies in
    the site's directory the directories count too, where whoever can write could take a file away.
    """
    if path.startswith(f"{directory}/"):
        _check_directories(path, directory)
    try:
        fd = posix.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PolicyError([f"{path}: {_reason(error)}"]) from None
    try:
        status = posix.fstat(fd)
        if status.st_mode & _TYPE_MASK != _REGULAR:
            raise PolicyError([f"{path}: is no regular file"])
        check_owner(status, path, directory)
        data = posix.read(fd, MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError([f"{path}: {_reason(error)}"]) from None
    finally:
        posix.close(fd)
    if len(data) > MAX_BYTES:
        raise PolicyError([f"{path}: is longer than {MAX_BYTES // 1024} KiB"])
    return data


def _check_directories(path: str, directory: str) -> None:
    """The site's directory and those between it and a file; what is not there holds no file.  Raises: PolicyError."""
    above = directory
    for part in ["", *path[len(directory) + 1 :].split("/")[:-1]]:
        above = f"{above}/{part}" if part else above
        try:
            status = posix.stat(above)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise PolicyError([f"{above}: {_reason(error)}"]) from None
        check_owner(status, above, directory)


def check_owner(status: posix.stat_result, path: str, directory: str) -> None:
    """Raises: PolicyError when somebody else can write there."""
    if status.st_uid not in (0, posix.geteuid()) and not _is_roots(status.st_uid, path, directory):
        raise PolicyError([f"{path}: belongs to user {status.st_uid}: must be root's or the caller's"])
    if status.st_mode & _OTHERS_WRITE:
        raise PolicyError([f"{path}: can be written by others (mode {status.st_mode & 0o7777:04o}): chmod go-w"])


def _is_roots(uid: int, path: str, directory: str) -> bool:
    """Whether the owner is the host's root as a rootless engine sees it: in the site's directory, which only root can make."""
    if uid != _NOBODY or not f"{path}/".startswith(f"{directory}/") or directory != DIRECTORY:
        return False
    fd = posix.open("/proc/self/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096).decode().split() != _INITIAL.split()
    finally:
        posix.close(fd)


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
