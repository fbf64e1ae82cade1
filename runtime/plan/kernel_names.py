"""hostname, domainname and linux.sysctl: what the container's own namespaces are called and how they are set.

Only what a namespace of the container holds may be changed: everything else would change the host.
Source: config.md#hostname, config.md#domainname, config-linux.md#sysctl.
"""

from runtime.plan.draft import PROC, Draft
from runtime.plan.launch_plan import op

_IPC = frozenset(
    "kernel." + name for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)


def plan_names(draft: Draft) -> None:
    """ROOT: host name and domain name."""
    for name, code in (("hostname", "HOSTNAME"), ("domainname", "DOMAINNAME")):
        value = draft.config.get(name)
        if not value:
            continue
        if not draft.has("uts"):
            draft.refuse(f"/{name}", f"unable to set {name} without a private UTS namespace")
        if len(value.encode("utf-8", "replace")) > 64:  # __NEW_UTS_LEN
            draft.refuse(f"/{name}", "is longer than 64 bytes")
        draft.root.append(op(code, f"unable to set {name}", name=value))


def plan_sysctl(draft: Draft) -> None:
    """ROOT: every kernel parameter, written through the private procfs."""
    for key, value in (draft.linux.get("sysctl") or {}).items():
        path = sysctl_path(key)
        message = _refusal(draft, path.replace(".", "\0").replace("/", ".").replace("\0", "/"))
        if message is None and any(part in ("", ".", "..") for part in path.split("/")):
            message = f'sysctl "{key}" is not a name'
        if message is not None:
            draft.refuse("/linux/sysctl/" + key.replace("~", "~0").replace("/", "~1"), message)
        else:
            draft.root.append(op("SYSCTL", f"unable to set sysctl {key}", proc=PROC, path=path, value=value))


def sysctl_path(key: str) -> str:
    """A parameter's path below /proc/sys: when a dot comes first, dots and slashes swap (sysctl(8))."""
    slash, dot = key.find("/"), key.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return key
    return key.replace("/", "\0").replace(".", "/").replace("\0", ".")


def _refusal(draft: Draft, name: str) -> str | None:
    """Why a parameter (with dots between its parts) may not be set, in runc's words; None when it may."""
    message = f'sysctl "{name}" is not in a separate kernel namespace'
    if name in _IPC or name.startswith("fs.mqueue."):
        return None if draft.has("ipc") else f'sysctl "{name}" is not allowed in the hosts ipc namespace'
    if name.startswith("net."):
        return None if draft.has("network") else f'sysctl "{name}" not allowed in host network namespace'
    if name.startswith("user."):
        return None if draft.has("user") else f"setting ucounts without a user namespace not allowed: {name}"
    if draft.has("uts"):
        if name == "kernel.domainname":
            return None
        if name == "kernel.hostname":
            return f'sysctl "{name}" is not allowed as it conflicts with the OCI "hostname" field'
    return message
