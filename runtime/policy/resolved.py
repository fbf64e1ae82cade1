"""HOT: what names a policy, and one that is ready to be lowered."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Layers = list[dict[str, Any]]

SUFFIXES = (".yaml", ".yml", ".json")
ABSENT = ""  # the digest of a source that is not there


def is_file(word: str) -> bool:
    """Whether a policy is named by its file rather than by name."""
    return "/" in word or word.endswith(SUFFIXES)


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
