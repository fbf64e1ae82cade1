"""A policy's operations: the tree closed around its open places, Landlock before the last filter, files for exec and the broker."""

from marshal import dumps
from typing import Any

import pytest

from runtime.abi.mounts import MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY
from runtime.errors import PolicyError
from runtime.plan.encode import encode_plan
from runtime.plan.exec_plan import compile_exec
from runtime.plan.layout import OP_FLAGS
from runtime.plan.options import Gate
from runtime.plan.saved_policy import decode_layers, decode_saved, encode_saved
from runtime.seccomp.program import Filter
from tests.runtime.plan.drafting import FILTER, config, exec_options, facts, names, one, ops, plan

NNP = {"noNewPrivileges": True}
POINTS = (("/", True, True), ("/usr", True, False), ("/w", False, True))
LANDLOCK = (13, 1, 2, ((4, "/etc"), (1, "/bin")), ((2, 443),))
NOTIFY = Filter(FILTER.program, None, True, ())


def test_the_tree_is_closed_around_open_places() -> None:
    """In one step, in the container's root, before anything is masked."""
    found = plan(config(linux={"maskedPaths": ["/x"]}), asked={"gate": Gate(points=POINTS)})
    closing = one(found, "CLOSE_FILES", "ROOT")
    assert closing.places == {"set": MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC}
    assert closing.blob == (str(MOUNT_ATTR_RDONLY), "/usr", str(MOUNT_ATTR_NOEXEC), "/w")
    order = names(found, "ROOT")
    assert order.index("PIVOT_ROOT") < order.index("CLOSE_FILES") < order.index("MASK_PATH")


@pytest.mark.parametrize(
    ("hierarchy", "numbers", "words"),
    [
        ("outside", (0, 0), "policy: cannot be held to its cgroup"),
        ("remountable", (0, 1), "policy: cannot be held to its cgroup"),
        ("own", (2, 0), "policy: cannot keep its limits"),
        ("every", (1, 0), "policy: needs a cgroup namespace of the container's own"),
    ],
)
def test_mounts_are_looked_at_when_all_are_there(hierarchy: str, numbers: tuple[int, int], words: str) -> None:
    """Before anything is closed, through a procfs of init's own; a foreground run gets one for it."""
    gate = Gate(points=POINTS, hierarchy=hierarchy)
    found = plan(asked={"gate": gate, "mode": "RUN"})
    view = one(found, "CGROUP_VIEW", "ROOT")
    assert (view.places["any"], view.places["read_only"], view.what) == (*numbers, words)
    assert view.places["proc"] == one(found, "PRIVATE_PROC", "SETUP").places["proc"]
    order = names(found, "ROOT")
    assert order.index("PIVOT_ROOT") < order.index("CGROUP_VIEW") < order.index("CLOSE_FILES")
    encode_plan(found)
    assert "PRIVATE_PROC" not in names(plan(asked={"gate": Gate(), "mode": "RUN"}), "SETUP")
    assert "CGROUP_VIEW" not in names(plan(asked={"gate": Gate()}), "ROOT")


def test_no_points_no_operations() -> None:
    """Without rules for files nothing is closed."""
    assert names(plan(asked={"gate": Gate()}), "ROOT") == names(plan(), "ROOT")


def test_too_many_places() -> None:
    """Each is a descriptor: a plan has only so many."""
    points = (("/", True, True), *((f"/p{number}", False, True) for number in range(300)))
    with pytest.raises(PolicyError, match="more than 240 paths that are opened need a mount of their own"):
        plan(asked={"gate": Gate(points=points)})


