"""One thread of a graph while a process drives it: what was asked, what is claimed, what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from watchfloor.binding import why_not
from watchfloor.core import Core
from watchfloor.effects import Call, Flow
from watchfloor.errors import BindingBroken, OutcomeUnknown, Refused
from watchfloor.flows.performing import settlement
from watchfloor.langchain.evidence import of_seen, report
from watchfloor.langchain.shapes import Answer, Wanted
from watchfloor.langchain.witness import Ran, Seen, Sight, handler
from watchfloor.models import Action, Kind
from watchfloor.options import ProposalOptions
from watchfloor.state import RunState


class Description(ProposalOptions, total=False):
    """What a request says of itself beside its call."""

    kind: Kind
    """`write`: what must never be repeated, also where no person was asked."""


Describe = Callable[[Wanted], Description]

driven: ContextVar[Thread | None] = ContextVar("watchfloor.langchain.driven", default=None)
"""The thread whose graph is running here; LangGraph hands it on to its workers."""


@dataclass
class Asking:
    """One call of one question, and what became of it. Attempt `number` is the present request."""

    name: str
    call: Wanted
    number: int = 1
    action: Action | None = None
    refused: Refused | None = None
    answer: Answer | None = None
    """Said without asking again: the tool would not take what the person wrote."""
    told: Answer | None = None
    """What the graph was told last."""
    said: str | None = None
    """Id of the model's message that made the call."""

    @property
    def is_open(self) -> bool:
        if self.answer is not None or self.refused is not None:
            return False
        return self.action is None or self.action.state == "held"


@dataclass
class Ticket:
    """An approval this process has claimed and told its graph. It is settled exactly once."""

    action: Action
    asking: Asking
    question_id: str | None
    arguments: Mapping[str, Any]
    """What the graph was told to call the tool with."""
    is_edit: bool = False
    began: float = 0.0
    place: str | None = None
    """Where in the graph its tool began."""

    @property
    def tool_call_id(self) -> str | None:
        return self.asking.call.tool_call_id


@dataclass
class Spent:
    """An action that was begun before: its tool call must not run again."""

    action: Action
    place: str | None = None


@dataclass
class Thread:
    """Everything the flows of one `invoke` share."""

    core: Core
    run: RunState
    graph: Any
    is_async: bool
    config: Mapping[str, Any]
    describe: Describe
    lease: float
    takeover: bool
    options: Mapping[str, Any]
    """For the graph's own `invoke`."""
    io: Any
    """Performs the flows of the gate, which runs inside the graph."""
    asked: dict[str, Asking] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    """By action id, until settled."""
    done: set[str] = field(default_factory=set)
    """Actions whose tickets were settled here."""
    spent: dict[str, Spent] = field(default_factory=dict)
    """By tool call id."""
    noted: set[tuple[str, str]] = field(default_factory=set)
    """Names and actions that are kept with the run already."""

    def __post_init__(self) -> None:
        if self.config.get("configurable", {}).get("thread_id") is None:
            raise ValueError('config needs {"configurable": {"thread_id": …}}')
        self.sight = Sight(self.check, self.ended)

    @property
    def id(self) -> str:
        return str(self.config["configurable"]["thread_id"])

    @property
    def place(self) -> dict[str, str]:
        """What finds the checkpoint again, in any process that has the same checkpointer."""
        known = self.config["configurable"]
        names = ("thread_id", "checkpoint_ns")
        return {name: str(known[name]) for name in names if known.get(name) is not None}

    def snapshot(self) -> Flow[Any]:
        """Where the graph stands now."""
        look = self.graph.aget_state if self.is_async else self.graph.get_state
        config = {**self.config, "configurable": self.place}
        return (yield Call(look, (config,), {"subgraphs": True}))

    def invoke(self, given: Any) -> Flow[Any]:
        """Run the graph until it ends or asks."""
        from langchain_core.runnables.config import merge_configs

        self.sight.clear()
        config = merge_configs(dict(self.config), {"callbacks": [handler(self.sight)]})  # type: ignore[arg-type]
        run = self.graph.ainvoke if self.is_async else self.graph.invoke
        options = {"durability": "sync", **self.options}
        self.config = {**self.config, "configurable": _latest(self.config["configurable"])}
        token = driven.set(self)
        try:
            return (yield Call(run, (given, config), options, None, self.run.cancelled))
        finally:
            driven.reset(token)

    def check(self, tool_call_id: str, place: str, tool: str, arguments: Mapping[str, Any]) -> None:
        """Right before a tool's body: only what was approved, only once, and after every stop."""
        spent = self.spent.get(tool_call_id)
        if spent is not None and spent.place in (None, place):
            spent.place = place
            raise OutcomeUnknown(spent.action, "its approval was used before")
        ticket = self._ticket(tool_call_id, place)
        if ticket is None:
            return
        self.run.obey()
        because = why_not(ticket.action, arguments, self.core.on_unbound)
        if tool != ticket.action.tool:
            because = f"{tool} was not asked about"
        if because:
            raise BindingBroken(ticket.action, because)
        ticket.place = place

    def ended(self, ran: Ran, seen: Seen) -> None:
        """Right after a tool's body: say how it went at once, however long its graph goes on."""
        ticket = self._ticket(*ran)
        if ticket is None:
            return
        self.use_up(ticket)
        body = report(of_seen(seen))
        if body is not None:
            self.core.outbox.add(settlement(ticket.action, body, ticket.began))
            self.end(ticket)

    def use_up(self, ticket: Ticket) -> None:
        """Its tool call must not be made again, should the graph repeat it."""
        if ticket.tool_call_id is not None and ticket.place is not None:
            self.spent[ticket.tool_call_id] = Spent(ticket.action, ticket.place)

    def end(self, ticket: Ticket) -> None:
        """Its outcome is told."""
        del self.tickets[ticket.action.id]
        self.done.add(ticket.action.id)

    def _ticket(self, tool_call_id: str, place: str) -> Ticket | None:
        """The approval that was claimed for this call: what was let go ahead is what runs first."""
        for ticket in list(self.tickets.values()):
            if ticket.tool_call_id == tool_call_id and ticket.place in (None, place):
                return ticket
        return None


def _latest(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Only the first run may start from an older checkpoint; what follows goes on from its end."""
    return {name: value for name, value in configurable.items() if name != "checkpoint_id"}
