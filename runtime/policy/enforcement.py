"""What came of each rule while a policy was lowered: the mechanism that enforces it, or why none does.  Pure.

`Findings` lives for one lowering.  The lowering modules read `config`, `facts` and `layers` from it and report into it; in the end
`check` refuses the policy if anything cannot be enforced: a container never starts with less than was asked.
"""

from runtime.abi.capabilities import CAP_SYS_ADMIN, CAPABILITY_BITS
from runtime.errors import PolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.host.facts import HostFacts

    Layer = Mapping[str, Any]

SECCOMP, MOUNTS, LANDLOCK, BPF, CGROUP, CONFIG, BROKER = (
    "seccomp",
    "mounts",
    "landlock",
    "cgroup_bpf",
    "cgroup",
    "config",
    "broker",
)
CGROUP_LIMITS = "cgroup_limits"  # the requirement that limits are kept
_BY_CONFIG = "depends on the container's config"
_CONTROLLERS = ("memory", "pids", "cpu")  # parts of linux.resources that are called as their controllers
_BPF = CAPABILITY_BITS["CAP_BPF"] | CAPABILITY_BITS["CAP_NET_ADMIN"]
ADDFD_SEND_SINCE = (5, 14)  # a descriptor is put in and the call answered in one step


class Findings:
    """The inputs of a lowering, and what it says about each rule."""

    __slots__ = (
        "config",
        "denials",
        "facts",
        "layers",
        "linux",
        "mode",
        "observe",
        "offsets",
        "rows",
        "violations",
        "warnings",
    )

    def __init__(
        self, layers: "Sequence[Layer]", config: "Mapping[str, Any]", facts: "HostFacts", observe: bool = False
    ) -> None:
        """Borrow the inputs.

        `mode` is enforce if any layer enforces, else ask if any asks, else audit: what enforces is the stricter.  `observe` wants
        to hear of every denial.
        """
        self.layers = layers
        self.config = config
        self.linux: Mapping[str, Any] = config.get("linux") or {}
        self.facts = facts
        self.observe = observe
        modes = {(layer.get("broker") or {}).get("mode") or "enforce" for layer in layers}
        self.mode = "enforce" if "enforce" in modes else "ask" if "ask" in modes else "audit"
        self.warnings: list[str] = []  # for whoever starts the container
        self.denials: dict[str, int] = {}  # the rule by which a call is denied
        self.offsets: dict[int, int] = {}  # where a layer's rules begin when all are counted through
        total = 0
        for layer in layers:
            self.offsets[id(layer)] = total
            total += len(layer["rules"])
        self.rows: dict[tuple[str, str, str, str], None] = {}  # in order, each once
        self.violations: list[tuple[str, str, str]] = []  # (rule, where, why)

    def place(self, layer: "Layer", rule: "int | str | None") -> tuple[str, str]:
        """(text, where) of a rule: an index into the layer's rules, or words for what has none."""
        if isinstance(rule, int):
            entry = layer["rules"][rule]
            return entry["text"], entry["where"]
        text = rule or ""
        where: str = (layer.get("places") or {}).get(text.partition(":")[0]) or layer["source"]
        return text, where

    def number(self, layer: "Layer", rule: int) -> int:
        """A rule's number among those of all layers."""
        return self.offsets[id(layer)] + rule

    def enforced(self, layer: "Layer", rule: "int | str | None", mechanism: str, note: str = "") -> None:
        """A rule is enforced by a mechanism; a note says what it leaves out or brings with it."""
        self.rows[(*self.place(layer, rule), mechanism, note)] = None

    def denied(self, layer: "Layer", rule: int | None, names: "Sequence[str]") -> None:
        """Remember for the broker's log whose denials these are; the first rule of several counts."""
        if rule is not None and (self.mode != "enforce" or self.observe):
            number = self.number(layer, rule)
            for name in names:
                self.denials.setdefault(name, number)

    def impossible(self, layer: "Layer", rule: "int | str | None", why: str) -> None:
        """A rule that nothing here enforces."""
        text, where = self.place(layer, rule)
        if (text, where, why) not in self.violations:
            self.violations.append((text, where, why))

    def check(self) -> None:
        """Raises: PolicyError with every rule that cannot be enforced."""
        if self.violations:
            raise PolicyError([": ".join(filter(None, (where, text, why))) for text, where, why in self.violations])


def lacks_controller(findings: Findings, name: str) -> str | None:
    """Why a part of `resources` cannot be limited on this host; None when it can."""
    if name not in _CONTROLLERS or name in findings.facts.cgroup_controllers:
        return None
    return f"this host's unified hierarchy has no {name} controller"


def needs_broker(findings: Findings) -> str | None:
    """Why calls cannot be answered by a broker on this host; None when they can."""
    if findings.facts.kernel < ADDFD_SEND_SINCE:
        return f"needs seccomp notifications as of Linux {ADDFD_SEND_SINCE[0]}.{ADDFD_SEND_SINCE[1]}"
    return None


def needs_bpf(findings: Findings) -> str | None:
    """Why programs cannot be attached to the container's cgroup on this host; None when they can."""
    facts = findings.facts
    if facts.cgroup_mount is None:
        return "cgroup v2 is not mounted on this host"
    if not facts.initial_userns or not (facts.capabilities & CAP_SYS_ADMIN or facts.capabilities & _BPF == _BPF):
        return "attaching programs to cgroups takes CAP_BPF and CAP_NET_ADMIN in the initial user namespace"
    return None


def check_requirements(findings: Findings) -> None:
    """What a layer requires of the host must be there, and of the container where there is one."""
    facts = findings.facts
    spaces = {space["type"]: space for space in findings.linux.get("namespaces") or ()}
    here = {
        "landlock": facts.landlock > 0,
        "seccomp_notify": needs_broker(findings) is None,
        "cgroup_bpf": needs_bpf(findings) is None,
        "cgroup_v2": facts.cgroup_mount is not None,
        "userns": "user" in spaces,
    }
    why = {
        "landlock": "this kernel has no Landlock, or it is not among its active security modules",
        "seccomp_notify": needs_broker(findings) or "",
        "cgroup_bpf": needs_bpf(findings) or "",
        "cgroup_v2": "cgroup v2 is not mounted on this host",
        "userns": "the container has no user namespace of its own",
    }
    for layer in findings.layers:
        for name, word in (layer.get("requirements") or {}).items():
            if name == CGROUP_LIMITS:
                continue  # a matter of each limit: `tighten`
            if name == "userns" and not findings.config:
                findings.enforced(layer, f"requirements.{name}: {word}", CONFIG, _BY_CONFIG)
            elif name not in here:
                findings.impossible(layer, f"requirements.{name}", "is not known to this version")
            elif here[name]:
                findings.enforced(layer, f"requirements.{name}: {word}", CONFIG, "met")
            elif word == "required":
                findings.impossible(layer, f"requirements.{name}", why[name])
            else:
                findings.enforced(layer, f"requirements.{name}: {word}", CONFIG, f"not met: {why[name]}")
        for kind in (layer.get("namespaces") or {}).get("required") or ():
            if not findings.config:
                findings.enforced(layer, f"namespaces.required: {kind}", CONFIG, _BY_CONFIG)
            elif kind == "network" and findings.facts.joins_own_network:
                findings.impossible(layer, f"namespaces.required: {kind}", "the config joins the host's own")
            elif kind in spaces:
                findings.enforced(layer, f"namespaces.required: {kind}", CONFIG, "")
            else:
                findings.impossible(layer, f"namespaces.required: {kind}", "the config neither makes nor joins one")
