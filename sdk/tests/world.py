"""A flow's world as a script: no socket, no clock."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from watchfloor.effects import Call, Flow, Listen, Send, Sleep
from watchfloor.protocol import Lost, Reply, Request

T = TypeVar("T")


class World:
    """Performs effects without a socket or a clock. Answers are taken in turn, by method and path."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.sent: list[Request[Any]] = []
        self.slept: list[float] = []

    def will_answer(self, *answers: Any) -> None:
        """A body (200), a (status, body) or (status, body, headers), or an exception."""
        self.answers += answers

    def run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                try:
                    answer = self.perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Call):
            return effect.fn(*effect.args, **effect.kwargs)
        if isinstance(effect, Sleep):
            self.slept.append(effect.seconds)
            return None
        assert isinstance(effect, (Send, Listen))
        self.sent.append(effect.request)
        answer = self.answers.pop(0) if self.answers else Lost("refused")
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(effect, Listen):
            return answer(effect)
        return reply(*answer) if isinstance(answer, tuple) else reply(200, answer)


def reply(status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, json.dumps(body).encode())
