"""Handing work to people."""

from __future__ import annotations

from watchfloor import protocol
from watchfloor.core import Core, ask, logger
from watchfloor.effects import Flow
from watchfloor.errors import Unreachable
from watchfloor.flows.opening import opened, unopened
from watchfloor.jsonable import jsonable
from watchfloor.models import HandOver, Json, Review
from watchfloor.outbox import Item
from watchfloor.state import RunState


def hand_over(
    core: Core, run: RunState, to: HandOver, *, subject: str | None, may_wait: bool
) -> Flow[Review]:
    """The review; the same key twice gives the same one.

    Raises Unreachable, unless it `may_wait` in the buffer: then a Review in state `unsent`.
    """
    body: dict[str, Json] = {
        "key": to.key,
        "title": to.title,
        "queue": to.queue,
        "reason": to.reason,
        "subject": subject,
        "payload": None if to.payload is None else jsonable(to.payload),
    }
    try:
        run_id = yield from opened(core, run)
        return (yield from ask(core, protocol.hand_over(run_id, body), until=run.cancelled))
    except Unreachable as error:
        if not may_wait:
            raise
        logger.warning("%s is handed over later: %s", to.key, error)
        given = {name: value for name, value in body.items() if value is not None}
        core.outbox.add(Item("review", run.id, given, unopened(run)))
        return Review("", str(to.key), to.queue or "", to.title, state="unsent")
