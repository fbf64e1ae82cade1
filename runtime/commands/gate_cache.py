"""HOT: what a policy came to for a container, kept between runs: lowering and compiling are the same for containers of one kind.

Lowering is given only what it may depend on: the policy, some facts, and a reduced config.  The key is made of just these, so
that whatever is kept under it is what lowering would give again.  Errors are not kept.
"""

from marshal import dumps, loads

from runtime.plan.options import Gate
from runtime.policy.hierarchy import opens_hierarchy, owner_rows
from runtime.record import record
from runtime.seccomp.program import Filter
from runtime.state.kept import Kept, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.host.facts import HostFacts

GATES = "@gates"
MAGIC = b"postern gate 5\n"
PROCESS_PARTS = ("capabilities", "rlimits")
_LINUX = ("maskedPaths", "resources", "seccomp")


@record
class Ready:
    """A policy lowered for containers of one kind: the parts of `process` and `linux` that it tightened, the gate, the filter.

    `trapped`: some call goes to the broker.  `warnings` are for whoever starts such a container.
    """

    process: "dict[str, Any]"
    linux: "dict[str, Any]"
    gate: Gate
    compiled: Filter
    trapped: bool
    warnings: tuple[str, ...] = ()


def reduce_config(config: "Mapping[str, Any]", euid: int = 0) -> "dict[str, Any]":
    """The part of a config that lowering depends on: of paths of namespaces only whether there is one, of users only who made the cgroup."""
    linux, process = config.get("linux") or {}, config.get("process")
    spaces = [
        {"type": space["type"], "path": "/"} if space.get("path") else {"type": space["type"]}
        for space in linux.get("namespaces") or ()
    ]
    reduced: dict[str, Any] = {"linux": {"namespaces": spaces, **given_parts(linux, _LINUX)}}
    owners = owner_rows(linux, euid)
    if owners:
        reduced["linux"]["uidMappings"] = owners
    if process:
        reduced["process"] = {"args": (), **given_parts(process, PROCESS_PARTS)}
    opening = [mount for mount in config.get("mounts") or () if opens_hierarchy(mount)]
    if opening:
        reduced["mounts"] = [given_parts(mount, ("type", "source", "options")) for mount in opening]
    return reduced


def given_parts(part: "Mapping[str, Any]", names: tuple[str, ...]) -> "dict[str, Any]":
    """Those of a part's keys that are there and not null."""
    return {name: part[name] for name in names if part.get(name) is not None}


def put_in(config: "Mapping[str, Any]", ready: Ready) -> "dict[str, Any]":
    """The container's config, tightened."""
    made = dict(config)
    if made.get("process"):
        made["process"] = {**made["process"], **ready.process}
    made["linux"] = {**(made.get("linux") or {}), **ready.linux}
    return made


def gate_key(policy: str, facts: "HostFacts", reduced: "Mapping[str, Any]", identity: str, *where: "str | bool") -> str:
    """The name under which it is kept: depends on all that lowering and compiling depend on.

    `policy` is the hash of the policy, `where` the state root, whose broker's socket is in there, and whether denials are observed.
    """
    said: Any = (
        facts.machine,
        facts.euid,
        facts.may_set_groups,
        facts.kernel,
        facts.landlock,
        facts.cgroup_mount is not None,
        facts.cgroup_controllers,
        facts.initial_userns,
        facts.capabilities,
        facts.joins_own_network,
        facts.nsdelegate,
    )
    whole: Any = (policy, said, reduced, identity, where)
    return digest(dumps(whole, 2))


def kept_gate(root: str, key: str) -> Ready | None:
    """What an earlier call kept, None when there is nothing that can be trusted."""
    kept = Kept(root, GATES, MAGIC)
    try:
        data = kept.get(key)
    finally:
        kept.close()
    if data is None:
        return None
    process, linux, gate, compiled, *rest = loads(data)  # noqa: S302 - ours alone, and whole
    return Ready(process, linux, Gate(*gate), Filter(*compiled), *rest)
