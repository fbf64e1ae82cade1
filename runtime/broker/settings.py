"""The broker's part of the site's configuration: `[broker]` in the config.toml of the directory that the broker was started with.

Root's file alone decides which Python code may answer in a policy's name; a file that others could write is not read.
"""

from runtime.errors import BrokerError, PolicyError
from runtime.policy.trusted import DIRECTORY, read_trusted
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOGS = ("file", "journald")


@record
class Settings:
    """`log`: one of LOGS; `handlers`: `module:function` that may answer; `handler_path`: where their modules are; `site`: who says so."""

    log: str = "file"
    handlers: tuple[str, ...] = ()
    handler_path: str = f"{DIRECTORY}/handlers"
    site: str = DIRECTORY


def _choice(path: str, site: str, table: "dict[str, Any]") -> Settings:
    unknown = set(table) - {"log", "handlers", "handler_path"}
    log, handlers = table.get("log", "file"), table.get("handlers", [])
    place = table.get("handler_path", f"{site}/handlers")
    if unknown:
        raise BrokerError(f"{path}: [broker] has no key {', '.join(sorted(unknown))}")
    if log not in LOGS:
        raise BrokerError(f"{path}: [broker] log is {' or '.join(LOGS)}")
    if not isinstance(handlers, list) or not all(isinstance(name, str) and name.count(":") == 1 for name in handlers):
        raise BrokerError(f'{path}: [broker] handlers is a list of "module:function"')
    if not isinstance(place, str) or place[:1] != "/":
        raise BrokerError(f"{path}: [broker] handler_path is an absolute path")
    return Settings(log, tuple(handlers), place, site)


def load_settings(site: str = DIRECTORY) -> Settings:
    """What `site`/config.toml says, or what holds without one.

    Raises: BrokerError, also for a file, or a directory above it, that others could write.
    """
    path = f"{site}/config.toml"
    try:
        data = read_trusted(path, site)
    except PolicyError as error:
        raise BrokerError("; ".join(error.violations)) from None
    if data is None:
        return _choice(path, site, {})
    import tomllib

    try:
        table = tomllib.loads(data.decode()).get("broker", {})
    except ValueError as error:
        raise BrokerError(f"{path}: {error}") from None
    if not isinstance(table, dict):
        raise BrokerError(f"{path}: [broker] is a table")
    return _choice(path, site, table)


def is_same(site: str, other: str) -> bool:
    """Whether two sites want the same of their broker.  Raises: BrokerError for one that cannot be read."""
    found = [load_settings(site), load_settings(other)]
    # without functions nothing is looked for where they would be
    plain = [(one.log, one.handlers, one.handler_path if one.handlers else "") for one in found]
    return plain[0] == plain[1]
