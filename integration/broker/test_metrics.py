"""The counters that Prometheus reads."""

from __future__ import annotations

import re

from integration.broker.test_survive import policy
from integration.framework.broker import Broker
from integration.framework.container import Container
from integration.framework.flavours import only

pytestmark = only("postern", reason="the broker is postern's")

LINE = re.compile(r'[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? [0-9.e+]+')


def test_counters_count_a_containers_calls(container: Container, broker: Broker) -> None:
    """By container and policy, while it runs; every line is in the text format."""
    container.bundle.file("/etc/hello")
    container.bundle.file("/etc/secret")
    container.bundle.shell("cat /etc/hello; cat /etc/secret; echo ready; sleep 100")
    container.up(*policy(container))
    container.wait_for_output("ready")
    lines = broker.metrics().splitlines()
    assert [line for line in lines if not line.startswith("#") and not LINE.fullmatch(line)] == []
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    labels = f'container="{container.id}",policy="mediated"'
    assert int(values[f"postern_broker_calls_denied_total{{{labels}}}"]) == 1
    assert int(values[f"postern_broker_calls_allowed_total{{{labels}}}"]) == 1
    assert int(values["postern_broker_listeners"]) >= 1
    assert values["postern_broker_events_lost_total"] == "0"
    total = int(values["postern_broker_answer_seconds_count"])
    assert int(values['postern_broker_answer_seconds_bucket{le="+Inf"}']) == total >= 2
    for name in {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}:
        family = re.sub(r"_(bucket|count)$", "", name)
        assert any(line.startswith(f"# TYPE {family} ") for line in lines), name
