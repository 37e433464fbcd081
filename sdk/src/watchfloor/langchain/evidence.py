"""How a tool call that was let go ahead has ended, as far as the graph shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from watchfloor.failures import UNSURE_ON, describe, is_unsure
from watchfloor.jsonable import jsonable, storable
from watchfloor.langchain.messages import result_of, task_of
from watchfloor.langchain.witness import Seen
from watchfloor.models import Json

if TYPE_CHECKING:
    from watchfloor.langchain.thread import Thread, Ticket


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


def of_seen(seen: Seen) -> Evidence:
    """What was seen of the tool itself."""
    if seen.how == "began":
        return OPEN
    if seen.how == "failed":
        return Evidence("failed", seen.value)
    return _of_message("" if seen.value is None else seen.value)


def report(found: Evidence) -> dict[str, Json] | None:
    """What the server is told; None when nobody knows how it ended, and a person has to look."""
    if found.how == "succeeded":
        return {"outcome": "succeeded", "result": storable(found.value, anyway=True)}
    if found.how != "failed" or _is_unsure(found.value):
        return None
    error = found.value
    told = describe(error) if isinstance(error, BaseException) else _told(error)
    return {"outcome": "failed", "error": told}


def _of_tool(thread: Thread, ticket: Ticket, snapshot: Any) -> Evidence | None:
    """Of the tool, here or in the messages it left."""
    seen = thread.sight.tools.get((ticket.tool_call_id or "", ticket.place or ""))
    if seen is not None:
        return of_seen(seen)
    message = result_of(snapshot, ticket.tool_call_id, ticket.asking.said)
    return None if message is None else _of_message(message)


def _of_message(message: Any) -> Evidence:
    content = jsonable(getattr(message, "content", message))
    failed = getattr(message, "status", "success") == "error"
    return Evidence("failed" if failed else "succeeded", content)


def _is_unsure(error: Any) -> bool:
    return isinstance(error, BaseException) and is_unsure(error, UNSURE_ON)


def _told(words: Any) -> dict[str, str]:
    return {"type": "ToolError", "message": str(words)[:4000]}
