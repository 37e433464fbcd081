"""decided → claimed → settled, or given back: an approval is used once, and never lost on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping

from watchfloor.core import logger
from watchfloor.effects import Flow
from watchfloor.errors import OutcomeUnknown, PolicyChanged, Refused
from watchfloor.flows import approving
from watchfloor.flows.admitting import Claim
from watchfloor.flows.performing import bound, settle
from watchfloor.flows.sharing import let_go
from watchfloor.langchain.answers import done_before, no, yes
from watchfloor.langchain.asking import again, refusal
from watchfloor.langchain.evidence import Evidence, report
from watchfloor.langchain.shapes import Answer, Question, fitting
from watchfloor.langchain.thread import Asking, Thread, Ticket
from watchfloor.models import Action, Json

TWICE = "The same call was asked for twice. It is carried out once, under the other call."


def answers(thread: Thread, question: Question, askings: list[Asking]) -> Flow[list[Answer] | None]:
    """What to tell the graph, with every yes claimed; None when something must be asked again."""
    mine: list[Ticket] = []
    try:
        found = []
        for asking in askings:
            answer, ticket = yield from _answer(thread, question, asking)
            if ticket is not None:
                mine.append(ticket)
            if answer is None:
                break
            found.append(answer)
        else:
            return found
    except Exception:
        yield from give_back(thread, mine)
        raise
    yield from give_back(thread, mine)
    return None


def _answer(
    thread: Thread, question: Question, asking: Asking
) -> Flow[tuple[Answer | None, Ticket | None]]:
    """None, None: it has to be asked again, or waited for."""
    if asking.answer is not None:
        return fitting(asking.answer, asking.call), None
    if (refused := (yield from refusal(thread, asking))) is not None:
        return fitting(no(refused), asking.call), None
    action = asking.action
    assert action is not None
    if action.id in thread.tickets or action.id in thread.done:
        return fitting(Answer("respond", TWICE), asking.call), None
    if action.state == "executing":
        asking.action = action = yield from _let_go(thread, action)
    if action.state == "unknown":
        raise OutcomeUnknown(action, "an earlier process began it and never said how it ended")
    if action.state == "succeeded":
        return fitting(done_before(action), asking.call), None
    if action.state == "failed":
        again(asking)
        return None, None
    if action.state not in ("approved", "allowed"):
        return None, None
    return (yield from _use(thread, question.id, asking, action))


def _use(
    thread: Thread, question_id: str | None, asking: Asking, action: Action
) -> Flow[tuple[Answer | None, Ticket | None]]:
    """A yes, claimed; or in words, where the graph takes no such yes."""
    answer = fitting(yes(action), asking.call)
    if not answer.runs:
        yield from approving.cancel(thread.core, action, "Its graph cannot be answered like this.")
        return answer, None
    try:
        ticket = yield from claim(thread, question_id, asking, action)
    except PolicyChanged as stale:
        logger.info("%s is asked again: %s", action.tool, stale.detail)
        again(asking)
        return None, None
    except Refused as refused:
        asking.refused = refused
        return fitting(no(refused), asking.call), None
    return answer, ticket


def claim(thread: Thread, question_id: str | None, asking: Asking, action: Action) -> Flow[Ticket]:
    """Take it, for exactly the call that the graph will make.

    Raises Conflict (`already_claimed`: another process is at it), BindingBroken, PolicyChanged.
    """
    mine = Claim.new(lease=thread.lease, timeout=None)
    claimed = yield from approving.claim(thread.core, thread.run, action, mine)
    arguments = claimed.arguments if claimed.is_edited else asking.call.arguments
    yield from bound(thread.core, thread.run, claimed, arguments)
    asking.action = claimed
    ticket = Ticket(
        claimed, asking, question_id, arguments, claimed.is_edited, began=time.monotonic()
    )
    thread.tickets[claimed.id] = ticket
    thread.spent.pop(ticket.tool_call_id or "", None)
    return ticket


def give_back(thread: Thread, tickets: list[Ticket]) -> Flow[None]:
    """Nothing ran: the approvals can be used again, here or elsewhere (agenta#5592)."""
    for ticket in tickets:
        yield from _settle(thread, ticket, {"outcome": "interrupted"})
        del thread.tickets[ticket.action.id]
        thread.asked.pop(ticket.asking.name, None)


def close(thread: Thread, ticket: Ticket, found: Evidence) -> Flow[None]:
    """Say how it ended. An outcome that nobody knows stays open, for a person."""
    body = report(found)
    if found.how != "open":
        thread.use_up(ticket)
    if body is not None:
        yield from _settle(thread, ticket, body)
        thread.end(ticket)


def _settle(thread: Thread, ticket: Ticket, body: Mapping[str, Json]) -> Flow[None]:
    yield from settle(thread.core, thread.run, ticket.action, body, ticket.began)


def _let_go(thread: Thread, action: Action) -> Flow[Action]:
    """Of a claim that is not ours: a living process may be at it."""
    if not thread.takeover:
        action = yield from let_go(thread.core, thread.run, action)
    if action.state == "executing":
        raise OutcomeUnknown(action, "an earlier process began it and never said how it ended")
    return action
