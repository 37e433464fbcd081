from __future__ import annotations

from datetime import datetime, timezone

import pytest

from sdk.tests.world import reply
from watchfloor import (
    ApiError,
    Conflict,
    RunFinished,
    Terminated,
    Unauthorized,
    VersionConflict,
    protocol,
)
from watchfloor.models import Admission, RunInfo, parse_time, read
from watchfloor.protocol import Passing, understand


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "unauthorized", Unauthorized),
        (404, "not_found", ApiError),
        (409, "conflict", Conflict),
        (409, "run_finished", RunFinished),
        (409, "version_conflict", VersionConflict),
        (409, "terminated", Terminated),
        (409, "retired", Terminated),
        (500, "internal", ApiError),
    ],
)
def test_problems_become_errors(status: int, code: str, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        understand(protocol.agent(), reply(status, {"code": code, "detail": "why"}))

    assert type(raised.value) is error
    assert "why" in str(raised.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_some_answers_ask_to_try_again(status: int) -> None:
    with pytest.raises(Passing) as passing:
        understand(protocol.agent(), reply(status, {}, {"retry-after": "7"}))

    assert passing.value.after == 7


def test_a_proxy_that_answers_html_is_an_error() -> None:
    with pytest.raises(ApiError, match="http_200"):
        understand(protocol.agent(), protocol.Reply(200, {}, b"<html>"))


def test_fields_of_a_newer_server_are_ignored() -> None:
    info = read(RunInfo, {"id": "1", "new": 1, "control": {"state": "paused", "directives": []}})

    assert info.control.state == "paused"


def test_an_admission_carries_its_action_and_control() -> None:
    body = {
        "admission": "allowed",
        "action": {"id": "a", "arguments": {"n": 2}, "requested_arguments": {"n": 1}},
        "control": {"directives": [{"id": "d", "kind": "instruction", "body": {"text": "Go."}}]},
    }

    admission = read(Admission, body)

    assert admission.action is not None
    assert admission.action.is_edited
    assert admission.control is not None
    assert admission.control.directives[0].text == "Go."


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("04:57:03Z", 0), ("04:57:03.52775+00:00", 527750), ("04:57:03.527759Z", 527759)],
)
def test_times_are_read_whatever_their_decimals(text: str, microsecond: int) -> None:
    time = parse_time(f"2026-11-21T{text}")

    assert time == datetime(2026, 11, 21, 4, 57, 3, microsecond, timezone.utc)
