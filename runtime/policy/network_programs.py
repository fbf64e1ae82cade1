"""The eBPF programs of a cgroup that enforce a policy's network rules.  Pure, hot.

A map gives for the longest prefix of an address two masks: the classes of ports that may be connected or sent to there, and those of
our own that may be reached from there.  A program looks the address up and shifts the mask by the class of the port.
Answers: 1 lets pass, 0 refuses (EPERM; a packet is dropped).
Source: Documentation/bpf/prog_cgroup_sockopt and libbpf's program types, linux/bpf.h, net/ipv4/af_inet.c, net/ipv4/udp.c.
"""

from runtime.abi import bpf
from runtime.abi.sockets import IPPROTO_ROUTING, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM
from runtime.policy.ebpf import FRAME, Assembly
from runtime.policy.port_classes import Ranges

EGRESS, INGRESS = 0, 8  # where the masks lie in a map's value
VALUE_SIZE = 16
KEY_SIZES = {4: 8, 6: 20}

# registers: 0 to 5 are lost in calls
_R0, _R1, _R2, _R3, _R4 = range(5)
_CTX, _MASK, _PROTOCOL, _PORT = 6, 7, 8, 9
_SOCKET = _MASK  # until the address is looked up
# the stack, from its end: the key (4 + 16 bytes), then two words
_KEY, _KEPT, _WORD = -24, -32, -40
_ETH_P_IP, _ETH_P_IPV6 = 0x0008, 0xDD86  # in network order
_PLAIN_IPV4 = 0x45  # version 4, a header of five words
_MAPPED = 0xFFFF0000  # the third word of ::ffff:a.b.c.d, in network order
_PLACES = {4: 0, 6: 1}  # of the maps, for the loader


def _look_up(code: Assembly, version: int) -> None:
    """r0 = the value for the address that lies in the key on the stack; to `deny` without one."""
    code.emit(bpf.BPF_ST_W, FRAME, off=_KEY, imm=32 if version == 4 else 128)
    code.emit(bpf.BPF_MOV64_X, _R2, FRAME)
    code.emit(bpf.BPF_ADD64_K, _R2, imm=_KEY)
    code.load_map(_R1, _PLACES[version])
    code.call(bpf.BPF_FUNC_MAP_LOOKUP_ELEM)
    code.jump("deny", bpf.BPF_JEQ_K, _R0)


def _test_ports(code: Assembly, ranges: "list[tuple[int, int, int]]", name: str, otherwise: str) -> None:
    """r0 = whether the mask holds the port's class, then on to `last`; to `otherwise` where no class is."""
    if not ranges:
        code.jump(otherwise)
        return
    free = 0  # the first port that no range has decided
    for index, (low, high, number) in enumerate(ranges):
        over = f"{name}{index}"
        if low > free:
            code.jump(otherwise, bpf.BPF_JLT_K, _PORT, low)
        if high < 0xFFFF:
            code.jump(over, bpf.BPF_JGT_K, _PORT, high)
        code.emit(bpf.BPF_MOV64_X, _R0, _MASK)
        if number:
            code.emit(bpf.BPF_RSH64_K, _R0, imm=number)
        code.jump(f"{name}_last")
        if high < 0xFFFF:
            code.label(over)
        free = high + 1
    if free <= 0xFFFF:
        code.jump(otherwise)
    code.label(f"{name}_last")


def _finish(code: Assembly) -> bytes:
    if code.has_jumps_to("allow"):
        code.label("allow")
        code.answer(1)
    if code.has_jumps_to("deny"):
        code.label("deny")
        code.answer(0)
    return code.assemble()


def _judge(code: Assembly, ranges: Ranges, protocol: int, otherwise: str) -> None:
    """The end of a program: whether the mask holds the port's class."""
    name = f"{otherwise}_{protocol}_"
    _test_ports(code, ranges[protocol], name, otherwise)
    if ranges[protocol]:
        code.emit(bpf.BPF_AND64_K, _R0, imm=1)
        code.emit(bpf.BPF_EXIT)


