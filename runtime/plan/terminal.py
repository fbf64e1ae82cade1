"""The process's descriptors: terminal, console and pidfd sockets, socket activation, sd_notify.

Source: runc's --console-socket, --pidfd-socket and --preserve-fds; sd_listen_fds(3), sd_notify(3).
"""

from runtime.errors import UsageError
from runtime.plan._shapes import SLOTS
from runtime.plan.draft import ROOTFS, STATE, Draft
from runtime.plan.launch_plan import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.plan.options import CreateOptions

_CONSOLE_SOCKET, _PTY_MASTER, _PIDFD_SOCKET = SLOTS["CONSOLE_SOCKET"], SLOTS["PTY_MASTER"], SLOTS["PIDFD_SOCKET"]
_NOTIFY_DIRECTORY = "/run/notify"


def check_terminal(draft: Draft, detached: bool) -> bool:
    """Whether the process gets a terminal; refuses what runc refuses, in its words."""
    terminal = bool(draft.process.get("terminal"))
    socket = draft.options.console_socket
    if terminal and detached and not socket:
        draft.block(UsageError("cannot allocate tty if runc will detach without setting console socket"))
    elif socket and not (terminal and detached):
        draft.block(UsageError("cannot use console socket if runc will not detach or allocate tty"))
    return terminal


def connect_sockets(draft: Draft) -> None:
    """HOST: the engine's sockets, connected before anything is made that a wrong path would leave behind."""
    for slot, path, name in (
        (_CONSOLE_SOCKET, draft.options.console_socket, "console"),
        (_PIDFD_SOCKET, draft.options.pidfd_socket, "pidfd"),
    ):
        if path:
            draft.host.append(op("CONNECT", f'unable to connect the {name} socket "{path}"', socket=slot, path=path))


def plan_console(draft: Draft, terminal: bool) -> None:
    """ROOT: the pty; its size is the config's, else that of the terminal we were started from."""
    if not terminal:
        return
    size = draft.process.get("consoleSize") or {}
    rows, columns = size.get("height") or 0, size.get("width") or 0
    slots: dict[str, Any] = {}
    if draft.options.console_socket:
        slots["socket"] = _CONSOLE_SOCKET
    else:
        slots["master"] = _PTY_MASTER
        if not (rows and columns):
            rows, columns = draft.facts.stdin_size
    uid = (draft.process.get("user") or {}).get("uid") or 0
    draft.root.append(op("CONSOLE", "unable to set up the terminal", rows=rows, columns=columns, uid=uid, **slots))


def announce(draft: Draft, pidfd_name: str) -> None:
    """COMMIT, last of all: pidfd, then the pid file, whose presence tells an engine that all went well."""
    if draft.options.pidfd_socket:
        draft.commit.append(op("SEND_PIDFD", "unable to send the pidfd", socket=_PIDFD_SOCKET, name=pidfd_name))
    path = draft.options.pid_file
    if path:
        draft.commit.append(op("PID_FILE", f'unable to write the pid file "{path}"', path=path))


def listen_environment(options: "CreateOptions") -> list[str]:
    """What a socket-activated process finds in its environment."""
    entries = []
    if options.listen_fds:
        entries += [f"LISTEN_FDS={options.listen_fds}", "LISTEN_PID=1"]
        if options.listen_fdnames:
            entries.append(f"LISTEN_FDNAMES={options.listen_fdnames}")
    if options.notify_socket:
        entries.append(f"NOTIFY_SOCKET={_NOTIFY_DIRECTORY}/notify.sock")
    return entries


def plan_notify_socket(draft: Draft, options: "CreateOptions") -> None:
    """HOST and SETUP: a socket of ours below /run/notify, from which start forwards to the service manager's."""
    if not options.notify_socket:
        return
    tree = draft.slot()
    what = "unable to set up the notify socket"
    draft.host.append(op("NOTIFY_SOCKET", what, dir=STATE, tree=tree, host_path=options.notify_socket))
    draft.setup.append(op("MOUNT_TREE", what, "DIRECTORY", root=ROOTFS, tree=tree, target=_NOTIFY_DIRECTORY))
