"""How a tool call that was let go ahead has ended, as far as the graph shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from watchfloor.jsonable import jsonable
from watchfloor.langchain.messages import result_of, task_of
from watchfloor.langchain.thread import Thread, Ticket
from watchfloor.langchain.witness import Seen


@dataclass(frozen=True)
class Evidence:
    """`value`: what the tool returned, or the error it raised or told."""

    how: Literal["succeeded", "failed", "not_begun", "open"]
    value: Any = None


OPEN = Evidence("open")


def evidence(thread: Thread, ticket: Ticket, snapshot: Any) -> Evidence:
    """After the graph went on without an error."""
    told = _of_tool(thread, ticket, snapshot)
    if told is not None:
        return told
    if ticket.asking.said is not None:
        return OPEN  # a tool call that still has to be made, in a step to come
    waits = any(each.id == ticket.question_id for each in snapshot.interrupts)
    return OPEN if waits else Evidence("succeeded")


def after_error(thread: Thread, ticket: Ticket, snapshot: Any, error: Exception) -> Evidence:
    """After the graph raised `error`; `snapshot` is None when even that cannot be read."""
    told = _of_tool(thread, ticket, snapshot)
    if told is not None:
        return told
    if not thread.sight.began:
        return Evidence("not_begun")
    if snapshot is None:
        return OPEN
    if ticket.asking.said is not None:
        return Evidence("not_begun")
    task = task_of(snapshot, str(ticket.question_id))
    if task is None:
        return Evidence("succeeded")
    if task.result is None and task.error:
        return Evidence("failed", error)
    return OPEN


def _of_tool(thread: Thread, ticket: Ticket, snapshot: Any) -> Evidence | None:
    """What was seen of the tool itself, here or in the messages it left."""
    seen = thread.sight.tools.get((ticket.tool_call_id or "", ticket.place or ""))
    if seen is not None and seen.how != "ended":
        return Evidence("failed", seen.value) if seen.how == "failed" else OPEN
    message = (
        _message(seen)
        if seen is not None
        else result_of(snapshot, ticket.tool_call_id, ticket.asking.said)
    )
    if message is None:
        return None
    content = jsonable(getattr(message, "content", message))
    if getattr(message, "status", "success") == "error":
        return Evidence("failed", content)
    return Evidence("succeeded", content)


def _message(seen: Seen) -> Any:
    return "" if seen.value is None else seen.value
