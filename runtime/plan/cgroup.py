"""linux.cgroupsPath and linux.resources: the container's cgroup, its limits, its device program and its owner.

Source: config-linux.md#control-groups, config-linux.md#cgroup-ownership.
"""

from runtime.abi.bpf import BPF_ATTACH_TYPES, BPF_PROG_TYPES
from runtime.cgroups.devices_bpf import allows_everything, compile_devices, device_rules
from runtime.cgroups.resources import Write, check_controllers, compile_limits
from runtime.errors import CgroupError, NotBuilt
from runtime.plan.draft import CGROUP, Draft
from runtime.plan.launch_plan import Op, op
from runtime.plan.namespaces import host_id
from runtime.plan.paths import clean, parent
from runtime.plan.programs import encode_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.plan.options import CreateOptions


def cgroup_path(cgroups_path: str | None, container_id: str, own_cgroup: str) -> str:
    """The container's cgroup below the mount.

    Absolute as configured; relative, or the ID when nothing is configured, beside our own cgroup: that one has processes
    in it, so controllers cannot be given to children of it.  `..` never leads out of the hierarchy.
    """
    if cgroups_path and cgroups_path[:1] == "/":
        return clean(cgroups_path)
    base = parent(clean(own_cgroup))
    # cleaned before it is joined: a relative path stays below its base
    return ("" if base == "/" else base) + clean(cgroups_path or container_id)


def choose_cgroup(draft: Draft, options: "CreateOptions") -> None:
    """Settle the driver and the path, before anything is planned; `draft.cgroup_path` is None without a cgroup."""
    if options.cgroup_manager == "systemd":
        draft.block(NotBuilt("the systemd cgroup driver"))
    elif options.cgroup_manager != "disabled":
        path = draft.linux.get("cgroupsPath")
        if draft.facts.cgroup_mount is not None:
            draft.cgroup_path = cgroup_path(path, options.container_id, draft.facts.own_cgroup)
            if draft.cgroup_path == "/":
                draft.refuse("/linux/cgroupsPath", f'"{path}" is the root of the hierarchy')
        elif not options.rootless or path:
            draft.block(CgroupError("cgroup v2 is not mounted on this host"))


def plan_cgroup(draft: Draft, options: "CreateOptions") -> None:
    """HOST: make the cgroup, write its limits, attach the device program, give it to the container's user."""
    writes = _writes(draft)
    path, facts = draft.cgroup_path, draft.facts
    if path is None:
        if writes and not draft.blockers:
            draft.block(CgroupError(f"unable to apply resources{writes[0].pointer}: the container has no cgroup"))
        return
    # a rootless container can open no device that its user cannot, and its user may not attach programs
    devices = None if options.rootless else _device_program(draft)
    # an unprivileged caller often may not make cgroups; without limits the container can do without
    tolerate = options.rootless and not writes and not draft.linux.get("cgroupsPath")
    controllers = " ".join([f"+{name}" for name in facts.cgroup_controllers])
    what = f'unable to apply cgroup configuration: unable to create cgroup "{path}"'
    flags = "MUST_BE_EMPTY TOLERATE" if tolerate else "MUST_BE_EMPTY"
    draft.host.append(
        op(
            "CGROUP_CREATE",
            what,
            flags,
            dir=CGROUP,
            mode=0o755,
            mount=facts.cgroup_mount,
            path=path,
            controllers=controllers,
        )
    )
    draft.host += [_write(write) for write in writes]
    if devices is not None:
        flags = "" if facts.initial_userns else "TOLERATE"
        # the kernel's checking of the program takes as long as init's mounts: both at once, unless somebody else's code runs by then
        stage = draft.host if (draft.config.get("hooks") or {}).get("createContainer") else draft.parent
        stage.append(
            op("BPF_PROGRAMS", "unable to attach the device filter to the cgroup", flags, cgroup=CGROUP, blob=devices)
        )
    if not tolerate:
        _give_away(draft)


def _writes(draft: Draft) -> list[Write]:
    facts = draft.facts
    limits = compile_limits(draft.linux.get("resources") or {}, facts.hugepage_sizes)
    for pointer, message in limits.violations:
        draft.refuse("/linux/resources" + pointer, message)
    if draft.cgroup_path is None:
        return [write for write in limits.writes if write.is_limit]
    try:
        return check_controllers(limits, facts.cgroup_controllers, facts.cgroup_mount or "", facts.cgroup_hybrid)
    except CgroupError as error:
        draft.block(error)
        return []


def _write(write: Write) -> Op:
    if len(write.choices) > 1:
        flat = tuple(part for choice in write.choices for part in choice)
        return op("WRITE_FIRST", f"failed to write {write.choices[-1][0]}", dir=CGROUP, blob=flat)
    name, value = write.choices[0]
    what = f'failed to write "{value}" to {name}'
    return op("WRITE_AT", what, "OPTIONAL" if write.optional else "", dir=CGROUP, name=name, value=value)


def _device_program(draft: Draft) -> bytes | None:
    rules, wrong = device_rules((draft.linux.get("resources") or {}).get("devices") or ())
    for pointer, message in wrong:
        draft.refuse("/linux/resources/devices" + pointer, message)
    if allows_everything(rules):
        return None
    return encode_programs(
        (), (("", "", BPF_PROG_TYPES["CGROUP_DEVICE"], BPF_ATTACH_TYPES["DEVICE"], compile_devices(rules)),)
    )


def _give_away(draft: Draft) -> None:
    """The container's user owns the cgroup when the container has its own cgroup namespace and may write to it."""
    if "cgroup" not in draft.new or not any(
        _is_writable_hierarchy(mount) for mount in draft.config.get("mounts") or ()
    ):
        return
    uid = host_id(draft, "uidMappings", (draft.process.get("user") or {}).get("uid") or 0)
    if uid is not None and uid != draft.facts.euid:
        what = "unable to change the owner of the cgroup"
        draft.host.append(op("CGROUP_OWNER", what, dir=CGROUP, uid=uid, blob=draft.facts.delegate_files))


def _is_writable_hierarchy(mount: object) -> bool:
    if not isinstance(mount, dict) or mount.get("type") not in ("cgroup", "cgroup2"):
        return False
    read_only = False
    for word in mount.get("options") or ():
        read_only = word in ("ro", "rro") or (read_only and word not in ("rw", "rrw"))
    return clean(mount["destination"]) == "/sys/fs/cgroup" and not read_only