def _load_peer(code: Assembly) -> None:
    """Context, port and protocol of a bind, connect or sendmsg."""
    code.emit(bpf.BPF_MOV64_X, _CTX, _R1)
    code.emit(bpf.BPF_LDX_W, _PORT, _CTX, bpf.ADDR_USER_PORT)
    code.emit(bpf.BPF_BE, _PORT, imm=16)
    code.emit(bpf.BPF_LDX_W, _PROTOCOL, _CTX, bpf.ADDR_PROTOCOL)


def _look_up_ipv4_peer(code: Assembly) -> None:
    code.emit(bpf.BPF_LDX_W, _R1, _CTX, bpf.ADDR_USER_IP4)
    code.emit(bpf.BPF_STX_W, FRAME, _R1, _KEY + 4)
    _look_up(code, 4)


def _look_up_ipv6_peer(code: Assembly) -> None:
    words = (_R1, _R2, _R3, _R4)
    for index, word in enumerate(words):
        code.emit(bpf.BPF_LDX_W, word, _CTX, bpf.ADDR_USER_IP6 + 4 * index)
        code.emit(bpf.BPF_STX_W, FRAME, word, _KEY + 4 + 4 * index)
    for word, imm in zip(words, (0, 0, _MAPPED), strict=False):
        code.jump("ipv6", bpf.BPF_JNE_W, word, imm)
    code.emit(bpf.BPF_STX_W, FRAME, _R4, _KEY + 4)
    _look_up(code, 4)
    code.jump("found")
    code.label("ipv6")
    _look_up(code, 6)
    code.label("found")


def peer_program(version: int, ranges: Ranges) -> bytes:
    """connect and sendmsg: the peer is judged.  `version` is that of the hook; IPv4-mapped addresses are IPv4's."""
    code = Assembly()
    _load_peer(code)
    if version == 4:
        _look_up_ipv4_peer(code)
    else:
        _look_up_ipv6_peer(code)
    code.emit(bpf.BPF_LDX_DW, _MASK, _R0, EGRESS)
    code.jump("udp", bpf.BPF_JEQ_K, _PROTOCOL, IPPROTO_UDP)
    code.jump("deny", bpf.BPF_JNE_K, _PROTOCOL, IPPROTO_TCP)
    _judge(code, ranges, IPPROTO_TCP, "deny")
    code.label("udp")
    _judge(code, ranges, IPPROTO_UDP, "deny")
    return _finish(code)


def bind_program(ranges: Ranges) -> bytes:
    """bind: the port is judged, whatever the address; port 0 lets the kernel choose one, as connect does without a bind."""
    code = Assembly()
    _load_peer(code)
    code.jump("allow", bpf.BPF_JEQ_K, _PORT)
    code.jump("udp", bpf.BPF_JEQ_K, _PROTOCOL, IPPROTO_UDP)
    code.jump("deny", bpf.BPF_JNE_K, _PROTOCOL, IPPROTO_TCP)
    _allow_ports(code, ranges[IPPROTO_TCP])
    code.label("udp")
    _allow_ports(code, ranges[IPPROTO_UDP])
    return _finish(code)


def _allow_ports(code: Assembly, ranges: "list[tuple[int, int, int]]") -> None:
    """To `allow` for a port in the ranges, else to `deny`."""
    for low, high, _number in ranges:
        code.jump("deny", bpf.BPF_JLT_K, _PORT, low)
        code.jump("allow", bpf.BPF_JLT_K, _PORT, high + 1)
    code.jump("deny")


