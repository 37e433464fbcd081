"""Which threads wait for people: kept with the run, so that a process that knows only its key finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchfloor.effects import Flow
from watchfloor.errors import RunFinished, VersionConflict
from watchfloor.flows import keeping
from watchfloor.langchain.thread import Asking, Thread
from watchfloor.models import Json

NAME = "langgraph"
"""The checkpoint of the run; `{thread id: {"place": …, "asked": {name: …}}}`."""

TRIES = 10


def pending(thread_or: Any) -> Flow[dict[str, Any]]:
    """All threads of the run that were asked about and not finished."""
    found = yield from keeping.load(thread_or.core, thread_or.run, NAME, {})
    return dict(found)


def remember(thread: Thread, askings: list[Asking]) -> Flow[None]:
    """These were asked; whoever continues the thread has to know of them."""
    fresh = [
        each
        for each in askings
        if each.action is not None and (each.name, each.action.id) not in thread.noted
    ]
    if not fresh:
        return
    asked = {
        each.name: {
            "action": each.action.id,
            "tool_call_id": each.call.tool_call_id,
        }
        for each in fresh
        if each.action is not None
    }

    def add(threads: dict[str, Any]) -> bool:
        entry = threads.setdefault(thread.id, {"place": thread.place, "asked": {}})
        if asked.items() <= entry["asked"].items():
            return False
        entry["asked"] |= asked
        return True

    yield from _change(thread, add)
    thread.noted |= {(each.name, each.action.id) for each in fresh if each.action is not None}


def forget(thread: Thread) -> Flow[None]:
    """The thread came to its end."""
    yield from _change(thread, lambda threads: threads.pop(thread.id, None) is not None)


def _change(thread: Thread, change: Callable[[dict[str, Any]], bool]) -> Flow[None]:
    """Load, change, save; once more when another process of this run was at it."""
    for left in reversed(range(TRIES)):
        threads: dict[str, Json] = yield from pending(thread)
        if not change(threads):
            return
        try:
            yield from keeping.save(thread.core, thread.run, threads, NAME, None, False)
        except RunFinished:
            return  # nobody can continue it
        except VersionConflict:
            if not left:
                raise
        else:
            return
