"""Global flags to the settings of an invocation: state root, report, cgroup manager, rootless."""

import posix

from runtime.commands.invocation import DEFAULT_ROOT, Invocation, Value, absolute
from runtime.errors import NotBuilt, UsageError
from runtime.launch.report import LEVELS, Report, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ASKING = ("create", "run", "exec", "plan", "policy")  # the verbs that ask the site
_MANAGERS = ("cgroupfs", "systemd", "disabled")
_REMOTE_LOGS = ("journald:", "syslog:")
# crun's and logrus's names for the levels that there are
_LEVEL_NAMES = {"warn": "warning", "trace": "debug", "fatal": "error", "panic": "error"}


def _text(values: "Mapping[str, Value]", name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def report_of(values: "Mapping[str, Value]") -> Report:
    """Where errors go.  Raises: UsageError, NotBuilt."""
    path = _text(values, "log") or None
    if path and path.startswith(_REMOTE_LOGS):
        raise NotBuilt(f"--log {path}")
    if path and path.startswith("file:"):
        path = path[5:]
    style = _text(values, "log-format") or "text"
    if style not in ("text", "json"):
        raise UsageError(f"invalid log-format: {style}")
    level = _text(values, "log-level").lower() or "warning"
    level = "debug" if values.get("debug") is True else _LEVEL_NAMES.get(level, level)
    if level not in LEVELS:
        raise UsageError(f"invalid log-level: {level}")
    return Report(absolute(path) if path else None, style == "json", level)


def _honours_runtime_dir(environ: "Mapping[bytes, bytes]") -> bool:
    if posix.geteuid() != 0:
        return True
    from runtime.host.probe import probe_initial_userns

    return not probe_initial_userns() and environ.get(b"USER") != b"root"


def default_root(environ: "Mapping[bytes, bytes]") -> str:
    """The state root without --root: below $XDG_RUNTIME_DIR for ordinary users, else /run/postern."""
    directory = environ.get(b"XDG_RUNTIME_DIR", b"")
    if directory and _honours_runtime_dir(environ):
        return directory.decode("utf-8", "surrogateescape") + "/postern"
    return DEFAULT_ROOT


def _rootless(values: "Mapping[str, Value]") -> bool | None:
    word = _text(values, "rootless")
    if word in ("", "auto"):
        return None
    if word in ("true", "1", "t", "T", "TRUE", "True"):
        return True
    if word in ("false", "0", "f", "F", "FALSE", "False"):
        return False
    raise UsageError(f'invalid --rootless "{word}": true, false or auto')


def _cgroup_manager(values: "Mapping[str, Value]") -> str:
    manager = _text(values, "cgroup-manager")
    if manager and manager not in _MANAGERS:
        raise UsageError(f'invalid --cgroup-manager "{manager}": cgroupfs, systemd or disabled')
    if manager:
        return manager
    return "systemd" if values.get("systemd-cgroup") is True else "cgroupfs"


def _policy_dir(directory: str, verb: str) -> str:
    """A site that is named has to be there: a misspelt one would have neither floor nor default.  Raises: UsageError."""
    if not directory:
        raise UsageError('invalid --policy-dir "": must name a directory')
    from runtime.commands.gating import SITE

    path = absolute(directory.rstrip("/") or "/")
    if verb in _ASKING and path != SITE:  # the usual one may be missing: there is no site then
        try:
            posix.stat(f"{path}/.")
        except OSError as error:
            raise UsageError(f'invalid --policy-dir "{path}": {reason(error)}') from error
    return path


def settle(invocation: Invocation, values: "Mapping[str, Value]", report: Report) -> None:
    """Fill in what the global flags and the environment say.  Raises: UsageError."""
    invocation.report = report
    root = _text(values, "root")
    invocation.root = absolute(root) if root else default_root(posix.environ)
    invocation.rootless = _rootless(values)
    invocation.cgroup_manager = _cgroup_manager(values)
    given = invocation.flags if "policy" in invocation.flags else values
    if "policy" in given:
        policy = _text(given, "policy")
        from runtime.launch.linking import link

        link("policy")
        from runtime.policy.resolved import is_file

        if not policy:  # a variable that is not set: nobody asked for a container without a policy
            raise UsageError(
                'invalid --policy "": must name a policy or a file; none says on purpose that there is none'
            )
        invocation.policy = absolute(policy) if is_file(policy) else policy
    if "policy-dir" in values:
        invocation.policy_dir = _policy_dir(_text(values, "policy-dir"), invocation.verb)
    if "criu" in values:
        report.warning("--criu ignored (criu binary from $PATH is used); do not use")