def socket_program(families: "tuple[int, ...]") -> bytes:
    """socket: of AF_INET and AF_INET6 only TCP streams and UDP datagrams, because no hook judges what others send."""
    code = Assembly()
    code.emit(bpf.BPF_LDX_W, _R2, _R1, bpf.SOCK_FAMILY)
    code.emit(bpf.BPF_LDX_W, _R3, _R1, bpf.SOCK_TYPE)
    code.emit(bpf.BPF_LDX_W, _R4, _R1, bpf.SOCK_PROTOCOL)
    for family in families:
        code.jump("type", bpf.BPF_JEQ_K, _R2, family)
    code.jump("deny")
    code.label("type")
    code.jump("datagram", bpf.BPF_JNE_K, _R3, SOCK_STREAM)
    code.jump("allow", bpf.BPF_JEQ_K, _R4, IPPROTO_TCP)
    code.jump("deny")
    code.label("datagram")
    code.jump("deny", bpf.BPF_JNE_K, _R3, SOCK_DGRAM)
    code.jump("deny", bpf.BPF_JNE_K, _R4, IPPROTO_UDP)
    return _finish(code)


def _load_packet(code: Assembly, offset: int, to: int, size: int) -> None:
    """Bytes of the packet, from its IP header on, to the stack; to `deny` where it has none."""
    code.emit(bpf.BPF_MOV64_X, _R1, _CTX)
    code.emit(bpf.BPF_MOV32_K, _R2, imm=offset)
    _load_bytes(code, to, size)


def _load_bytes(code: Assembly, to: int, size: int) -> None:
    code.emit(bpf.BPF_MOV64_X, _R3, FRAME)
    code.emit(bpf.BPF_ADD64_K, _R3, imm=to)
    code.emit(bpf.BPF_MOV32_K, _R4, imm=size)
    code.call(bpf.BPF_FUNC_SKB_LOAD_BYTES)
    code.jump("deny", bpf.BPF_JNE_K, _R0)


def route_program() -> bytes:
    """A packet that leaves: none with a source route, whose first stop is not the peer that was judged.

    Any process may ask for IPv6's (IPV6_RTHDR; the headers before it need CAP_NET_RAW), and on older kernels for IPv4's, which is an
    option of the IP header: a header with any option stays.
    """
    code = Assembly()
    code.emit(bpf.BPF_MOV64_X, _CTX, _R1)
    code.emit(bpf.BPF_LDX_W, _PROTOCOL, _CTX, bpf.SKB_PROTOCOL)
    code.jump("ipv6", bpf.BPF_JEQ_K, _PROTOCOL, _ETH_P_IPV6)
    _load_packet(code, 0, _WORD, 1)
    code.emit(bpf.BPF_LDX_B, _R1, FRAME, _WORD)
    code.jump("allow", bpf.BPF_JEQ_K, _R1, _PLAIN_IPV4)
    code.jump("deny")
    code.label("ipv6")
    _load_packet(code, 6, _WORD, 1)
    code.emit(bpf.BPF_LDX_B, _R1, FRAME, _WORD)
    code.jump("deny", bpf.BPF_JEQ_K, _R1, IPPROTO_ROUTING)
    return _finish(code)


