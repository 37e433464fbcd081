"""Any OpenAI-compatible endpoint, and what becomes of its failures."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from triage.messages import Message
from triage.model import ChatCompletions, ModelFailed, from_environment
from triage.standin import StandIn
from triage.verdict import Question, parse

QUESTION = Question(Message("m", "How do I activate my card?"))

ANSWER = {
    "model": "small-1",
    "choices": [{"message": {"content": '{"category": "card", "confidence": 0.9}'}}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 9},
}


class Endpoint(ThreadingHTTPServer):
    """Says what it is told to say, and remembers what it was asked."""

    status = 200
    body: bytes = json.dumps(ANSWER).encode()
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.asked: list[dict[str, Any]] = []
        self.may_end = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Door(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked |= {"path": self.path, "key": self.headers["Authorization"]}
        self.server.asked.append(asked)
        if self.server.silent:
            self.server.may_end.wait(10)
            return
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_end.set()
        server.shutdown()


def test_an_endpoint_of_the_environment_is_asked(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_MODEL", "small")

    completion = from_environment().complete(QUESTION)

    assert parse(completion).category == "card"
    assert (completion.model, completion.input_tokens, completion.output_tokens) == (
        "small-1",
        120,
        9,
    )
    [asked] = endpoint.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["key"] == "Bearer sk-test"
    assert asked["model"] == "small"
    assert [part["role"] for part in asked["messages"]] == ["system", "user"]


def test_without_an_endpoint_the_stand_in_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    assert isinstance(from_environment(), StandIn)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (429, b"{}"),
        (200, b"not json"),
        (200, b'{"choices": []}'),
        (200, b'{"choices": "x"}'),
        (200, b"[]"),
        (200, b'{"choices": [{"message": null}]}'),
    ],
)
def test_failures_of_an_endpoint_are_failures_of_the_model(
    endpoint: Endpoint, status: int, body: bytes
) -> None:
    endpoint.status, endpoint.body = status, body

    with pytest.raises(ModelFailed):
        ChatCompletions(endpoint.url, "", "small").complete(QUESTION)


def test_an_endpoint_that_stays_silent_times_out(endpoint: Endpoint) -> None:
    endpoint.silent = True

    with pytest.raises(TimeoutError):
        ChatCompletions(endpoint.url, "", "small", timeout=0.2).complete(QUESTION)


def test_an_endpoint_that_is_not_there_fails() -> None:
    with pytest.raises(ModelFailed):
        ChatCompletions("http://127.0.0.1:1/v1", "", "small").complete(QUESTION)
