"""A policy's network rules as operations."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.abi.capabilities import CAPABILITY_BITS
from runtime.errors import NetworkError
from runtime.plan.draft import CGROUP, Draft
from runtime.plan.encode import encode_plan
from runtime.plan.network_policy import plan_network
from runtime.plan.network_table import encode_network
from runtime.plan.programs import decode_programs
from runtime.policy.lower_network import PROGRAM_NAME, lower_network
from tests.runtime.native.plans import make_plan
from tests.runtime.plan.drafting import config, facts, options
from tests.runtime.policy.traffic import layer, rule

NETWORK = encode_network(
    lower_network(
        [layer(egress=[rule("allow", "10.0.0.0/8", (443, 443))], ingress=[], bind=[{"ports": [[80, 80]], "rule": 0}])],
        True,
    )[0]
)


def draft(host: dict[str, Any] | None = None, **parts: Any) -> Draft:
    """A draft whose cgroup is settled."""
    made = Draft(config(**parts), options(), facts(**(host or {})), [])
    made.cgroup_path = "/web"
    return made


def test_programs_and_maps_are_one_table() -> None:
    """While init works; each program says where it is attached, in the kernel's words."""
    plan = draft()
    plan_network(plan, NETWORK)
    assert not plan.host
    (step,) = plan.parent
    assert (step.name, step.places) == ("BPF_PROGRAMS", {"cgroup": CGROUP})
    maps, programs = decode_programs(NETWORK)
    assert len(maps) == 2
    assert {name for name, *_ in programs} == {PROGRAM_NAME}
    assert [label for _name, label, *_ in programs][:3] == ["inet sock create", "inet4 bind", "inet4 connect"]


def test_a_program_names_maps_by_their_place_among_all() -> None:
    """So it names all of them or none."""
    lowered = ((), (("n", 18, 10, bytes(8), (1,)),))
    with pytest.raises(TypeError, match="by their place"):
        encode_network(lowered)
    assert encode_network(None) == b""


def test_a_hook_of_the_container_finds_the_rules_in_place() -> None:
    """createContainer hooks run in init before it waits for the parent's half."""
    plan = draft(hooks={"createContainer": [{"path": "/bin/true"}]})
    plan_network(plan, NETWORK)
    assert plan.host
    assert not plan.parent


def test_the_plan_can_be_encoded() -> None:
    """Every place fits its row."""
    plan = draft()
    plan_network(plan, NETWORK)
    plan.parent.insert(0, plan.parent[0])
    assert encode_plan(make_plan("CREATE", {"PARENT": plan.parent}))


def test_nothing_to_enforce() -> None:
    """No operation, whatever the host."""
    plan = draft({"capabilities": 0})
    plan.cgroup_path = None
    plan_network(plan, b"")
    plan.check()
    assert not plan.parent


def test_no_cgroup_no_container() -> None:
    """The rules would be lost."""
    plan = draft()
    plan.cgroup_path = None
    plan_network(plan, NETWORK)
    with pytest.raises(NetworkError, match="need a cgroup, and the container has none"):
        plan.check()


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ({"capabilities": CAPABILITY_BITS["CAP_SYS_ADMIN"]}, True),
        ({"capabilities": CAPABILITY_BITS["CAP_BPF"] | CAPABILITY_BITS["CAP_NET_ADMIN"]}, True),
        ({"capabilities": CAPABILITY_BITS["CAP_BPF"]}, False),
        ({"capabilities": 0}, False),
        ({"initial_userns": False}, False),
    ],
)
def test_the_rights_that_the_kernel_asks_for(host: dict[str, Any], good: bool) -> None:
    """Said before anything of the container exists."""
    plan = draft(host)
    plan_network(plan, NETWORK)
    if good:
        plan.check()
    else:
        with pytest.raises(NetworkError, match="CAP_BPF and CAP_NET_ADMIN in the initial user namespace"):
            plan.check()
