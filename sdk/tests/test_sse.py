from __future__ import annotations

from watchfloor.sse import SseReader


def test_events_are_read_line_by_line() -> None:
    lines = [
        ": hello",
        "",
        "event: control",
        "data: {",
        "data:}",
        "",
        "data: x",
        "",
        "event: y",
        "",
    ]
    reader = SseReader()

    events = [event for line in lines if (event := reader.feed(line))]

    assert events == [("control", "{\n}"), ("message", "x")]
