"""The plan while it is being written: inputs, findings, and the operations of each stage so far.

One draft lives for one compilation.  Modules read `config`, `facts` and `options`, append operations to the stage lists,
and report what is wrong with `refuse` (the config) or `block` (the host, or this version); `check` raises all of it.
"""

from runtime.errors import ConfigError, OciError
from runtime.plan._shapes import SLOTS
from runtime.plan.layout import FIRST_FREE_SLOT, SLOT_COUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.host.facts import HostFacts
    from runtime.plan.launch_plan import Op
    from runtime.plan.options import CreateOptions, ExecOptions

_INITIAL_ROOT = 1 << 21  # CAP_SYS_ADMIN
ROOTFS, PROC, CGROUP, STATE = SLOTS["ROOTFS"], SLOTS["PROC"], SLOTS["CGROUP"], SLOTS["STATE_DIR"]


class Draft:
    """What the compiling modules share."""

    __slots__ = (
        "blockers",
        "cgroup_path",
        "commit",
        "config",
        "dev_is_bound",
        "document",
        "facts",
        "final",
        "hooks",
        "host",
        "id_maps",
        "joined",
        "linux",
        "new",
        "next_slot",
        "options",
        "parent",
        "post",
        "process",
        "readonly_mounts",
        "ready",
        "root",
        "setup",
        "start",
        "stop",
        "tree",
        "violations",
        "warnings",
    )

    def __init__(
        self,
        config: "Mapping[str, Any]",
        options: "CreateOptions | ExecOptions",
        facts: "HostFacts",
        warnings: list[str],
    ) -> None:
        """Borrow the inputs; `warnings` grows by the lines that the caller prints."""
        self.config = config
        self.linux: Mapping[str, Any] = config.get("linux") or {}
        self.process: Mapping[str, Any] = config.get("process") or {}
        self.options = options
        self.facts = facts
        self.warnings = warnings
        self.document = "config.json"  # what violations are found in
        self.violations: list[tuple[str, str]] = []
        self.blockers: list[OciError] = []
        self.next_slot = FIRST_FREE_SLOT
        self.new: dict[str, int] = {}  # namespaces to make: type -> index in the config
        self.joined: dict[str, str] = {}  # namespaces to join: type -> path
        self.id_maps: dict[tuple[str, str], int] = {}  # (uid_map, gid_map) -> slot of a user namespace with them
        self.readonly_mounts: list[str] = []  # destinations that become read-only once they are populated
        self.dev_is_bound = False
        self.tree = 0  # the slot of trees that init attaches as soon as it has opened them; 0: none yet
        self.cgroup_path: str | None = None
        self.host: list[Op] = []
        self.parent: list[Op] = []
        self.setup: list[Op] = []
        self.hooks: list[Op] = []
        self.root: list[Op] = []
        self.ready: list[Op] = []
        self.final: list[Op] = []
        self.commit: list[Op] = []
        self.start: list[Op] = []
        self.post: list[Op] = []
        self.stop: list[Op] = []

    def slot(self) -> int:
        """A free descriptor slot; when none is left the plan is refused at the end."""
        slot = self.next_slot
        if slot < SLOT_COUNT:
            self.next_slot = slot + 1
        elif not self.violations or self.violations[-1][0] != "/mounts":
            self.refuse("/mounts", f"more than {SLOT_COUNT - FIRST_FREE_SLOT} mounts need a descriptor of their own")
        return min(slot, SLOT_COUNT - 1)

    def tree_slot(self, by_parent: bool) -> int:
        """A slot for a detached tree: one of its own when the parent opens it, because all of them are open at once."""
        if by_parent:
            return self.slot()
        if not self.tree:
            self.tree = self.slot()
        return self.tree

    def has(self, namespace: str) -> bool:
        """Whether the container has this namespace apart from ours: made or joined."""
        return namespace in self.new or namespace in self.joined

    @property
    def host_side(self) -> bool:
        """Whether sources of mounts are opened by the parent half: init, root of a user namespace, may not reach them."""
        return self.has("user") and bool(self.facts.capabilities & _INITIAL_ROOT)

    def refuse(self, pointer: str, message: str) -> None:
        """Note a violation of the config at a JSON pointer; errors are one line whatever the config's strings hold."""
        self.violations.append((pointer.replace("\n", "\\n"), message.replace("\n", "\\n")))

    def warn(self, message: str) -> None:
        """Note a line for the user that does not stop anything."""
        self.warnings.append(message.replace("\n", "\\n"))

    def block(self, error: OciError) -> None:
        """Note what the host or this version cannot do."""
        self.blockers.append(error)

    def check(self) -> None:
        """Raise what was found.  Raises: ConfigError with every violation, else the first blocker."""
        if self.violations:
            raise ConfigError(self.document, self.violations)
        if self.blockers:
            raise self.blockers[0]

    def stages(self) -> "dict[str, list[Op]]":
        """The operations by stage, in the order of `layout.STAGES`."""
        return {
            "HOST": self.host,
            "PARENT": self.parent,
            "SETUP": self.setup,
            "HOOKS": self.hooks,
            "ROOT": self.root,
            "READY": self.ready,
            "FINAL": self.final,
            "COMMIT": self.commit,
            "START": self.start,
            "POST": self.post,
            "STOP": self.stop,
        }
