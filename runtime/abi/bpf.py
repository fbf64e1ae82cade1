"""eBPF as far as the programs of a cgroup need it: instructions, contexts, kinds of programs and maps.

Source: linux/bpf.h, linux/bpf_common.h.

An instruction is 8 bytes: opcode, destination and source register (4 bits each), 16-bit jump offset, 32-bit immediate.
"""

INSN = "<BBhi"
INSN_SIZE = 8

BPF_LDX_W = 0x61  # dst = *(u32 *)(src + off)
BPF_LDX_H = 0x69  # dst = *(u16 *)(src + off)
BPF_LDX_B = 0x71  # dst = *(u8 *)(src + off)
BPF_LDX_DW = 0x79  # dst = *(u64 *)(src + off)
BPF_ST_W = 0x62  # *(u32 *)(dst + off) = imm
BPF_STX_W = 0x63  # *(u32 *)(dst + off) = src
BPF_STX_DW = 0x7B  # *(u64 *)(dst + off) = src
BPF_LD_IMM64 = 0x18  # dst = a 64-bit constant, of which the next instruction holds the upper half
BPF_PSEUDO_MAP_FD = 1  # in its source register: the constant is a map
BPF_MOV32_K = 0xB4  # w_dst = imm
BPF_MOV32_X = 0xBC  # w_dst = w_src
BPF_MOV64_X = 0xBF  # dst = src
BPF_ADD64_K = 0x07  # dst += imm
BPF_RSH64_K = 0x77  # dst >>= imm
BPF_AND64_K = 0x57  # dst &= imm
BPF_LSH32_K = 0x64  # w_dst <<= imm
BPF_BE = 0xDC  # dst = big-endian dst, its lowest imm bits
BPF_AND32_K = 0x54  # w_dst &= imm
BPF_RSH32_K = 0x74  # w_dst >>= imm
BPF_JA = 0x05  # pc += off
BPF_JNE32_K = 0x56  # if w_dst != imm: pc += off
BPF_JSET32_K = 0x46  # if w_dst & imm: pc += off
BPF_JEQ_K = 0x15  # if dst == imm: pc += off
BPF_JNE_K = 0x55
BPF_JSET_K = 0x45
BPF_JGT_K = 0x25
BPF_JLT_K = 0xA5
BPF_JEQ_W = 0x16  # the same for the lower halves
BPF_JNE_W = 0x56
BPF_CALL = 0x85  # r0 = helper imm of r1 to r5, which are lost
BPF_EXIT = 0x95

# struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, access_type = access << 16 | type
CTX_ACCESS_TYPE = 0
CTX_MAJOR = 4
CTX_MINOR = 8
BPF_DEVCG_DEV_BLOCK = 1
BPF_DEVCG_DEV_CHAR = 2
BPF_DEVCG_ACC_MKNOD = 1
BPF_DEVCG_ACC_READ = 2
BPF_DEVCG_ACC_WRITE = 4

# struct bpf_sock_addr: bind, connect, sendmsg; addresses and ports in network order, a port in the low half of its word
ADDR_USER_IP4 = 4
ADDR_USER_IP6 = 8
ADDR_USER_PORT = 24
ADDR_PROTOCOL = 36
# struct bpf_sock: a socket; src_port in host order, dst_port in network order
SOCK_FAMILY = 4
SOCK_TYPE = 8
SOCK_PROTOCOL = 12
SOCK_SRC_PORT = 44
SOCK_DST_PORT = 48
SOCK_STATE = 72
BPF_TCP_LISTEN = 10
# struct __sk_buff: a packet; protocol is the Ethernet type in network order
SKB_PROTOCOL = 16
SKB_SK = 168

BPF_FUNC_MAP_LOOKUP_ELEM = 1  # (map, key) -> value or NULL
BPF_FUNC_SKB_LOAD_BYTES = 26  # (skb, offset, to, length) -> 0 or -errno
BPF_FUNC_SK_FULLSOCK = 95  # (sock) -> the whole socket or NULL

BPF_MAP_TYPE_LPM_TRIE = 11
BPF_F_NO_PREALLOC = 1 << 0
BPF_F_RDONLY_PROG = 1 << 7

BPF_PROG_TYPES = {"CGROUP_SKB": 8, "CGROUP_SOCK": 9, "CGROUP_DEVICE": 15, "CGROUP_SOCK_ADDR": 18}
BPF_ATTACH_TYPES = {
    "INET_INGRESS": 0,
    "INET_EGRESS": 1,
    "INET_SOCK_CREATE": 2,
    "DEVICE": 6,
    "INET4_BIND": 8,
    "INET6_BIND": 9,
    "INET4_CONNECT": 10,
    "INET6_CONNECT": 11,
    "UDP4_SENDMSG": 14,
    "UDP6_SENDMSG": 15,
}
