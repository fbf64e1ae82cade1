"""A seccomp program as text: one line an instruction, jump targets as line numbers, constants by name."""

from runtime.seccomp.arches import ARCHES
from runtime.seccomp.assemble import (
    ALU_AND_K,
    JMP_JA,
    JMP_JEQ_K,
    JMP_JGE_K,
    JMP_JGT_K,
    JMP_JSET_K,
    LD_W_ABS,
    RET_K,
)
from runtime.seccomp.filter import (
    RET_ALLOW,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
    RET_USER_NOTIF,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.interpret import Instruction

ACTIONS = {
    RET_ALLOW: "ALLOW",
    RET_ERRNO: "ERRNO",
    RET_KILL_PROCESS: "KILL_PROCESS",
    RET_KILL_THREAD: "KILL_THREAD",
    RET_LOG: "LOG",
    RET_TRACE: "TRACE",
    RET_TRAP: "TRAP",
    RET_USER_NOTIF: "USER_NOTIF",
}
JUMPS = {JMP_JEQ_K: "==", JMP_JGT_K: ">", JMP_JGE_K: ">=", JMP_JSET_K: "&"}


def verdict_text(verdict: int) -> str:
    """A SECCOMP_RET_* value in words: `ALLOW`, `ERRNO(1)`."""
    action, data = verdict & 0xFFFF0000, verdict & 0xFFFF
    name = ACTIONS.get(action)
    if name is None:
        return f"{verdict:#010x}"
    return f"{name}({data})" if data or action == RET_ERRNO else name


def disassemble(program: "tuple[Instruction, ...]", *, big_endian: bool = False) -> list[str]:
    """The lines of a decoded program."""
    lines = []
    loaded = ""
    for position, instruction in enumerate(program):
        if instruction.code == LD_W_ABS:
            loaded = _field(instruction.k, big_endian=big_endian)
        lines.append(f"{position:4}  {_instruction(position, instruction, loaded, big_endian=big_endian)}")
    return lines


def _instruction(position: int, instruction: "Instruction", loaded: str, *, big_endian: bool) -> str:
    code, k = instruction.code, instruction.k
    if code == LD_W_ABS:
        return f"load {_field(k, big_endian=big_endian)}"
    if code == ALU_AND_K:
        return f"and {k:#x}"
    if code == RET_K:
        return f"return {verdict_text(k)}"
    if code == JMP_JA:
        return f"goto {position + 1 + k}"
    value = _audit_name(k) if loaded == "arch" else f"{k:#x}"
    return f"if {JUMPS[code]} {value} goto {position + 1 + instruction.jt} else {position + 1 + instruction.jf}"


def _field(offset: int, *, big_endian: bool) -> str:
    if offset < 16:
        return ("nr", "arch", "instruction_pointer[0]", "instruction_pointer[4]")[offset // 4]
    argument, half = divmod(offset - 16, 8)
    return f"args[{argument}].{'high' if bool(half) != big_endian else 'low'}"


def _audit_name(audit: int) -> str:
    names = [token.removeprefix("SCMP_ARCH_") for token, facts in ARCHES.items() if facts[0] == audit]
    return names[0] if names else f"{audit:#x}"
