"""HOT: a broker for a container that is about to be made: one that goes by the same configuration as the container."""

from runtime.errors import BrokerError
from runtime.launch.broker import ensure_broker
from runtime.policy.trusted import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.commands.invocation import Invocation


def require_broker(invocation: "Invocation") -> None:
    """Return when a broker listens whose [broker] section is that of the container's site.

    One broker serves a state root, by the directory that it was started with; where that is another one, the sections may still say the
    same.  Raises: BrokerError.
    """
    wanted = invocation.policy_dir or DIRECTORY
    found = ensure_broker(invocation.root, invocation.exe_fd, invocation.policy_dir)
    if found == wanted:
        return
    from runtime.broker.settings import is_same

    if not is_same(found, wanted):
        raise BrokerError(
            f"the broker of {invocation.root} goes by [broker] of {found}/config.toml, and {wanted}/config.toml says otherwise: "
            "end its containers first, or use another --root"
        )
