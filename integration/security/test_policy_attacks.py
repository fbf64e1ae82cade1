"""Attacks under every policy, held against the table in policy_verdicts.py; first of all, that the attacks are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only
from integration.security import policy_verdicts
from integration.security.arena import ATTACK, Arena, attack_names
from integration.security.attack_rows import EGRESS, EXECUTION, MAPPED, NAMES, OWN, POLICIES, ROWS, WRITES

INSIDE = "/tmp"
FILES = Path(__file__).parent / "policies"
needs_policies = only("postern", reason="policies are postern's")


def flags(policy: str) -> tuple[str, str]:
    """The words that choose a policy."""
    return ("--policy", str(FILES / f"{policy}.yaml") if policy in OWN else policy)


def judge(policy: str, verdicts: dict[str, str], arena: Arena) -> dict[str, str]:
    """What is not as the table has it: attack -> verdict, or what it did in spite of its verdict."""
    assert set(verdicts) == set(ROWS)
    stopped = {name for name, row in ROWS.items() if policy not in row.opens}
    wrong = {
        name: verdicts[name] for name in sorted(stopped) if not policy_verdicts.is_stopped(ROWS[name], verdicts[name])
    }
    wrong |= dict.fromkeys(sorted(stopped & arena.changed() - set(wrong)), "changed something outside")
    return wrong | dict.fromkeys(sorted(stopped & arena.arrived() - set(wrong)), "reached the server")


def test_table_is_complete() -> None:
    """Each attack of the program has its row, and no row is without an attack."""
    assert set(attack_names()) == set(ROWS)


def test_page_is_current() -> None:
    """docs/policy-attacks.md is what the table says."""
    assert policy_verdicts.PAGE.read_text() == policy_verdicts.page()


def test_attacks_are_real(container: Container) -> None:
    """Without a policy and with every right each attack succeeds, where the kernel has what it attacks."""
    with Arena(container, "/tmp") as arena:
        arena.unprotected()
        verdicts = arena.attacked()
        broken = {
            name: verdict for name, verdict in verdicts.items() if not policy_verdicts.is_real(ROWS[name], verdict)
        }
        assert set(verdicts) == set(attack_names())
        assert broken == {}
        through_network = {row.name for row in EGRESS.rows if verdicts[row.name] == "succeeded"}
        through_network -= {"route_tcp"}  # its first packet carries nothing
        assert arena.arrived() - {"connected", "permitted"} == through_network | {"unix_path", "unix_abstract"}
        rows = (*WRITES.rows, *NAMES.rows)
        through_files = {row.name for row in rows if verdicts[row.name] == "succeeded"}
        assert through_files - arena.changed() == {"removexattr", "rename_writable", "nameless_outside"}


@needs_policies
@pytest.mark.parametrize("policy", POLICIES)
def test_init_under_a_policy(container: Container, policy: str) -> None:
    """The container's init in an ordinary engine's config gets no further than the table says."""
    with Arena(container, INSIDE) as arena:
        assert judge(policy, arena.attacked(flags=flags(policy)), arena) == {}


@needs_policies
@pytest.mark.parametrize("policy", POLICIES)
def test_everything_granted_under_a_policy(container: Container, policy: str) -> None:
    """Nor does one that the config grants everything; and what the table leaves open is open."""
    with Arena(container, INSIDE) as arena:
        arena.unprotected()
        verdicts = arena.attacked(flags=flags(policy))
        assert judge(policy, verdicts, arena) == {}
        closed = {
            name: verdicts[name]
            for name, row in ROWS.items()
            if policy in row.opens and not policy_verdicts.is_real(row, verdicts[name])
        }
        assert closed == {}


@needs_policies
@pytest.mark.parametrize("policy", POLICIES)
def test_user_namespace_under_a_policy(container: Container, policy: str) -> None:
    """Nor does the root of a user namespace with every right in it."""
    with Arena(container, INSIDE) as arena:
        arena.unprotected()
        arena.in_user_namespace()
        assert judge(policy, arena.attacked(flags=flags(policy)), arena) == {}


@needs_policies
@pytest.mark.parametrize("policy", POLICIES)
def test_exec_under_a_policy(container: Container, policy: str) -> None:
    """Nor does a process that exec brings into the container, with every right that exec can give."""
    with Arena(container, INSIDE) as arena:
        container.bundle.args(ATTACK, "wait")
        container.up(*flags(policy))
        assert judge(policy, arena.attacked_by_exec(), arena) == {}


@needs_policies
@pytest.mark.landlock
@pytest.mark.parametrize("granted", ["engine's", "everything"])
def test_programs_by_name(container: Container, granted: str) -> None:
    """A list of programs: nothing else is started, from no place, by no call, not even from memory."""
    with Arena(container, INSIDE) as arena:
        if granted == "everything":
            arena.unprotected()
        names = [row.name for row in EXECUTION.rows]
        verdicts = arena.attacked(*names, flags=("--policy", str(FILES / "walled.yaml")))
        passed = {name for name, verdict in verdicts.items() if not policy_verdicts.is_stopped(ROWS[name], verdict)}
        assert set(verdicts) == set(names)
        assert passed == MAPPED
