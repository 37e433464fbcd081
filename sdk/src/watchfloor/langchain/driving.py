"""run → interrupted → asked → decided → claimed → resumed → settled: a graph and its people, as flows."""

from __future__ import annotations

import time
from typing import Any

from watchfloor.core import PROMPTLY
from watchfloor.effects import Flow
from watchfloor.errors import BindingBroken, OutcomeUnknown
from watchfloor.failures import describe
from watchfloor.flows.reporting import flush_within
from watchfloor.langchain.asking import ask, decided, look
from watchfloor.langchain.claiming import answers, claim, close, give_back
from watchfloor.langchain.evidence import Evidence, after_error, evidence
from watchfloor.langchain.messages import message_of, questions_of, result_of, tool_call_name
from watchfloor.langchain.pending import forget, pending, remember
from watchfloor.langchain.shapes import Answer, Question, Wanted
from watchfloor.langchain.thread import Asking, Spent, Thread
from watchfloor.models import Action


def drive(thread: Thread, given: Any, timeout: float | None) -> Flow[Any]:
    """Run the graph to its end, asking people on the way → what it returned last.

    Raises StillHeld after `timeout` seconds without a decision, OutcomeUnknown, BindingBroken,
    Conflict (`already_claimed`), UnknownShape, Unanswerable, a stop, or what the graph raised.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    output = None
    if given is not None:
        output = yield from _run(thread, given)
    else:
        output = yield from _continue(thread)
    answered: set[str] = set()
    while questions := _left(questions_of(snapshot := (yield from thread.snapshot())), answered):
        question, askings, said = yield from _answered(thread, questions, snapshot, deadline)
        output = yield from _resume(thread, question, askings, said, answered)
    if not snapshot.next and (thread.noted or given is None):
        yield from forget(thread)
    yield from _account(thread, snapshot)
    return output


def _left(questions: list[Question], answered: set[str]) -> list[Question]:
    return [each for each in questions if each.id not in answered]


def _answered(
    thread: Thread, questions: list[Question], snapshot: Any, deadline: float | None
) -> Flow[tuple[Question, list[Asking], list[Answer]]]:
    """The first question that people have answered in full. The others wait their turn: sent
    together, one bad answer could make another call run twice."""
    while True:
        asked = {}
        for question in questions:
            asked[question.id] = yield from ask(thread, question, snapshot)
        yield from remember(thread, [each for askings in asked.values() for each in askings])
        for question in questions:
            if not any(each.is_open for each in asked[question.id]):
                said = yield from answers(thread, question, asked[question.id])
                if said is not None:
                    return question, asked[question.id], said
        still = [each for askings in asked.values() for each in askings]
        if all(each.action is not None or not each.is_open for each in still):
            yield from decided(thread, still, deadline)


def _resume(
    thread: Thread,
    question: Question,
    askings: list[Asking],
    said: list[Answer],
    answered: set[str],
) -> Flow[Any]:
    """Answer one interrupt. What does not get through is not lost."""
    from langgraph.types import Command

    for asking, answer in zip(askings, said, strict=True):
        asking.told = answer
    try:
        output = yield from _run(thread, Command(resume={question.id: question.resume(said)}))
    except Exception as error:
        if not (yield from _not_taken(thread, question, error)):
            raise
        return None
    answered.add(question.id)
    return output


def _run(thread: Thread, given: Any) -> Flow[Any]:
    """Let the graph run, and write down what came of every approval that it was told of."""
    try:
        output = yield from thread.invoke(given)
    except Exception as error:
        yield from _told(thread)
        yield from _after_error(thread, error)
        raise
    yield from _told(thread)
    snapshot = yield from thread.snapshot()
    for ticket in list(thread.tickets.values()):
        yield from close(thread, ticket, evidence(thread, ticket, snapshot))
    return output


def _told(thread: Thread) -> Flow[None]:
    """Outcomes that the graph's own threads reported have reached the server, if it can be reached."""
    if thread.done and len(thread.core.outbox):
        yield from flush_within(thread.core, PROMPTLY)


def _after_error(thread: Thread, error: Exception) -> Flow[None]:
    try:
        snapshot = yield from thread.snapshot()
    except Exception:
        snapshot = None  # the checkpointer itself is what failed
    for ticket in list(thread.tickets.values()):
        found = after_error(thread, ticket, snapshot, error)
        if isinstance(error, BindingBroken) and error.action.id == ticket.action.id:
            found = Evidence("failed", error)
        if found.how == "not_begun":
            if not (ticket.is_edit and _is_invalid(error)):
                yield from give_back(thread, [ticket])
        else:
            yield from close(thread, ticket, found)


def _not_taken(thread: Thread, question: Question, error: Exception) -> Flow[bool]:
    """An edit that the tool's schema refuses: nothing ran, and the model is told why."""
    edits = [t for t in thread.tickets.values() if t.question_id == question.id and t.is_edit]
    if not edits or not _is_invalid(error):
        return False
    for ticket in edits:
        asking = ticket.asking
        yield from close(thread, ticket, Evidence("failed", error))
        asking.answer = Answer(
            "reject",
            f"The reviewer wanted these arguments, which {asking.call.name} does not take: "
            f"{dict(ticket.arguments)!r}\n{describe(error)['message']}",
        )
    return True


def _is_invalid(error: Exception) -> bool:
    """LangGraph checked an answer against its schema, and saved nothing."""
    kind = type(error)
    return kind.__name__ == "ValidationError" and kind.__module__.startswith("pydantic")


def _continue(thread: Thread) -> Flow[Any]:
    """Go on where the thread stands. What was approved behind the last answered question is claimed
    now; what was begun must not be done again."""
    snapshot = yield from thread.snapshot()
    if not snapshot.next:
        return snapshot.values
    asks = bool(questions_of(snapshot))
    entry = (yield from pending(thread)).get(thread.id, {"asked": {}})
    for name, told in entry["asked"].items():
        tool_call_id = told["tool_call_id"]
        said = message_of(snapshot, tool_call_id)
        if said is None or tool_call_name(said, tool_call_id, thread.id) != name:
            continue  # of an earlier turn, or of a node that is no tool
        if result_of(snapshot, tool_call_id, said.id) is not None:
            continue
        action: Action = yield from look(thread, told["action"])
        if action.state in ("executing", "unknown", "succeeded", "failed"):
            thread.spent[tool_call_id] = Spent(action)
        elif action.state in ("approved", "allowed") and not asks:
            call = Wanted(action.tool, action.requested_arguments, tool_call_id=tool_call_id)
            yield from claim(thread, None, Asking(name, call, said=said.id), action)
    return None if asks else (yield from _run(thread, None))


def _account(thread: Thread, snapshot: Any) -> Flow[None]:
    """Every approval that was claimed has been used, or is given back, or is told to be open."""
    for ticket in list(thread.tickets.values()):
        if not snapshot.next or ticket.place is not None:
            # langchainjs#11125: the graph is at its end, and this call never came
            raise OutcomeUnknown(ticket.action, "the graph ended without this call's result")
        yield from give_back(thread, [ticket])
