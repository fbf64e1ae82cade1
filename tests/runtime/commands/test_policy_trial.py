"""What would refuse every container: limits that no single rule passes, with the lines of those that do so together."""

from pathlib import Path

import pytest

from runtime.commands.policy_trial import refused_everywhere
from runtime.errors import PolicyError
from runtime.policy.built_in import builtin_names, load_builtin
from runtime.policy.compiling import compile_artefact


def found(tmp_path: Path, *texts: str) -> list[str]:
    """What is wrong with the last of these policies; each has its number for a name, and extends the one before it."""
    for number, text in enumerate(texts, 1):
        extends = f"extends: ./p{number - 1}.yaml\n" if number > 1 else ""
        (tmp_path / f"p{number}.yaml").write_text(f"name: p{number}\n{extends}{text}")
    try:
        compile_artefact(f"{tmp_path}/p{len(texts)}.yaml", "/nonexistent", refused_everywhere)
    except PolicyError as error:
        return [line.replace(f"{tmp_path}/", "") for line in error.violations]
    return []


def listed(key: str, name: str, count: int) -> str:
    """A section with a list of that many paths."""
    paths = ", ".join(f"/{name}{number}" for number in range(count))
    return f"{key}: [{paths}]\n"


FILES = "network: unrestricted\nfilesystem:\n  "
MOUNTS = "more than 240 paths that are opened need a mount of their own"


def test_what_is_built_in_is_possible() -> None:
    """Each by itself, and all together."""
    policies = [load_builtin(name) for name in builtin_names()]
    layers = [layer for policy in policies if policy is not None for layer in policy.layers]
    for policy in policies:
        assert policy is not None
        assert refused_everywhere(policy.layers) == []
    assert refused_everywhere(layers) == []
    assert refused_everywhere([]) == []


def test_places_that_are_too_many_together(tmp_path: Path) -> None:
    """Each of two policies is possible; both sections are named, with their files."""
    one, other = FILES + listed("execute", "usr", 150), FILES + listed("write", "w", 150)
    assert found(tmp_path, one) == found(tmp_path, other) == []
    assert found(tmp_path, one, other) == [
        f"p1.yaml:4: filesystem.execute: {MOUNTS}",
        f"p2.yaml:5: filesystem.write: {MOUNTS}",
    ]


def test_places_that_are_too_many_in_each(tmp_path: Path) -> None:
    """Where no section by itself is to blame, the policy is."""
    one, other = FILES + listed("execute", "usr", 300), FILES + listed("write", "w", 300)
    assert found(tmp_path, one) == [f"p1.yaml:4: filesystem.execute: {MOUNTS}"]
    assert found(tmp_path, one, other) == [f"p2.yaml: {MOUNTS}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FILES + listed("hide", "h", 4200), "p1.yaml:4: filesystem.hide: the plan has "),
        ("network: unrestricted\n" + listed("exec", "bin", 4200), "p1.yaml:3: exec: the plan has "),
    ],
)
def test_plans_that_would_be_too_long(tmp_path: Path, text: str, line: str) -> None:
    """Every path is an operation."""
    (violation,) = found(tmp_path, text)
    assert violation.startswith(line)
    assert violation.endswith(" operations, at most 4096 are possible")


def test_filters_that_would_be_too_long(tmp_path: Path) -> None:
    """The kernel counts instructions."""
    rule = '    - {{call: prctl, when: ["arg0 == {}", "arg1 == {}", "arg2 & 0xff == {}"]}}\n'
    rules = "".join(rule.format(n * 7, n * 13 % 1000, n % 255) for n in range(1000))
    (violation,) = found(tmp_path, f"network: unrestricted\nsyscalls:\n  default: allow\n  deny:\n{rules}")
    assert violation.startswith("p1.yaml:3: syscalls: ")
    assert violation.endswith(" instructions are needed, the kernel takes 4096")


def test_ports_that_are_too_many_together(tmp_path: Path) -> None:
    """Classes of ports of two policies multiply; the rules of both are named."""
    allow = "".join(f"    - {{allow: 10.{n}.0.0/16, ports: {1000 + n}}}\n" for n in range(40))
    deny = "".join(f"    - {{deny: 10.200.{n}.0/24, ports: {5000 + n}}}\n" for n in range(40))
    one = f"network:\n  egress:\n    - 10.200.0.0/16\n{allow}"
    other = f"network:\n  egress:\n    - any\n{deny}"
    assert found(tmp_path, one) == found(tmp_path, other) == []
    lines = found(tmp_path, one, other)
    assert lines[0].startswith("network.egress: ports in 81 combinations, of which 64 can be told apart")
    assert "p1.yaml:44: network.egress: allow 10.39.0.0/16 ports 1039" in lines
    assert "p2.yaml:45: network.egress: deny 10.200.39.0/24 ports 5039" in lines
    assert len(lines) == len(set(lines))
