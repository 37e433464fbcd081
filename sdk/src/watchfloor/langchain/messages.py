"""What a graph's state says of tool calls. It knows LangChain's messages by what they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from watchfloor.binding import same
from watchfloor.jsonable import digest, jsonable
from watchfloor.langchain.shapes import Question, Wanted, read


def questions_of(snapshot: Any) -> list[Question]:
    """Interrupts that wait for a yes or no about tool calls, in order. Raises UnknownShape."""
    found = (
        read(each.id, each.value, getattr(each, "response_schema", None))
        for each in snapshot.interrupts
    )
    return [_with_ids(question, snapshot) for question in found if question is not None]


def name_of(question: Question, position: int, snapshot: Any, thread: str) -> str:
    """A name for this call that is the same in every process, and for no other call.

    Models repeat ids of tool calls, so the message that made the call is part of it.
    """
    call = question.calls[position]
    said = message_of(snapshot, call.tool_call_id)
    if said is None:
        return f"{question.id}.{position}@{digest(thread)}"
    return tool_call_name(said, str(call.tool_call_id), thread)


def tool_call_name(said: Any, tool_call_id: str, thread: str) -> str:
    return f"{tool_call_id[:100]}@{digest(thread, said.id)}"


def message_of(snapshot: Any, tool_call_id: str | None) -> Any:
    """The model's message that made this call and has no answer yet, if the graph keeps messages."""
    if tool_call_id is None:
        return None
    for messages in _conversations(snapshot):
        for message in reversed(messages):
            if tool_call_id in _made(message):
                if result_of(snapshot, tool_call_id, message.id) is None:
                    return message
                break
    return None


def words_of(message: Any) -> str:
    """What the model said beside its calls."""
    content = getattr(message, "content", "")
    if isinstance(content, str):
        return content
    texts = (each.get("text", "") for each in content if isinstance(each, Mapping))
    return " ".join(each for each in texts if each)


def result_of(snapshot: Any, tool_call_id: str | None, said: str | None) -> Any:
    """The tool's message that answers message `said`, also where its step is not over yet."""
    if tool_call_id is None or snapshot is None:
        return None
    for messages in _conversations(snapshot):
        is_past = False
        for message in [*messages, *_unfinished(snapshot)]:
            if tool_call_id in _made(message):
                is_past = message.id == said
            elif is_past and getattr(message, "tool_call_id", None) == tool_call_id:
                return message
    return None


def task_of(snapshot: Any, interrupt_id: str) -> Any:
    """The task that asked this."""
    for task in snapshot.tasks:
        if any(each.id == interrupt_id for each in task.interrupts):
            return task
    return None


def _with_ids(question: Question, snapshot: Any) -> Question:
    """A batch names no tool calls: find them, in the order of the model's last message."""
    if question.shape != "batched":
        return question
    for messages in _conversations(snapshot):
        said = next((m for m in reversed(messages) if _made(m)), None)
        if said is not None and (calls := _matched(question, said, snapshot)):
            return replace(question, calls=calls)
    return question


def _matched(question: Question, said: Any, snapshot: Any) -> tuple[Wanted, ...]:
    """The calls with their ids; none at all unless every one of them was made by this message."""
    left = [each for each in said.tool_calls if result_of(snapshot, each["id"], said.id) is None]
    found = []
    for call in question.calls:
        match = next((each for each in left if _is(call, each)), None)
        if match is None:
            return ()
        left = left[left.index(match) + 1 :]
        found.append(replace(call, tool_call_id=match["id"]))
    return tuple(found)


def _is(call: Wanted, made: Mapping[str, Any]) -> bool:
    same_arguments = same(jsonable(call.arguments), jsonable(made["args"]))
    return bool(made["name"] == call.name and same_arguments)


def _made(message: Any) -> list[str]:
    """Ids of the calls a message makes."""
    return [each["id"] for each in getattr(message, "tool_calls", None) or ()]


def _conversations(snapshot: Any) -> Iterator[list[Any]]:
    """The messages of the graph, and of every graph inside it that waits."""
    yield _messages(snapshot.values)
    for task in snapshot.tasks:
        if hasattr(task.state, "tasks"):
            yield from _conversations(task.state)


def _unfinished(snapshot: Any) -> Iterator[Any]:
    """Messages of tasks that are done, in steps that are not."""
    for task in snapshot.tasks:
        yield from _messages(task.result)
        if hasattr(task.state, "tasks"):
            yield from _unfinished(task.state)


def _messages(values: Any) -> list[Any]:
    found = values.get("messages") if isinstance(values, Mapping) else None
    return found if isinstance(found, list) else []
