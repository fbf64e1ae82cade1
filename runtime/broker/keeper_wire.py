"""What keeper and worker say to each other: packets over a SOCK_SEQPACKET pair, descriptors beside them.

The C side is `struct keeper_message` in runtime/native/keeper.h; a test holds the two together.
"""

import socket
from _struct import Struct

from runtime.record import record

HELLO, SERVE, ADD, OVER = 1, 2, 3, 4
READY, TABLE, LIMIT, GONE, SETTLED = 16, 17, 18, 19, 20
FLAG_TABLE, FLAG_JOINED = 1, 2
_MESSAGE = Struct("<IIQiIQQqII")
MESSAGE_SIZE = _MESSAGE.size
_LARGEST = MESSAGE_SIZE + 4096
_MAX_FDS = 4


@record
class Message:
    """One packet; `fds` are the receiver's.  `deadline_ns` is of CLOCK_MONOTONIC, 0 for none."""

    kind: int
    flags: int = 0
    key: int = 0
    pid: int = 0
    exe_device: int = 0
    exe_inode: int = 0
    deadline_ns: int = 0
    registrations: int = 0
    container_id: str = ""
    metadata: str = ""
    fds: tuple[int, ...] = ()


def encode(message: Message) -> bytes:
    """The packet without its descriptors."""
    container_id = message.container_id.encode()
    metadata = message.metadata.encode("utf-8", "surrogateescape")
    head = _MESSAGE.pack(
        message.kind,
        message.flags,
        message.key,
        message.pid,
        len(container_id),
        message.exe_device,
        message.exe_inode,
        message.deadline_ns,
        len(metadata),
        message.registrations,
    )
    return head + container_id + metadata


def decode(data: bytes, fds: tuple[int, ...] = ()) -> Message:
    """The message of a packet.  Raises: ValueError for what a keeper does not send."""
    if len(data) < MESSAGE_SIZE:
        raise ValueError("a packet of the keeper is too short")
    kind, flags, key, pid, id_size, device, inode, deadline, metadata_size, count = _MESSAGE.unpack_from(data)
    texts = data[MESSAGE_SIZE:]
    if len(texts) != id_size + metadata_size:
        raise ValueError("a packet of the keeper has another size than it says")
    return Message(
        kind,
        flags,
        key,
        pid,
        device,
        inode,
        deadline,
        count,
        texts[:id_size].decode("utf-8", "surrogateescape"),
        texts[id_size:].decode("utf-8", "surrogateescape"),
        fds,
    )


def receive(channel: socket.socket) -> Message | None:
    """The next message, None when the keeper has ended.  Raises: OSError, ValueError."""
    data, fds, _flags, _address = socket.recv_fds(channel, _LARGEST, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
    return decode(data, tuple(fds)) if data else None


def send(channel: socket.socket, message: Message) -> None:
    """Send a message with its descriptors, which stay the caller's.  Raises: OSError."""
    if message.fds:
        socket.send_fds(channel, [encode(message)], list(message.fds), socket.MSG_NOSIGNAL)
    else:
        channel.send(encode(message), socket.MSG_NOSIGNAL)
