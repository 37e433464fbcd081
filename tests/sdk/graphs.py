"""Agents of LangChain and graphs of LangGraph, with a model that follows a script. Also run in processes of their own."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

DECISIONS = ["approve", "edit", "reject", "respond"]


def calls(*calls: dict[str, Any], words: str = "") -> AIMessage:
    """A message of the model. Ids begin anew with every message, as those of careless servers do."""
    return AIMessage(
        words,
        tool_calls=[
            {"name": "refund.issue", "args": args, "id": f"call_{n}"}
            if "name" not in args
            else {**args, "id": f"call_{n}"}
            for n, args in enumerate(calls)
        ],
    )


class Scripted(GenericFakeChatModel):
    """Says the next line, by what was said already: a restarted process goes on where it was."""

    script: list[Any] = []
    messages: Any = iter(())

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: Any, *args: Any, **more: Any) -> Any:
        said = sum(message.type == "ai" for message in messages)
        line = self.script[min(said, len(self.script) - 1)]
        self.messages = iter([line(messages) if callable(line) else line.model_copy(deep=True)])
        return super()._generate(messages, *args, **more)


def read_back(messages: Any) -> AIMessage:
    """The last line of most scripts: what the tools said."""
    return AIMessage("\n".join(str(m.content) for m in messages if m.type == "tool"))


def refunds(ledger: Path) -> list[Any]:
    """Tools that leave a line for everything they do."""

    @tool("refund.issue")
    def refund(amount: int, order: str = "A") -> str:
        """Give money back."""
        with ledger.open("a") as file:
            file.write(f"{amount!r} {order}\n")
        if amount == 13:
            raise ValueError("unlucky")
        return f"refunded {amount!r}"

    @tool
    def search(q: str) -> str:
        """Look something up."""
        with ledger.open("a") as file:
            file.write(f"search {q}\n")
        return f"found {q}"

    return [refund, search]


def agent(
    saver: Any,
    ledger: Path,
    *script: Any,
    mode: Any = "batched",
    allowed: Sequence[Any] = DECISIONS,
    before: Sequence[AgentMiddleware[Any, Any, Any]] = (),
    also: Sequence[AgentMiddleware[Any, Any, Any]] = (),
) -> Any:
    """A LangChain agent whose refunds need a yes."""
    config: Any = {"refund.issue": {"allowed_decisions": list(allowed)}}
    review = HumanInTheLoopMiddleware(config, interrupt_mode=mode)
    return create_agent(
        Scripted(script=[*script, read_back]),
        refunds(ledger),
        checkpointer=saver,
        middleware=[*before, review, *also],
    )


class Told(TypedDict, total=False):
    amounts: list[int]
    told: Annotated[list[Any], operator.add]


def inbox(saver: Any, **allow: bool) -> Any:
    """A graph that asks as for Agent Inbox, once for every amount."""
    config = {f"allow_{n}": allow.get(n, True) for n in ("accept", "edit", "respond", "ignore")}

    def ask(state: Told) -> Told:
        told = []
        for amount in state["amounts"]:
            request = {"action": "refund.issue", "args": {"amount": amount}}
            told += interrupt([{"action_request": request, "config": config}])
        return {"told": told}

    return _compiled(ask, saver)


def single(saver: Any, ask: Any) -> Any:
    """A graph of one node."""
    return _compiled(ask, saver)


def _compiled(node: Any, saver: Any) -> Any:
    graph = StateGraph(Told)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)
