"""The process of an exec call: from --process, or the container's own with the command line merged in.  Pure."""

from runtime.commands.invocation import Invocation
from runtime.errors import ConfigError, OciError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ID_MAX = (1 << 32) - 2  # (uid_t)-1 means "unchanged" to the kernel


def parse_number(text: str, what: str) -> int:
    """A user or group number, all of it digits.

    A lenient parser once turned garbage into uid 0 (CVE-2026-30892).  Raises: UsageError.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > _ID_MAX:
        raise UsageError(f'bad {what}: "{text}" is not a number from 0 to {_ID_MAX}')
    return int(text)


def parse_user(text: str) -> tuple[int, int | None]:
    """`UID[:GID]` as numbers.  Raises: UsageError."""
    uid, colon, gid = text.partition(":")
    return parse_number(uid, "uid"), parse_number(gid, "gid") if colon else None


def parse_sub_cgroup(values: list[str]) -> str | None:
    """`--cgroup` as a path below the container's cgroup.  Raises: UsageError.

    cgroup v2 is one hierarchy: one path, and naming controllers has no meaning.
    """
    if not values:
        return None
    if len(values) > 1:
        raise UsageError("--cgroup may be given once: cgroup v2 has one hierarchy")
    names, colon, path = values[0].rpartition(":")
    if colon:
        raise UsageError(f'invalid --cgroup "{values[0]}": controllers ({names}) cannot be chosen on cgroup v2')
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"bad sub cgroup path: {path}")
    return "/" + "/".join(parts)


def _with_capabilities(sets: "Mapping[str, Any] | None", added: list[str]) -> "dict[str, Any]":
    """Added to what may be used, never to what is inherited (CVE-2022-29162); ambient needs inheritable ones."""
    result = dict(sets or {})
    names = ["bounding", "effective", "permitted"]
    if result.get("inheritable") is not None:
        names.append("ambient")
    for name in names:
        result[name] = [*(result.get(name) or ()), *added]
    return result


def _with_user(user: "Mapping[str, Any] | None", invocation: Invocation) -> "dict[str, Any]":
    result = dict(user or {"uid": 0, "gid": 0})
    chosen = invocation.text("user")
    if chosen:
        uid, gid = parse_user(chosen)
        result["uid"] = uid
        if gid is not None:
            result["gid"] = gid
    further = [parse_number(text, "additional gid") for text in invocation.texts("additional-gids")]
    if further:
        result["additionalGids"] = [*(result.get("additionalGids") or ()), *further]
    return result


def inline_process(own: "Mapping[str, Any]", invocation: Invocation) -> "dict[str, Any]":
    """The container's own process with the command line's words in it.  Raises: OciError in runc's words."""
    arguments = invocation.arguments[1:]
    if not arguments:
        raise UsageError("process args cannot be empty")
    process = dict(own)
    process["args"] = arguments
    process["user"] = _with_user(process.get("user"), invocation)
    process["env"] = [*(process.get("env") or ()), *invocation.texts("env")]
    process["terminal"] = invocation.switch("tty")  # never inherited: the container's own terminal is not ours
    for flag, key in (("cwd", "cwd"), ("apparmor", "apparmorProfile"), ("process-label", "selinuxLabel")):
        value = invocation.text(flag)
        if value:
            process[key] = value
    if "no-new-privs" in invocation.flags:
        process["noNewPrivileges"] = invocation.switch("no-new-privs")
    added = invocation.texts("cap")
    if added:
        process["capabilities"] = _with_capabilities(process.get("capabilities"), added)
    return process


def check_process(process: "Mapping[str, Any]") -> None:
    """What every process must have, in runc's words.  Raises: OciError."""
    cwd = process.get("cwd")
    if not cwd:
        raise OciError("Cwd property must not be empty")
    if cwd[0] != "/":
        raise OciError("Cwd must be an absolute path")
    if not process.get("args"):
        raise OciError("args must not be empty")
    for name in ("args", "env"):
        if any("\0" in text for text in process.get(name) or ()):
            raise ConfigError("process", [(f"/{name}", "contains a NUL byte")])
