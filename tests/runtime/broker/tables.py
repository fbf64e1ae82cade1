"""Tables that the tests share: small, full, and one with many patterns."""

from typing import Any

from runtime.broker.table import encode_table

CALLS = {
    "openat": {"handler": "open", "errno": 13, "rule": 0},
    "connect": {"handler": "connect", "errno": 13, "rule": 1},
    "bind": {"handler": "bind", "errno": 13, "rule": 1},
    "setgroups": {"handler": "continue", "rule": None},
    "mount": {"handler": "deny", "errno": 1, "rule": None},
}


def policy(**fields: Any) -> dict[str, Any]:
    """A broker dict with nothing but limits, and what the test adds."""
    sections = dict.fromkeys(("read", "write", "hide", "unix_connect", "unix_bind", "egress", "bind"))
    limits = {"mode": "enforce", "timeout_ms": 1000, "max_inflight": 16, "on_failure": "deny", "audit": "denials"}
    return {"name": "p", "rules": ["a", "b"], "wall_time_ms": None, "calls": CALLS, **limits, **sections, **fields}


FULL = policy(
    read=[[["/usr", 0], ["/srv/*/.ssh/**", 1], ["/**/x.log", 0]], [["/", 0]]],
    write=[[["/workspace/**", 0], ["/tmp/*.log", 1]]],
    hide=[[["/workspace/secret", 0], ["/srv/*/.ssh", 1]]],
    unix_connect=[[["/run/*.sock", 0]]],
    unix_bind=[[["/run", 0]]],
    egress=[
        [
            {"action": "allow", "cidr": "10.0.0.0/8", "ports": [[80, 80], [443, 443]], "protocols": ["tcp"], "rule": 0},
            {"action": "deny", "cidr": "10.1.0.0/16", "ports": None, "protocols": None, "rule": 1},
            {"action": "allow", "cidr": "fd00::/8", "ports": None, "protocols": None, "rule": 0},
        ]
    ],
    bind=[[{"ports": [[1024, 65535]], "protocols": ["tcp"], "rule": 0}]],
    unix_abstract=False,
)
MANY = policy(read=[[[f"/srv/{number}/data", number] for number in range(300)]])
TABLES = {"small": encode_table(policy()), "full": encode_table(FULL), "many": encode_table(MANY)}
