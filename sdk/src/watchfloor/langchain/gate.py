"""Every tool call of a LangChain agent is proposed before it is made: the agent's policy holds for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.types import Command, interrupt

from watchfloor.binding import same
from watchfloor.effects import Flow
from watchfloor.errors import PolicyChanged, Refused, ResultNotStored, WatchfloorError
from watchfloor.flows.admitting import Claim, claiming, proposal, propose, ready
from watchfloor.flows.performing import Work, perform
from watchfloor.flows.stepping import before, replayed
from watchfloor.jsonable import is_stored, jsonable
from watchfloor.langchain.answers import reason, told
from watchfloor.langchain.messages import tool_call_name, words_of
from watchfloor.langchain.shapes import Wanted
from watchfloor.langchain.thread import Thread, driven
from watchfloor.models import Action, Json

Result = ToolMessage | Command[Any]


class NotWatched(WatchfloorError):
    """An agent with a Gate was run by itself. Nothing was called: run it through Watch."""


class Held(Exception):
    """A person must decide first."""

    def __init__(self, action: Action):
        self.action = action


class Gate(AgentMiddleware[Any, Any, Any]):  # type: ignore[misc]
    """The last middleware of an agent that Watch drives.

    What policy allows is called and reported, what it denies is told to the model, and what needs a
    person interrupts the graph, as HumanInTheLoopMiddleware does where it was told to.
    """

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        thread = watched()
        known = _known(thread, request)
        if isinstance(known, ToolMessage):
            return known
        if known is not None:
            return handler(known)

        def call(**arguments: Any) -> Result:
            return handler(_with(request, arguments))

        try:
            result: Result = thread.io.run(gated(thread, request, call))
        except Refused as refused:
            return _refusal(request, told(refused))
        except Held as held:
            return _interrupted(request, held.action)
        return result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        thread = watched()
        known = _known(thread, request)
        if isinstance(known, ToolMessage):
            return known
        if known is not None:
            return await handler(known)

        async def call(**arguments: Any) -> Result:
            return await handler(_with(request, arguments))

        try:
            result: Result = await thread.io.run(gated(thread, request, call))
        except Refused as refused:
            return _refusal(request, told(refused))
        except Held as held:
            return _interrupted(request, held.action)
        return result


def watched() -> Thread:
    thread = driven.get()
    if thread is None:
        raise NotWatched("this agent has a Gate: run it through watchfloor.langchain.Watch")
    return thread


def gated(thread: Thread, request: ToolCallRequest, fn: Callable[..., Any]) -> Flow[Any]:
    """What the tool returns, or returned before. Raises Held, a refusal, a stop, OutcomeUnknown."""
    call = request.tool_call
    work = Work(call["name"], fn, call["args"], restore=restored)
    number = 0
    while True:
        number += 1
        claim = Claim.new(lease=thread.lease, timeout=None)
        body = claiming(_proposal(thread, request, number), claim)
        admission = yield from propose(thread.core, thread.run, body)
        assert admission.action is not None
        if admission.action.state == "held":
            raise Held(admission.action)
        try:
            action = yield from ready(thread.core, thread.run, admission.action, claim)
        except PolicyChanged:
            continue
        if claim.holds(action):
            return (yield from perform(thread.core, thread.run, action, work))
        if action.state == "succeeded" and is_stored(action.result):
            return replayed(action, work)
        yield from before(thread.core, thread.run, action)


def restored(result: Json) -> ToolMessage:
    """A tool's message from what was kept of it."""
    if not isinstance(result, dict) or "tool_call_id" not in result:
        raise ResultNotStored(Action(""))
    return ToolMessage(**result)


def _proposal(thread: Thread, request: ToolCallRequest, number: int) -> dict[str, Json]:
    """The same request that Watch makes when it meets the interrupt of this call."""
    made, said = request.tool_call, _said(request)
    asked = Wanted(made["name"], dict(made["args"]), tool_call_id=made["id"])
    name = tool_call_name(said, str(made["id"]), thread.id)
    options: dict[str, Any] = dict(thread.describe(asked))
    options["reason"] = options.get("reason") or reason(asked, words_of(said)) or None
    options["resume"] = {**(options.get("resume") or {}), "langgraph": thread.place}
    return proposal(
        f"{name}/{number}", asked.name, asked.arguments, step=name, attempt=number, **options
    )


def _known(thread: Thread, request: ToolCallRequest) -> ToolCallRequest | ToolMessage | None:
    """What people decided about this very call already: how to make it, or what to say instead."""
    call = request.tool_call
    name = tool_call_name(_said(request), str(call["id"]), thread.id)
    ticket = next((each for each in thread.tickets.values() if each.asking.name == name), None)
    if ticket is not None:
        is_original = same(jsonable(call["args"]), jsonable(ticket.asking.call.arguments))
        return _with(request, dict(ticket.arguments)) if is_original else request
    answer = thread.asked[name].told if name in thread.asked else None
    if answer is None or answer.runs:
        return None
    kind = "success" if answer.kind == "respond" else "error"
    return _refusal(request, answer.message, status=kind)


def _said(request: ToolCallRequest) -> Any:
    """The model's message that makes this call: the last one, should ids repeat."""
    return next(
        message
        for message in reversed(request.state["messages"])
        if any(each["id"] == request.tool_call["id"] for each in getattr(message, "tool_calls", ()))
    )


def _interrupted(request: ToolCallRequest, action: Action) -> ToolMessage:
    """Steps out of the graph; Watch asks, and this call begins anew with the answer."""
    call = request.tool_call
    interrupt(
        {
            "type": "tool_approval",
            "tool_call_id": call["id"],
            "name": call["name"],
            "args": call["args"],
            "description": action.reason or "",
        }
    )
    raise NotWatched("this interrupt was answered past Watch")


def _with(request: ToolCallRequest, arguments: dict[str, Any]) -> ToolCallRequest:
    return request.override(tool_call={**request.tool_call, "args": arguments})


def _refusal(request: ToolCallRequest, words: str, *, status: Any = "error") -> ToolMessage:
    call = request.tool_call
    return ToolMessage(
        content=words, name=call["name"], tool_call_id=str(call["id"]), status=status
    )
