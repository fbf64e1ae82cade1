"""The text that Prometheus reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.broker import metrics, scrape

STATS = {name: number for number, (name, _, _) in enumerate(metrics._COUNTERS)}


def test_counters_have_their_containers_labels() -> None:
    """One line a container and counter, a type and a help line for each name."""
    text = metrics.render({("c1", "web"): STATS}, {"listeners": ("gauge", "Listeners.", 3)}, [0, 1, 2, 0])
    assert 'postern_broker_calls_denied_total{container="c1",policy="web"} 2\n' in text
    assert "# TYPE postern_broker_calls_denied_total counter\n" in text
    assert "postern_broker_listeners 3\n" in text


def test_the_histogram_counts_up() -> None:
    """Buckets hold all that is faster; the last one is everything."""
    text = metrics.render({}, {}, [1, 2, 4, 8])
    assert 'answer_seconds_bucket{le="1e-06"} 1\n' in text
    assert 'answer_seconds_bucket{le="2e-06"} 3\n' in text
    assert 'answer_seconds_bucket{le="4e-06"} 7\n' in text
    assert 'answer_seconds_bucket{le="+Inf"} 15\n' in text
    assert "answer_seconds_count 15\n" in text


@given(name=st.text())
def test_a_label_stays_within_its_quotes(name: str) -> None:
    """Names come from others."""
    value = metrics.escape(name)
    assert "\n" not in value
    assert value.replace("\\\\", "").replace('\\"', "").count('"') == 0


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", "200"),
        (b"GET / HTTP/1.0", "200"),
        (b"GET /metrics?x=1 HTTP/1.0", "200"),
        (b"HEAD /metrics HTTP/1.0", "200"),
        (b"GET /other HTTP/1.0", "404"),
        (b"POST /metrics HTTP/1.0", "405"),
        (b"", "405"),
    ],
)
def test_requests(request_line: bytes, status: str) -> None:
    """Only what a scraper asks."""
    answer = metrics.response(request_line + b"\r\n\r\n", "body\n")
    assert answer.startswith(f"HTTP/1.0 {status} ".encode())
    assert answer.endswith(b"\r\n\r\nbody\n") == (status == "200" and request_line[:4] != b"HEAD")


@given(data=st.binary())
def test_any_request_has_an_answer(data: bytes) -> None:
    """Whatever comes."""
    assert metrics.response(data, "").startswith(b"HTTP/1.0 ")


def test_listeners_of_one_container_are_added() -> None:
    """Its init's and those of what joined it."""
    assert scrape.added({"a": 1, "b": 2}, {"a": 3, "b": 4}) == {"a": 4, "b": 6}
