"""Spans that came in are sent on to the operator's own back end, which may be slow, broken or away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from agents.hot import forward
from agents.hot.forward import Forwarder, Parcel
from agents.models import Action, Agent
from tests.agents.spans import PROTOBUF, protobuf
from tests.agents.test_otlp_dialects import GENAI
from tests.agents.test_otlp_door import recent

BODY = Parcel(b"spans", {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"})


@dataclass
class BackEnd:
    """A tracing back end that answers as it is told, then 200."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    gate: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def back_end() -> Iterator[BackEnd]:
    made = BackEnd()
    made.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.gate.wait(20)
            made.got.append((self.path, dict(self.headers), body))
            self.send_response(made.answers.pop(0) if made.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/otlp/v1/traces?project=1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.gate.set()
    server.shutdown()
    server.server_close()


def forwarder(back_end: BackEnd, **more: Any) -> Forwarder:
    return Forwarder(
        back_end.url, {"x-api-key": "s"}, retries=(1.0, 2.0), sleep=lambda _: None, **more
    )


def test_a_request_goes_on_as_it_came(back_end: BackEnd) -> None:
    one = forwarder(back_end)

    one.add(BODY)

    assert one.wait_until_empty(20)
    ((path, headers, body),) = back_end.got
    assert (path, body) == ("/otlp/v1/traces?project=1", b"spans")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["x-api-key"] == "s"


def test_what_may_be_tried_again_is(back_end: BackEnd) -> None:
    back_end.answers = [503, 429]
    one = forwarder(back_end)

    one.add(BODY)

    assert one.wait_until_empty(20)
    assert len(back_end.got) == 3


def test_what_is_refused_for_good_is_let_go_and_the_next_is_sent(back_end: BackEnd) -> None:
    back_end.answers = [400, 200]
    one = forwarder(back_end)

    one.add(BODY)
    one.add(Parcel(b"more", {}))

    assert one.wait_until_empty(20)
    assert [body for _, _, body in back_end.got] == [b"spans", b"more"]


def test_a_back_end_that_is_away_is_given_up_after_some_tries() -> None:
    waits: list[float] = []
    one = Forwarder("http://127.0.0.1:9", {}, retries=(1.0, 2.0), sleep=waits.append)

    one.add(BODY)

    assert one.wait_until_empty(20)
    assert waits == [1.0, 2.0]


def test_a_queue_that_is_full_leaves_out_the_newest(back_end: BackEnd) -> None:
    back_end.gate.clear()
    one = forwarder(back_end, most=9)

    for _ in range(3):
        one.add(BODY)
    back_end.gate.set()

    assert one.wait_until_empty(20)
    assert (len(back_end.got), one.left_out) == (1, 2)


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", {}),
        (
            "authorization=Basic%20cGs6c2s=, x-scope = a",
            {"authorization": "Basic cGs6c2s=", "x-scope": "a"},
        ),
    ],
)
def test_headers_are_read_as_opentelemetry_writes_them(text: str, headers: dict[str, str]) -> None:
    assert forward.parsed(text) == headers


def test_the_door_answers_while_the_back_end_hangs(
    live: str, scout_with_key: tuple[Agent, str], back_end: BackEnd, settings: Any
) -> None:
    back_end.gate.clear()
    settings.WATCHFLOOR_FORWARD_TRACES = back_end.url
    body = protobuf(recent(GENAI))

    told = httpx.post(
        f"{live}/v1/traces",
        content=body,
        headers={"Content-Type": PROTOBUF, "Authorization": f"Bearer {scout_with_key[1]}"},
    )
    stored, sent = Action.objects.count(), len(back_end.got)
    back_end.gate.set()

    assert told.status_code == 200
    assert (stored, sent) == (1, 0)
    assert forward.forwarder_to(back_end.url, "").wait_until_empty(20)
    assert back_end.got[0][2] == body
    assert "Authorization" not in back_end.got[0][1]
