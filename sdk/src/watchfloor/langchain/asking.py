"""interrupted → asked → decided: one held action for every call that needs a yes."""

from __future__ import annotations

import time
from typing import Any

from watchfloor import protocol
from watchfloor.core import ask as send
from watchfloor.effects import Flow
from watchfloor.errors import Denied, Refused, StillHeld
from watchfloor.flows.admitting import judged, proposal, propose
from watchfloor.flows.control import patiently
from watchfloor.langchain.answers import reason
from watchfloor.langchain.messages import message_of, name_of, words_of
from watchfloor.langchain.shapes import Question
from watchfloor.langchain.thread import Asking, Thread
from watchfloor.protocol import LONG_POLL

IN_TURN = 1.0
"""Seconds to wait for one answer, while others are waited for too."""


def ask(thread: Thread, question: Question, snapshot: Any) -> Flow[list[Asking]]:
    """Propose every call of the question; again in any process, it is the same request."""
    found = []
    for position, call in enumerate(question.calls):
        name = name_of(question, position, snapshot, thread.id)
        said = message_of(snapshot, call.tool_call_id)
        mine = Asking(name, call, said=None if said is None else said.id)
        asking = thread.asked.setdefault(name, mine)
        if asking.action is None and asking.refused is None and asking.answer is None:
            yield from _propose(thread, question, position, asking, snapshot)
        found.append(asking)
    return found


def again(asking: Asking) -> None:
    """Under another call id: what was said of the last request does not hold any more."""
    asking.number += 1
    asking.action = None


def decided(thread: Thread, askings: list[Asking], deadline: float | None) -> Flow[None]:
    """Return when at least one more of them is decided. Raises StillHeld at the deadline."""
    waiting = [each for each in askings if each.is_open]
    for asking in waiting:
        assert asking.action is not None
        thread.run.obey()
        left = LONG_POLL if len(waiting) == 1 else IN_TURN
        if deadline is not None:
            left = max(0.0, min(left, deadline - time.monotonic()))
        request = protocol.action(asking.action.id, wait=round(left, 3))
        asking.action = yield from patiently(thread.core, thread.run, request)
        if not asking.is_open:
            return
        if asking is waiting[-1] and deadline is not None and time.monotonic() >= deadline:
            raise StillHeld(asking.action)


def refusal(thread: Thread, asking: Asking) -> Flow[Refused | None]:
    """What a person, a rule or the clock said against it. Raises Terminated when that is why."""
    if asking.refused is None and asking.action is not None:
        if asking.action.state == "cancelled":
            thread.run.heard((yield from send(thread.core, protocol.control(asking.action.run_id))))
        try:
            judged(thread.run, asking.action)
        except Refused as refused:
            asking.refused = refused
    return asking.refused


def _propose(
    thread: Thread, question: Question, position: int, asking: Asking, snapshot: Any
) -> Flow[None]:
    call = asking.call
    options: dict[str, Any] = dict(thread.describe(call))
    said = words_of(message_of(snapshot, call.tool_call_id))
    options["reason"] = options.get("reason") or reason(call, said) or None
    options["resume"] = {
        **(options.get("resume") or {}),
        "langgraph": {
            **thread.place,
            "interrupt_id": question.id,
            "position": position,
            "allowed": list(call.allowed),
        },
    }
    body = proposal(
        f"{asking.name}/{asking.number}", call.name, call.arguments,
        ask=True, step=asking.name, attempt=asking.number, **options,
    )  # fmt: skip
    try:
        admission = yield from propose(thread.core, thread.run, body)
    except Refused as refused:
        asking.refused, asking.action = refused, refused.action
        if isinstance(refused, Denied) and refused.action is None:
            raise
    else:
        asking.action = admission.action


def look(thread: Thread, action_id: str) -> Flow[Any]:
    """The action as it stands."""
    return (yield from send(thread.core, protocol.action(action_id)))
