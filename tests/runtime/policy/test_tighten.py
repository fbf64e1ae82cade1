"""The config that a policy leaves: never more than there was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups.resources import compile_limits
from runtime.policy.resource_bounds import bound_resources
from runtime.policy.tighten import tighten_process
from tests.runtime.plan.drafting import config
from tests.runtime.policy.layering import layer, lowered, network, refusal, row_of

SETS = {
    "bounding": ["CAP_KILL", "CAP_CHOWN"],
    "effective": ["CAP_KILL"],
    "permitted": ["CAP_CHOWN"],
    "inheritable": [],
    "ambient": None,
}


def capabilities(*names: str) -> dict[str, Any]:
    """A layer with capabilities."""
    return layer(capabilities={"allow": list(names), "rule": 0})


def test_no_new_privs_always() -> None:
    """Even by a policy that says nothing."""
    assert lowered(layer()).config["process"]["noNewPrivileges"] is True


def test_the_config_that_came_in_stays() -> None:
    """What comes out is another one."""
    made = config(process={"capabilities": SETS})
    before = repr(made)
    lowered(capabilities(), layer(resources={"pids": {"limit": 4}}), made=made)
    assert repr(made) == before


def test_capabilities_are_an_intersection() -> None:
    """In all five sets, of all layers."""
    made = config(process={"capabilities": SETS})
    found = lowered(
        capabilities("CAP_KILL", "CAP_SYS_ADMIN"), capabilities("CAP_SYS_ADMIN", "CAP_KILL", "CAP_CHOWN"), made=made
    )
    assert found.config["process"]["capabilities"] == {
        "bounding": ["CAP_KILL"],
        "effective": ["CAP_KILL"],
        "permitted": [],
        "inheritable": [],
        "ambient": None,
    }
    assert found.bound == (("CAP_KILL", "CAP_SYS_ADMIN"), None)


def test_judged_sockets_take_capabilities() -> None:
    """With those packets could be sent that no socket sends."""
    made = config(process={"capabilities": {"bounding": ["CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_KILL"]}})
    found = lowered(network(egress=[], domains=[1, 2]), made=made)
    assert found.config["process"]["capabilities"] == {"bounding": ["CAP_KILL"]}


def test_open_files() -> None:
    """The lowest of all; where the config says nothing, a limit that is never raised."""
    layers = [layer(limits={"wall_time_ms": None, "open_files": number}) for number in (500, 400)]
    assert lowered(*layers).config["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 400, "hard": 400, "only_lower": True}
    ]
    made = config(
        process={
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 300, "hard": 900},
                {"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
            ]
        }
    )
    assert lowered(*layers, made=made).config["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400},
        {"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
    ]


def test_a_process_that_joins() -> None:
    """What exec asks for is cut to the same bounds."""
    process = {"capabilities": SETS, "noNewPrivileges": False, "args": ["x"]}
    found = tighten_process(process, ["CAP_CHOWN"], 9)
    assert found["noNewPrivileges"] is True
    assert found["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert found["rlimits"][0]["hard"] == 9
    assert tighten_process(process, None, None)["capabilities"] == SETS


@pytest.mark.parametrize(
    ("own", "bound", "expected"),
    [
        ({}, {"memory": {"limit": 9}}, {"memory": {"limit": 9}}),
        ({"memory": {"limit": 5}}, {"memory": {"limit": 9}}, {"memory": {"limit": 5}}),
        ({"memory": {"limit": -1}}, {"memory": {"limit": 9}}, {"memory": {"limit": 9}}),
        (
            {"memory": {"limit": 20, "swap": 60}},
            {"memory": {"limit": 9, "swap": 12}},
            {"memory": {"limit": 9, "swap": 12}},
        ),
        ({"pids": {"limit": 4}}, {"pids": {"limit": 9}}, {"pids": {"limit": 4}}),
        ({"pids": {"limit": 0}}, {"pids": {"limit": 9}}, {"pids": {"limit": 0}}),
        ({"pids": {"limit": -1}}, {"pids": {"limit": 9}}, {"pids": {"limit": 9}}),
        ({"cpu": {"quota": 50000}}, {"cpu": {"quota": 100, "period": 1000}}, {"cpu": {"quota": 100, "period": 1000}}),
        (
            {"cpu": {"quota": 500, "period": 100000}},
            {"cpu": {"quota": 100, "period": 1000}},
            {"cpu": {"quota": 500, "period": 100000}},
        ),
        (
            {"cpu": {"quota": -1, "shares": 7}},
            {"cpu": {"quota": 100, "period": 1000}},
            {"cpu": {"quota": 100, "period": 1000, "shares": 7}},
        ),
        ({"cpu": {"cpus": "0-3,8"}}, {"cpu": {"cpus": "2-9"}}, {"cpu": {"cpus": "2,3,8"}}),
        (
            {"unified": {"memory.max": "max"}},
            {"memory": {"limit": 9}},
            {"memory": {"limit": 9}, "unified": {"memory.max": "9"}},
        ),
        (
            {"unified": {"memory.max": "3"}},
            {"memory": {"limit": 9}},
            {"memory": {"limit": 9}, "unified": {"memory.max": "3"}},
        ),
        (
            {"unified": {"cpu.max": "max", "cpuset.cpus": "0,5"}},
            {"cpu": {"quota": 5, "period": 10, "cpus": "1-5"}},
            {"cpu": {"quota": 5, "period": 10, "cpus": "1-5"}, "unified": {"cpu.max": "5 10", "cpuset.cpus": "5"}},
        ),
        (
            {"unified": {"cpu.max": "1 10", "memory.swap.max": "9"}},
            {"cpu": {"quota": 5, "period": 10}, "memory": {"limit": 5, "swap": 8}},
            {
                "cpu": {"quota": 5, "period": 10},
                "memory": {"limit": 5, "swap": 8},
                "unified": {"cpu.max": "1 10", "memory.swap.max": "3"},
            },
        ),
    ],
)
def test_the_stricter_of_two_limits(own: dict[str, Any], bound: dict[str, Any], expected: dict[str, Any]) -> None:
    """In whichever unit they are given, and whatever `unified` would write after them."""
    wrong: list[tuple[str, str]] = []
    assert bound_resources(own, bound, wrong) == expected
    assert wrong == []


LIMITS = st.none() | st.integers(-1, 1 << 40)


@given(LIMITS, st.integers(1, 1 << 40), st.none() | st.sampled_from(("max", "0", "77", "x")))
def test_what_is_written_in_the_end_is_within_the_bound(own: int | None, bound: int, unified: str | None) -> None:
    """Of all files of cgroup v2, in the order in which they are written."""
    resources: dict[str, Any] = {"memory": {"limit": own}} if own is not None else {}
    if unified:
        resources["unified"] = {"memory.max": unified}
    made = bound_resources(resources, {"memory": {"limit": bound}}, [])
    last = [
        value for write in compile_limits(made, ()).writes for name, value in write.choices if name == "memory.max"
    ][-1]
    assert last.isdigit()
    assert int(last) <= bound


def test_a_limit_whose_controller_is_missing() -> None:
    """Refused, unless the policy says that it can do without; then it is said."""
    limits = {"pids": {"limit": 4}, "memory": {"limit": 5}}
    why = "this host's unified hierarchy has no pids controller"
    for requirements in ({}, {"cgroup_limits": "required"}):
        one = layer(resources=limits, requirements=requirements)
        assert refusal(one, cgroup_controllers=("memory",)) == [f"/p.yaml: resources.pids: {why}"]
    found = lowered(layer(resources=limits, requirements={"cgroup_limits": "optional"}), cgroup_controllers=("memory",))
    assert found.config["linux"]["resources"] == {"memory": {"limit": 5}}
    assert found.warnings == (f"policy p: resources.pids is not enforced: {why}",)
    assert row_of(found, "resources.pids") == [("cgroup", f"not enforced: {why} (optional)")]
    assert lowered(layer(resources=limits, requirements={"cgroup_limits": "optional"})).warnings == ()


def test_a_layer_may_insist_on_the_limits_of_others() -> None:
    """Of two layers the stricter holds, here too: a site's floor can take away what a policy can do without."""
    one = layer(resources={"pids": {"limit": 4}}, requirements={"cgroup_limits": "optional"})
    floor = layer(requirements={"cgroup_limits": "required"})
    for layers in ((one, floor), (floor, one)):
        (line,) = refusal(*layers, cgroup_controllers=("memory",))
        assert line.startswith("/p.yaml: resources.pids: ")
        assert refusal(*layers) == []


@pytest.mark.parametrize(
    ("bound", "line"),
    [
        ({"memory": {"reservation": 5}}, "resources/memory/reservation: is no upper bound that could be compared"),
        ({"cpu": {"shares": 5}}, "resources/cpu/shares: is no upper bound that could be compared"),
        ({"devices": [{"allow": False}]}, "resources/devices: is no upper bound that could be compared"),
        ({"cpu": {"cpus": "4"}}, "resources/cpu/cpus: 4 and the config's 0-1 have nothing in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(bound: dict[str, Any], line: str) -> None:
    """Rather than guessed."""
    made = config(linux={"resources": {"cpu": {"cpus": "0-1"}}})
    assert refusal(layer(resources=bound), made=made) == [f"/p.yaml: {line}"]
