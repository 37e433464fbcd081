"""The way of one message, as a LangGraph graph.

    take → classify ⇄ (reread) → decide → file | refund | refuse | review
              ↘ keywords ↗

Each node can be run again: the plan stands in the ledger before anything is filed, and every write carries a
transaction id. So no checkpointer of LangGraph's is needed. A refund leaves the graph to wait for a person; once
that is decided, or after a crash, the message enters again and `take` sends it to where it was.
"""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from .asking import READS, Asker
from .deeds import Deeds
from .directions import Directions
from .ledger import Ledger
from .messages import Message
from .money import claimed
from .verdict import Verdict


class State(TypedDict, total=False):
    """What travels through the graph."""

    message: Message
    tries: int
    reads: int
    verdict: Verdict | None
    plan: dict[str, Any]


Graph = CompiledStateGraph[State, None, State, State]


class Triage:
    """The nodes: judgement by the asker, deeds by the deeds, memory in the ledger."""

    def __init__(self, ledger: Ledger, directions: Directions, asker: Asker, deeds: Deeds) -> None:
        self._ledger = ledger
        self._directions = directions
        self._asker = asker
        self._deeds = deeds
        self._graph = self._compile()

    def run(self, message_id: str) -> None:
        """Bring one message as far as it gets: to its end, or before a person."""
        entry = self._ledger.entry(message_id)
        if entry is None or entry.outcome is not None:
            return
        start: State = {"message": entry.message, "tries": entry.tries, "reads": 0}
        if entry.plan is not None:
            start["plan"] = entry.plan
        self._graph.invoke(start, {"recursion_limit": 4 * READS})

    def refund(self, message_id: str) -> None:
        """Issue the refund of a message that waits, once people let it; its plan then leads on.

        Blocks until that is decided, here or in the next process.
        """
        entry = self._ledger.entry(message_id)
        if entry is None or entry.plan is None or not entry.waits:
            return
        changes = self._deeds.refund(entry.message, entry.plan)
        self._ledger.go_on(message_id, entry.plan | changes)

    def _compile(self) -> Graph:
        graph = StateGraph(State)
        graph.add_node("take", self._take)
        graph.add_node("classify", self._classify)
        graph.add_node("keywords", self._keywords)
        graph.add_node("decide", self._decide)
        graph.add_node("file", self._file)
        graph.add_node("refund", self._refund)
        graph.add_node("refuse", self._refuse)
        graph.add_node("review", self._review)
        graph.add_edge(START, "take")
        graph.add_conditional_edges("take", _planned, [*STEPS, "classify"])
        graph.add_conditional_edges("classify", _answered, ["classify", "keywords", "decide"])
        graph.add_edge("keywords", "decide")
        graph.add_conditional_edges("decide", _planned, [*STEPS])
        for last in STEPS:
            graph.add_edge(last, END)
        return graph.compile(name="support triage")

    def _take(self, state: State) -> State:
        """Where a person said to leave it alone, a person gets it."""
        message = state["message"]
        if "plan" in state or not self._directions.skips(message.id):
            return {}
        plan = {"step": "review", "why": "A person told the agent to leave this message alone."}
        return self._planned(message, plan)

    def _classify(self, state: State) -> State:
        reads = state["reads"] + 1
        verdict = self._asker.ask(state["message"], read=reads, tries=state["tries"])
        return {"verdict": verdict, "reads": reads}

    def _keywords(self, state: State) -> State:
        return {"verdict": self._asker.by_keywords(state["message"], tries=state["tries"])}

    def _decide(self, state: State) -> State:
        return self._planned(state["message"], self._plan(state))

    def _plan(self, state: State) -> dict[str, Any]:
        message, verdict = state["message"], state["verdict"]
        assert verdict is not None
        category = self._directions.category(verdict.category)
        plan = {"category": category, "by": verdict.by, "summary": verdict.summary}
        if verdict.move == "reread":
            return plan | {"step": "review", "why": f"The model read it {state['reads']} times."}
        if verdict.move == "refuse":
            return plan | {"step": "refuse", "why": verdict.summary or "Nothing to answer."}
        if not verdict.is_sure:
            return plan | {"step": "review", "why": f"Not clear enough: {verdict}."}
        if not verdict.refund:
            return plan | {"step": "file"}
        claim = claimed(message)
        stake = {"amount": str(claim.amount), "currency": claim.currency, "source": claim.source}
        return plan | {"step": "refund"} | stake

    def _planned(self, message: Message, plan: dict[str, Any]) -> State:
        self._ledger.plan(message.id, plan)
        return {"plan": plan}

    def _file(self, state: State) -> State:
        self._deeds.file(state["message"], state["plan"])
        self._ledger.end(state["message"].id, "ticket", state["plan"]["category"])
        return {}

    def _refund(self, state: State) -> State:
        """Before a person, perhaps for days: that is waited for elsewhere, see `refund`."""
        self._ledger.wait(state["message"].id)
        return {}

    def _refuse(self, state: State) -> State:
        self._deeds.refuse(state["message"], state["plan"])
        self._ledger.end(state["message"].id, "refusal", state["plan"]["why"])
        return {}

    def _review(self, state: State) -> State:
        self._deeds.hand_over(state["message"], state["plan"], tries=state["tries"])
        self._ledger.end(state["message"].id, "review", state["plan"]["why"])
        return {}


STEPS = ("file", "refund", "refuse", "review")


def _planned(state: State) -> str:
    return str(state["plan"]["step"]) if "plan" in state else "classify"


def _answered(state: State) -> str:
    verdict = state["verdict"]
    if verdict is None:
        return "keywords"
    return "classify" if verdict.move == "reread" and state["reads"] < READS else "decide"
