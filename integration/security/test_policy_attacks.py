"""Attacks under every policy, held against the table in policy_verdicts.py; first of all, that the attacks are real."""

from __future__ import annotations

from integration.framework.container import Container
from integration.security import policy_verdicts
from integration.security.arena import Arena, attack_names


def test_table_is_complete() -> None:
    """Each attack of the program has its row, and no row is without an attack."""
    assert set(attack_names()) == set(policy_verdicts.ROWS)


def test_page_is_current() -> None:
    """docs/policy-attacks.md is what the table says."""
    assert policy_verdicts.PAGE.read_text() == policy_verdicts.page()


def test_attacks_are_real(container: Container) -> None:
    """Without a policy and with every right each attack succeeds, where the kernel has what it attacks."""
    with Arena(container, "/tmp") as arena:
        arena.unprotected()
        verdicts = arena.attacked()
        broken = {
            name: verdict
            for name, verdict in verdicts.items()
            if not policy_verdicts.is_real(policy_verdicts.ROWS[name], verdict)
        }
        assert set(verdicts) == set(attack_names())
        assert broken == {}
        through_network = {row.name for row in policy_verdicts.EGRESS.rows if verdicts[row.name] == "succeeded"}
        assert arena.arrived() - {"connected"} == through_network | {"unix_path", "unix_abstract"}
        rows = (*policy_verdicts.WRITES.rows, *policy_verdicts.NAMES.rows)
        through_files = {row.name for row in rows if verdicts[row.name] == "succeeded"}
        assert through_files - arena.changed() == {"removexattr", "rename_writable", "nameless_outside"}
