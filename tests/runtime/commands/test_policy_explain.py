"""postern policy explain: every rule with what enforces it, and the exit code of what nothing enforces."""

import json
from pathlib import Path

import pytest

from oci_schemas.json_text import dumps
from runtime.commands import policy
from runtime.commands.invocation import Invocation
from runtime.commands.policy_explain import explain_data, explain_text
from runtime.errors import PolicyError, UsageError
from runtime.policy.lower import examine
from tests.runtime.plan.drafting import config, facts
from tests.runtime.policy.layering import files, layer, syscalls


@pytest.fixture
def invocation(tmp_path: Path) -> Invocation:
    """A call of the verb, with a site and a state root of its own."""
    made = Invocation("policy", {}, [])
    made.root, made.policy_dir = str(tmp_path / "root"), str(tmp_path / "site")
    return made


def explain(invocation: Invocation, *argv: str) -> int:
    """The exit code."""
    invocation.arguments = ["explain", *argv]
    return policy.execute(invocation)


def test_rules_in_the_order_of_their_lines() -> None:
    """Columns: the rule, where it stands, what enforces it, a remark; at the end how many nothing enforces."""
    layers = [
        files(write=["/w"], execute=["/o*"]),
        syscalls("allow", {"names": ["kcmp"], "action": "deny", "rule": 11}),
    ]
    lowered, findings = examine(layers, config(), facts(landlock=7))
    lines = explain_text(lowered, findings).splitlines()
    assert lines[0].split() == ["RULE", "FROM", "ENFORCED", "BY", "NOTE"]
    assert [line.split()[2:4] for line in lines if line.startswith("rule ")] == [
        ["p.yaml:1", "mounts"],
        ["p.yaml:2", "nothing"],
        ["p.yaml:12", "seccomp"],
        ["p.yaml:30", "seccomp"],
    ]
    assert lines[-1] == "1 not enforceable here: no container starts under this policy"


def test_as_data() -> None:
    """The same rows."""
    data = explain_data("p", *examine([layer(exec=[["/x", 3]])], config(), facts(landlock=0)))
    assert data["enforceable"] is False
    assert [row for row in data["rules"] if row["mechanism"] == "nothing"] == [
        {
            "rule": "rule 3",
            "where": "p.yaml:4",
            "mechanism": "nothing",
            "note": "needs Landlock, which this kernel does not have active",
        }
    ]


def test_built_in_and_config(invocation: Invocation, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a container what depends on one is left out; with one that it does not fit, the exit code says so."""
    assert explain(invocation, "development") == 0
    told = capfd.readouterr().out
    assert "depends on the container's config" in told
    assert "not enforceable" not in told
    bundle = tmp_path / "b"
    bundle.mkdir()
    (bundle / "config.json").write_bytes(dumps(config(linux={"namespaces": [{"type": "mount"}]})))
    assert explain(invocation, "development", "--config", str(bundle), "--json") == 1
    data = json.loads(capfd.readouterr().out)
    nothing = {row["rule"]: row for row in data["rules"] if row["mechanism"] == "nothing"}
    found = nothing["namespaces.required: pid"]
    assert found["note"] == "the config neither makes nor joins one"
    assert found["where"].startswith("development.yaml:")
    assert "a pid namespace of its own" in nothing[""]["note"]


def test_no_such_policy(invocation: Invocation) -> None:
    """Nor is `none` one."""
    with pytest.raises(PolicyError, match="no policy is called"):
        explain(invocation, "nosuch")
    with pytest.raises(UsageError, match="there is no policy to explain"):
        explain(invocation, "none")
