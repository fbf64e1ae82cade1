"""eBPF instructions as far as a cgroup device program needs them.  Source: linux/bpf.h, linux/bpf_common.h.

An instruction is 8 bytes: opcode, destination and source register (4 bits each), 16-bit jump offset, 32-bit immediate.
"""

INSN = "<BBhi"
INSN_SIZE = 8

BPF_LDX_W = 0x61  # dst = *(u32 *)(src + off)
BPF_MOV32_K = 0xB4  # w_dst = imm
BPF_MOV32_X = 0xBC  # w_dst = w_src
BPF_AND32_K = 0x54  # w_dst &= imm
BPF_RSH32_K = 0x74  # w_dst >>= imm
BPF_JA = 0x05  # pc += off
BPF_JNE32_K = 0x56  # if w_dst != imm: pc += off
BPF_JSET32_K = 0x46  # if w_dst & imm: pc += off
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
