"""HOT: a broker for a container that is about to be made: one that can do for it what its policy says, as its site wants it done."""

import posix

from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.errors import BrokerError
from runtime.launch.broker import ensure_broker
from runtime.policy.broker_rights import RIGHTS
from runtime.policy.trusted import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.commands.invocation import Invocation
    from runtime.host.facts import HostFacts
    from runtime.launch.broker import Keeper


def require_broker(invocation: "Invocation", facts: "HostFacts") -> None:
    """Return when a broker listens whose [broker] section is that of the container's site, and which has our rights.

    One broker serves a state root, by the directory that it was started with; where that is another one, the sections may still say the
    same.  Raises: BrokerError.
    """
    wanted = invocation.policy_dir or DIRECTORY
    found = ensure_broker(invocation.root, invocation.exe_fd, invocation.policy_dir)
    require_rights(invocation.root, found, facts)
    if found.site == wanted:
        return
    from runtime.broker.settings import is_same

    if not is_same(found.site, wanted):
        raise BrokerError(
            f"the broker of {invocation.root} goes by [broker] of {found.site}/config.toml, and {wanted}/config.toml says otherwise: "
            "end its containers first, or use another --root"
        )


def require_rights(root: str, found: "Keeper", facts: "HostFacts") -> None:
    """Refuse a broker that somebody with less rights, or in other namespaces, has started: its calls would fail when they are made.

    What we lack ourselves the policy was lowered without.  Raises: BrokerError.
    """
    lacking = [name for name in RIGHTS if CAPABILITY_BITS[name] & facts.capabilities & ~found.capabilities]
    if lacking:
        problem = (
            f"runs without {', '.join(lacking)}, as who started it: it could not act for the container's processes"
        )
    elif found.user_ns != posix.stat("/proc/self/ns/user").st_ino:
        problem = "runs in another user namespace: it has no rights over the container's processes"
    elif found.pid_ns != posix.stat("/proc/self/ns/pid").st_ino:
        problem = "runs in another pid namespace: it does not see the container's processes"
    else:
        return
    raise BrokerError(f"the broker of {root} {problem}: end it first, or use another --root")