def ingress_program(ingress: Ranges, egress: Ranges | None) -> bytes:
    """A packet that reaches a socket: what begins a connection to us is judged, and datagrams that no connected socket gets.

    A datagram is also let in as the answer of somebody whom `egress` lets us send to (None: that is not known of anybody).
    """
    code = Assembly()
    code.emit(bpf.BPF_MOV64_X, _CTX, _R1)
    code.emit(bpf.BPF_LDX_DW, _R1, _CTX, bpf.SKB_SK)
    code.jump("deny", bpf.BPF_JEQ_K, _R1)
    code.call(bpf.BPF_FUNC_SK_FULLSOCK)
    code.jump("deny", bpf.BPF_JEQ_K, _R0)
    code.emit(bpf.BPF_LDX_W, _PROTOCOL, _R0, bpf.SOCK_PROTOCOL)
    code.emit(bpf.BPF_LDX_W, _PORT, _R0, bpf.SOCK_SRC_PORT)
    code.jump("datagram", bpf.BPF_JEQ_K, _PROTOCOL, IPPROTO_UDP)
    code.jump("deny", bpf.BPF_JNE_K, _PROTOCOL, IPPROTO_TCP)
    # what reaches a listening socket begins a connection; one that we began was judged by connect
    code.emit(bpf.BPF_LDX_W, _R1, _R0, bpf.SOCK_STATE)
    code.jump("allow", bpf.BPF_JNE_K, _R1, bpf.BPF_TCP_LISTEN)
    code.jump("judge")
    code.label("datagram")
    # a connected socket gets datagrams of its peer alone, and the peer was judged by connect
    code.emit(bpf.BPF_LDX_H, _R1, _R0, bpf.SOCK_DST_PORT)
    code.jump("allow", bpf.BPF_JNE_K, _R1)
    code.label("judge")
    _look_up_source(code)
    code.emit(bpf.BPF_LDX_DW, _MASK, _R0, INGRESS)
    if egress is not None:
        code.emit(bpf.BPF_LDX_DW, _R1, _R0, EGRESS)
        code.emit(bpf.BPF_STX_DW, FRAME, _R1, _KEPT)
    code.jump("udp", bpf.BPF_JEQ_K, _PROTOCOL, IPPROTO_UDP)
    _judge(code, ingress, IPPROTO_TCP, "deny")
    code.label("udp")
    if egress is None:
        _judge(code, ingress, IPPROTO_UDP, "deny")
    else:
        _judge_datagram(code, ingress, egress)
    return _finish(code)


def _look_up_source(code: Assembly) -> None:
    code.emit(bpf.BPF_LDX_W, _R1, _CTX, bpf.SKB_PROTOCOL)
    code.jump("ipv6", bpf.BPF_JEQ_K, _R1, _ETH_P_IPV6)
    code.jump("deny", bpf.BPF_JNE_K, _R1, _ETH_P_IP)
    _load_packet(code, 12, _KEY + 4, 4)
    _look_up(code, 4)
    code.jump("found")
    code.label("ipv6")
    _load_packet(code, 8, _KEY + 4, 16)
    _look_up(code, 6)
    code.label("found")


def _judge_datagram(code: Assembly, ingress: Ranges, egress: Ranges) -> None:
    if ingress[IPPROTO_UDP]:
        _test_ports(code, ingress[IPPROTO_UDP], "own", "reply")
        code.jump("allow", bpf.BPF_JSET_K, _R0, 1)
    code.label("reply")
    code.emit(bpf.BPF_LDX_W, _R1, _CTX, bpf.SKB_PROTOCOL)
    code.jump("reply6", bpf.BPF_JEQ_K, _R1, _ETH_P_IPV6)
    _load_packet(code, 0, _WORD, 1)
    code.emit(bpf.BPF_LDX_B, _R2, FRAME, _WORD)
    code.emit(bpf.BPF_AND32_K, _R2, imm=0x0F)
    code.emit(bpf.BPF_LSH32_K, _R2, imm=2)  # the IPv4 header's length in bytes
    code.jump("source_port")
    code.label("reply6")
    _load_packet(code, 6, _WORD, 1)
    code.emit(bpf.BPF_LDX_B, _R1, FRAME, _WORD)
    code.jump("deny", bpf.BPF_JNE_K, _R1, IPPROTO_UDP)  # extension headers are not walked
    code.emit(bpf.BPF_MOV32_K, _R2, imm=40)
    code.label("source_port")
    code.emit(bpf.BPF_MOV64_X, _R1, _CTX)
    _load_bytes(code, _WORD, 2)
    code.emit(bpf.BPF_LDX_H, _PORT, FRAME, _WORD)
    code.emit(bpf.BPF_BE, _PORT, imm=16)
    code.emit(bpf.BPF_LDX_DW, _MASK, FRAME, _KEPT)
    _judge(code, egress, IPPROTO_UDP, "deny")