@pytest.mark.parametrize("joining", [False, True])
def test_landlock_around_the_identity(joining: bool) -> None:
    """Paths are looked up while we are root, the restriction comes right before the last filter; for exec as well."""
    if joining:
        asked = exec_options(gate=Gate(landlock=LANDLOCK))
        found = compile_exec({"cwd": "/", "args": ["x"], **NNP}, config(), asked, facts(), FILTER)
        encode_plan(found)
    else:
        found = plan(config(process=NNP), asked={"gate": Gate(landlock=LANDLOCK)}, compiled=FILTER)
    order = names(found, "FINAL")
    assert order[:4] == ["LANDLOCK_RULESET", "LANDLOCK_PATH", "LANDLOCK_PATH", "LANDLOCK_PORT"]
    assert order[-3:] == ["EXEC_PATH", "LANDLOCK_RESTRICT", "SECCOMP"]
    assert order.index("LANDLOCK_PORT") < order.index("SET_IDS")
    ruleset = one(found, "LANDLOCK_RULESET").places
    assert (ruleset["fs"], ruleset["net"], ruleset["scoped"]) == (13, 1, 2)
    assert [op.places["path"] for op in ops(found, "LANDLOCK_PATH")] == ["/etc", "/bin"]


def test_what_is_saved() -> None:
    """Before a listener could be sent: what exec needs, and the broker's table."""
    found = plan(asked={"gate": Gate(saved=b"saved", table=b"table")})
    saved = {op.places["name"]: op.blob for op in ops(found, "SAVE_FILE", "PARENT")}
    assert saved["policy.bin"] == b"saved"
    assert saved["broker.table"] == b"table"
    assert not [op for op in ops(plan(), "SAVE_FILE") if op.places["name"] in ("policy.bin", "broker.table")]


def test_the_listener_goes_to_the_broker() -> None:
    """Which answers, unlike an agent of the config's; its metadata are not for the broker."""
    linux = {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/agent", "listenerMetadata": "m"}}
    sent = one(
        plan(config(linux=linux), asked={"gate": Gate(listener="/r/@broker/socket")}, compiled=NOTIFY), "SEND_LISTENER"
    )
    assert (sent.places["path"], sent.places.get("answered")) == ("/r/@broker/socket", 1)
    assert "metadata" not in str(sent.places["middle"])
    own = one(plan(config(linux=linux), asked={"gate": Gate()}, compiled=NOTIFY), "SEND_LISTENER")
    assert (own.places["path"], own.places.get("answered")) == ("/agent", None)


def test_a_limit_that_is_never_raised() -> None:
    """Where the config does not say, the limit may be lower already."""
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 9, "hard": 9, "only_lower": True},
        {"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
    ]
    found = ops(plan(config(process={"rlimits": limits})), "RLIMIT", "READY")
    assert [op.flags for op in found] == [OP_FLAGS["OPTIONAL"], 0]


def test_what_was_saved_is_read_again() -> None:
    """By exec the gate and the bounds, by the broker's verbs the layers."""
    layers: list[dict[str, Any]] = [{"name": "p"}]
    data = encode_saved(
        Gate(landlock=LANDLOCK, listener="/s", points=POINTS),
        "p",
        (("CAP_KILL",), 5),
        {"noNewPrivileges": True},
        layers,
    )
    assert decode_saved(data) == (Gate(landlock=LANDLOCK, listener="/s"), (("CAP_KILL",), 5), {"noNewPrivileges": True})
    assert decode_layers(data) == ("p", (("CAP_KILL",), 5), layers)


@pytest.mark.parametrize(
    "data", [b"", b"N", b"i\x00\x00\x00\x00", b"garbage", encode_saved(Gate(), "p", (None, None), {}, [])[:-3]]
)
def test_damaged_files(data: bytes) -> None:
    """Are said to be so."""
    with pytest.raises(ValueError, match=r"^policy\.bin is damaged$"):
        decode_saved(data)


@pytest.mark.parametrize("parts", [5, 6, 7])
def test_files_of_another_version(parts: int) -> None:
    """Are said to be so, whatever else is in them."""
    data = dumps((1, *range(parts - 1)), 2)
    with pytest.raises(ValueError, match=r"^policy\.bin was written by another version$"):
        decode_saved(data)
