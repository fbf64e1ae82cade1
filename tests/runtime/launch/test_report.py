"""Log records are what engines decode."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.launch.report import Report, rfc3339, rfc3339_nano


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_764_000_000_000_000_001, "2025-11-24T16:00:00.000000001Z"),
        (1_709_164_800_123_456_789, "2024-02-29T00:00:00.123456789Z"),
    ],
)
def test_rfc3339_nano(nanoseconds: int, text: str) -> None:
    """As Go writes it: no trailing zeros, no point without digits."""
    assert rfc3339_nano(nanoseconds) == text


def test_rfc3339_pads() -> None:
    """Every field has its full width."""
    assert rfc3339(981_173_106) == "2001-02-03T04:05:06Z"


@given(st.text(max_size=80))
def test_property_json_record_keeps_the_message(message: str) -> None:
    """Any text is one line of JSON that decodes to the text (what is no UTF-8 is replaced)."""
    report = Report("/dev/null", as_json=True)
    record = report._record("error", message)
    assert record.count(b"\n") == 1
    decoded = json.loads(record)
    assert set(decoded) == {"level", "msg", "time"}
    assert decoded["msg"] == message


def test_surrogates_do_not_break_the_log() -> None:
    """A file name that is no UTF-8 still gives a record that decodes."""
    record = Report("/dev/null", as_json=True)._record("error", "open /\udcff: no")
    assert json.loads(record.decode())["level"] == "error"


def test_text_record_is_logrus_form() -> None:
    """time, level, msg, with the message quoted."""
    record = Report()._record("warning", 'say "no"\n').decode()
    assert re.fullmatch(r'time="[-\dT:]+Z" level=warning msg="say \\"no\\"\\n"\n', record)


def test_levels(tmp_path: Path) -> None:
    """--log-level error hides warnings; --debug shows everything; the default hides debug lines."""
    for level, shown in (("error", []), ("warning", ["w"]), ("info", ["w"]), ("debug", ["w", "d"])):
        log = tmp_path / level
        report = Report(str(log), level=level)
        report.warning("w")
        report.debug("d")
        text = log.read_text() if log.exists() else ""
        assert re.findall(r'msg="(.)"', text) == shown


def test_a_notice_is_a_warning_in_the_log_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where an engine collects lines it is one; at a prompt, and in a job's output, nobody asked."""
    path = tmp_path / "log"
    Report(str(path)).notice("left out")
    Report(str(path), level="error").notice("left out")
    assert path.read_text().count("level=warning msg=") == 1
    Report().notice("left out")
    assert capfd.readouterr().err == ""
    Report(level="info").notice("left out")
    assert "level=info msg=" in capfd.readouterr().err


def test_log_that_cannot_be_opened_is_told_on_stderr(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The error itself is not lost, and the log's failure is named."""
    Report(str(tmp_path / "none" / "log")).error("boom")
    err = capfd.readouterr().err
    assert err.startswith("boom\n")
    assert "unable to open the log" in err


def test_log_is_appended(tmp_path: Path) -> None:
    """Several runtimes share one log."""
    log = tmp_path / "log"
    log.write_text("before\n")
    Report(str(log)).warning("after")
    assert log.read_text().startswith("before\n")


def test_held_lines_are_written_on_release(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing before `release`, then everything in order, and nothing is held any more."""
    report = Report()
    report.held = []
    report.warning("first")
    report.debug("not at this level")
    assert capfd.readouterr().err == ""
    report.release()
    report.warning("second")
    lines = capfd.readouterr().err.splitlines()
    assert [line.rpartition("msg=")[2].strip('"') for line in lines] == ["first", "second"]


def test_no_control_characters_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A name with a newline or an escape sequence makes neither a second line nor a coloured one."""
    Report(str(tmp_path / "log"), as_json=True).error("no such file: a\nb\x1b[31m\x7f")
    assert capfd.readouterr().err == "no such file: a b [31m \n"
    assert json.loads((tmp_path / "log").read_text())["msg"] == "no such file: a\nb\x1b[31m\x7f"
