"""Launch plans for the reader's tests: one that holds every operation, one that is as small as a plan can be."""

from __future__ import annotations

from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import Blob, LaunchPlan, Op, op
from runtime.plan.layout import OPS, STAGES, parse_places
from runtime.plan.programs import encode_programs

FIRST_STAGE = {"P": "HOST", "I": "SETUP", "PI": "HOST"}
BLOBS: dict[str, Blob] = {
    "": None,
    "bytes": b"sixteen bytes it",
    "u32": (1, 2, 3),
    "u64": (1 << 40, 2),
    "list": ("first", "second"),
    "list2": (("program", "argument"), ("NAME=value",)),
}
# a map of three keys of two bytes and values of three, and two programs
TABLE = encode_programs(
    ((11, 2, 3, 0, b"k1v1 k2v2 k3v3 "),),
    (("name", "a label", 18, 10, b"eight by" * 2), ("", "", 15, 6, b"eight by")),
)


def sample_op(name: str, slot: int) -> Op:
    """An operation with every place in use: inputs read slot 0, outputs fill `slot`."""
    _half, slots, numbers, strings, blob, _text = OPS[name]
    fields: dict[str, int | str | None] = {
        word: slot if output else 0 for word, _optional, output in parse_places(slots)
    }
    fields |= {word: index + 1 for index, (word, _optional, _output) in enumerate(parse_places(numbers))}
    fields |= {word: f"text of {word}" for word, _optional, _output in parse_places(strings)}
    content = TABLE if name == "BPF_PROGRAMS" else BLOBS[blob]
    return op(name, f"doing {name}", blob=content, spare=1 if blob == "list2" else 0, **fields)


def make_plan(mode: str, stages: dict[str, list[Op]]) -> LaunchPlan:
    """A plan of these stages with plausible header fields."""
    texts = ("web", "/run/postern", "create failed: ", "/log", "/sys/fs/cgroup", "/web", '{"status":"', ',"b":"/b"}')
    return LaunchPlan(mode, 0, 0x20000, stages, *texts)


def every_operation() -> LaunchPlan:
    """All operations, each in the first stage that it may stand in."""
    stages: dict[str, list[Op]] = {name: [] for name, _half, _text in STAGES}
    stages["HOST"].append(op("OPEN_PATH", "opening", fd=0, path="/"))
    for number, name in enumerate(OPS):
        stages[FIRST_STAGE[OPS[name][0]]].append(sample_op(name, 16 + number))
    return make_plan("CREATE", stages)


def smallest() -> LaunchPlan:
    """No operation at all."""
    return make_plan("RUN", {})


def saved_hooks() -> LaunchPlan:
    """What `create` leaves for `start` and `delete`."""
    return make_plan("HOOKS", {"POST": [sample_op("HOOK", 16)], "STOP": [sample_op("HOOK", 16)]})


def programs() -> LaunchPlan:
    """Little but a table of programs."""
    steps = [op("OPEN_PATH", "", fd=1, path="/"), op("BPF_PROGRAMS", "", cgroup=1, blob=TABLE)]
    return make_plan("CREATE", {"HOST": steps})


def images() -> dict[str, bytes]:
    """Encoded plans by name."""
    plans = {"every": every_operation(), "smallest": smallest(), "hooks": saved_hooks(), "programs": programs()}
    return {name: encode_plan(plan) for name, plan in plans.items()}
