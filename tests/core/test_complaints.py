"""One cause, one line: what the log says of an API server that does not answer."""

from __future__ import annotations

import logging

import pytest

from hostport.cluster.complaints import Complaints

LONG = 3600.0


@pytest.fixture
def clock(caplog: pytest.LogCaptureFixture) -> list[float]:
    caplog.set_level(logging.INFO)
    return [0.0]


@pytest.fixture
def complaints(clock: list[float]) -> Complaints:
    return Complaints(lambda: clock[0])


def test_a_thousand_failures_of_one_cause_are_one_line(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        complaints.failed("no answer", f"no answer to request {number}")
    assert caplog.messages == ["no answer to request 0; trying again until it works"]


def test_two_causes_are_two_lines(complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
    for cause in ("no answer", "HTTP 503", "no answer"):
        complaints.failed(cause, cause)
    assert len(caplog.messages) == 2


def test_what_goes_on_is_told_again_every_minute_with_its_count(
    complaints: Complaints, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(121):
        clock[0] = float(second)
        complaints.failed("no answer", "no answer")
    assert caplog.messages[1:] == ["no answer; 61 such failures in 60 s", "no answer; 121 such failures in 120 s"]


def test_the_end_is_told_once_and_not_while_others_still_fail(
    complaints: Complaints, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    complaints.failed("no answer", "no answer")
    clock[0] = 1.0
    complaints.worked()
    complaints.failed("no answer", "no answer")
    clock[0] = LONG
    complaints.worked()
    complaints.worked()
    assert caplog.messages[1:] == ["over: no answer; 2 failures in 1 s"]


def test_the_next_outage_is_told_anew(
    complaints: Complaints, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    complaints.failed("no answer", "first")
    clock[0] = LONG
    complaints.worked()
    complaints.failed("no answer", "second")
    assert caplog.messages[-1] == "second; trying again until it works"
