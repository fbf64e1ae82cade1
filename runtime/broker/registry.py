"""What a worker knows of each listener: whose it is, and by which table its calls are decided."""

import posix

from runtime.broker.keeper_wire import FLAG_JOINED, FLAG_TABLE, Message
from runtime.broker.table import decode_head

_MOST_HEADS, _LARGE = 16, 1 << 16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Registration:
    """One listener.  `index` is the core's, -1 while nothing decides yet; the descriptors are ours until `close`."""

    __slots__ = (
        "container_id",
        "deadline_ns",
        "exe",
        "head",
        "index",
        "init",
        "joined",
        "key",
        "listener",
        "metadata",
        "pid",
        "table",
    )

    def __init__(self, message: Message) -> None:
        """Take over what the keeper sent."""
        self.key = message.key
        self.container_id = message.container_id
        self.pid = message.pid
        self.init = message.pid  # the container's: tells it from earlier ones of the same ID
        self.joined = bool(message.flags & FLAG_JOINED)
        self.exe = (message.exe_device, message.exe_inode)
        self.metadata = message.metadata
        self.deadline_ns = message.deadline_ns
        self.listener = message.fds[0]
        self.table = message.fds[1] if message.flags & FLAG_TABLE else -1
        self.index = -1
        self.head: dict[str, Any] = {}

    @property
    def policy(self) -> str:
        """The name of the policy that decides; empty while there is none."""
        name = self.head.get("name")
        return name if isinstance(name, str) else ""

    def close(self) -> None:
        """Give the descriptors up."""
        for fd in (self.listener, self.table):
            if fd >= 0:
                posix.close(fd)
        self.listener = self.table = -1

    def as_message(self, kind: int) -> Message:
        """What a keeper has to know, with the descriptors."""
        flags = (FLAG_TABLE if self.table >= 0 else 0) | (FLAG_JOINED if self.joined else 0)
        return Message(
            kind=kind,
            flags=flags,
            key=self.key,
            pid=self.pid,
            exe_device=self.exe[0],
            exe_inode=self.exe[1],
            deadline_ns=self.deadline_ns,
            container_id=self.container_id,
            metadata=self.metadata,
            fds=(self.listener, self.table) if self.table >= 0 else (self.listener,),
        )


class Heads:
    """What tables say at their heads, kept once for tables that are equal, as those of a policy's containers are."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """None yet."""
        self._known: dict[bytes, dict[str, Any]] = {}

    def read(self, fd: int) -> "dict[str, Any]":
        """The head of a table's file; nobody may change it.  Raises: OSError, ValueError."""
        table = posix.pread(fd, posix.fstat(fd).st_size, 0)
        head = self._known.get(table)
        if head is None:
            head = decode_head(table)
            if len(table) <= _LARGE:
                if len(self._known) >= _MOST_HEADS:
                    del self._known[next(iter(self._known))]
                self._known[table] = head
        return head


class Registry:
    """All registrations, by the keeper's key."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        """None yet."""
        self._by_key: dict[int, Registration] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> "Iterator[Registration]":
        return iter(list(self._by_key.values()))

    def add(self, registration: Registration) -> None:
        """Remember one."""
        if registration.joined:
            found = [one.pid for one in self.of_container(registration.container_id) if not one.joined]
            registration.init = found[0] if found else registration.init
        self._by_key[registration.key] = registration

    def find(self, key: int) -> Registration | None:
        """The one with this key."""
        return self._by_key.get(key)

    def remove(self, registration: Registration) -> None:
        """Forget one and close its descriptors."""
        self._by_key.pop(registration.key, None)
        registration.close()

    def of_init(self, pid: int) -> str:
        """The container whose init, or process that joined it, has this pid; "" where there is none."""
        return next((one.container_id for one in self._by_key.values() if one.pid == pid), "")

    def of_container(self, container_id: str) -> list[Registration]:
        """Its init's and those of processes that joined it."""
        return [one for one in self._by_key.values() if one.container_id == container_id]
